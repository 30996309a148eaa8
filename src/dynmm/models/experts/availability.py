"""Which modalities a sample has: what a gate with `availability` reads beside the features."""

from dynmm.vocabulary import AVAILABLE


def availability_mask(inputs, modalities):
    """1 where a modality is present and 0 where it is missing, (B, M) float.

    Args:
        inputs: dict of tensors (B, ...). `available`, (B, M) bool, says what is there; without it
            everything is.
        modalities: names of the M modalities, in the order of the data.
    """
    features = inputs[modalities[0]]
    if AVAILABLE in inputs:
        return inputs[AVAILABLE].to(features)
    return features.new_ones(len(features), len(modalities))
