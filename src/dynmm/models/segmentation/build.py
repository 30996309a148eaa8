"""Segmentation networks by name, from the config's `nyuv2.network`."""

from dynmm.models.segmentation.dynamic_esanet import DynamicESANet
from dynmm.models.segmentation.esanet import ESANet, ESANetOneModality
from dynmm.models.segmentation.imagenet import load_imagenet_encoders

KINDS = ("rgb", "depth", "static", "dynamic")
ARGUMENTS = (
    "encoder",
    "block",
    "channels_decoder",
    "nr_decoder_blocks",
    "fusion",
    "height",
    "width",
)


def build_segmentation(kind, network, num_classes=40):
    """A network with fresh weights, or with encoders trained on ImageNet.

    Args:
        kind: "rgb" or "depth" (one modality), "static" (ESANet) or "dynamic" (DynMM).
        network: the config's `nyuv2.network`; its `pretrained` is "none", or the path of the file
            with the encoders' weights.
        num_classes: number of classes.

    Raises:
        ValueError: if the kind is unknown.
        InputError: if the size does not suit the network or the encoder weights do not.
    """
    arguments = {key: network[key] for key in ARGUMENTS} | {"num_classes": num_classes}
    if kind in ("rgb", "depth"):
        model = ESANetOneModality(kind, **arguments)
    elif kind in ("static", "dynamic"):
        model = {"static": ESANet, "dynamic": DynamicESANet}[kind](**arguments)
    else:
        raise ValueError(f"segmentation network {kind!r}; expected one of {', '.join(KINDS)}")
    if network["pretrained"] != "none":
        load_imagenet_encoders(model, network["pretrained"])
    return model
