"""Dynamic Multimodal Fusion: data, models, training, evaluation and reporting."""

__version__ = "0.1.0"
