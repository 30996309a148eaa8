"""Encoders trained on ImageNet, as the paper's and ESANet's runs start from."""

import re
from pathlib import Path

from dynmm.errors import InputError
from dynmm.files import sha256
from dynmm.models.segmentation.resnet import ResNetEncoder
from dynmm.models.weights import fill, read_checkpoint

HASH_IN_NAME = r"-([0-9a-f]{8})\.pth$"  # torchvision: the start of the file's SHA-256
OR_NONE = "or set nyuv2.network.pretrained: none to train from scratch."


def load_imagenet_encoders(model, path):
    """Fill every encoder of a segmentation network with ImageNet weights.

    BasicBlock and Bottleneck take torchvision's files (its first set, the one ESANet used),
    NonBottleneck1D ESANet's own. The depth encoder's first convolution sums the RGB one's input
    channels, as ESANet does.

    Args:
        model: the network.
        path: the file of weights.

    Raises:
        InputError: the file is not there, holds other bytes than its name says, or does not fit.
            The network is then unchanged.
    """
    path = Path(path)
    encoder, block = model.arguments["encoder"], model.arguments["block"]
    read = _esanet_weights if block == "NonBottleneck1D" else _torchvision_weights
    weights = read(path)
    if "conv1.weight" not in weights:
        raise InputError(
            f"no encoder {encoder} of {block} in the file", file=path, expected="conv1.weight, ..."
        )
    for module in model.modules():
        if isinstance(module, ResNetEncoder):
            first = weights["conv1.weight"]
            if module.conv1.in_channels == 1:
                first = first.sum(dim=1, keepdim=True)
            # published files predate batch norm's counter, which nothing here reads
            fill(
                module,
                {**weights, "conv1.weight": first},
                path,
                optional=["num_batches_tracked"],
            )


def _torchvision_weights(path):
    name = re.search(HASH_IN_NAME, path.name)
    if name and path.is_file():
        digest = sha256(path)
        if not digest.startswith(name[1]):
            raise InputError(
                "the ImageNet weights are damaged",
                file=path,
                found=f"SHA-256 {digest}",
                expected=f"{name[1]}..., as its name says",
                fix=f"Delete it, so that it is fetched again, {OR_NONE}",
            )
    state = read_checkpoint(path, key=None)
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def _esanet_weights(path):
    return {
        key.rpartition("encoder.")[2]: value
        for key, value in read_checkpoint(path).items()
        if "encoder." in key
    }
