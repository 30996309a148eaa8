"""Trained segmentation networks, ready for inference."""

from pathlib import Path

from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.weights import load_released, load_weights


def load_segmentation(kind, network, num_classes, weights, device):
    """A network in eval mode with the weights of a file.

    Args:
        kind, num_classes: see `build_segmentation`.
        network: the config's `nyuv2.network`; what it says of pretrained encoders does not matter.
        weights: `.safetensors`, or the authors' released `.pth`.
        device: torch device.

    Raises:
        InputError: the weights are not there, or not those of such a network.
    """
    model = build_segmentation(kind, {**network, "pretrained": "none"}, num_classes)
    load = load_released if Path(weights).suffix == ".pth" else load_weights
    return load(model, weights).to(device).eval()
