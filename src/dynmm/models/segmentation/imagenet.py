"""Encoders trained on ImageNet, as the paper's and ESANet's runs start from."""

from pathlib import Path

import torch

from dynmm.errors import InputError
from dynmm.models.segmentation.resnet import ResNetEncoder
from dynmm.models.weights import fill, read_checkpoint

ESANET_FILES = {"resnet18": "r18_NBt1D.pth", "resnet34": "r34_NBt1D.pth"}
ESANET_PAGE = "https://github.com/TUI-NICR/ESANet (README, ImageNet-pretrained encoders)"
FROM_SCRATCH = "or set nyuv2.network.pretrained: none to train from scratch"


def load_imagenet_encoders(model):
    """Fill every encoder of a segmentation network with ImageNet weights.

    BasicBlock and Bottleneck come through torchvision (its first set, the one ESANet used);
    NonBottleneck1D from ESANet's own file, which has to be put beside torch's cached weights. The
    depth encoder's first convolution sums the RGB one's input channels, as ESANet does.

    Raises:
        InputError: if the weights cannot be had: says which file to fetch, from where, and into
            which path. The network is then unchanged.
    """
    encoder, block = model.arguments["encoder"], model.arguments["block"]
    if block == "NonBottleneck1D" and encoder != "resnet50":
        weights, path = _esanet_weights(encoder)
    else:
        weights, path = _torchvision_weights(encoder)
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


def published_weights(encoder):
    """Torchvision's first ImageNet weights of resnet18, resnet34 or resnet50, not yet fetched."""
    from torchvision.models import get_weight  # 2 s, which only pretrained networks should cost

    return get_weight(f"{encoder.replace('resnet', 'ResNet')}_Weights.IMAGENET1K_V1")


def _torchvision_weights(encoder):
    weights = published_weights(encoder)
    path = _cache() / Path(weights.url).name
    try:
        state = weights.get_state_dict(
            progress=False, check_hash=True, map_location="cpu", weights_only=True
        )
    except Exception as error:  # urllib, socket, hash and unpickling errors alike
        raise InputError(
            f"the ImageNet weights of {encoder} could not be had",
            file=path,
            found=(str(error).splitlines() or [type(error).__name__])[0],
            fix=f"Download {weights.url} to that path, {FROM_SCRATCH}.",
        ) from None
    return {key: value for key, value in state.items() if not key.startswith("fc.")}, path


def _esanet_weights(encoder):
    path = _cache() / ESANET_FILES[encoder]
    if not path.is_file():
        raise InputError(
            f"torchvision has no ImageNet weights for {encoder} with NonBottleneck1D",
            file=path,
            found="no such file",
            expected="the file that ESANet's authors give",
            fix=f"Fetch {path.name} from {ESANET_PAGE} to that path, {FROM_SCRATCH}.",
        )
    state = {
        key.rpartition("encoder.")[2]: value
        for key, value in read_checkpoint(path).items()
        if "encoder." in key
    }
    if "conv1.weight" not in state:
        raise InputError(
            "no encoder in the file", file=path, expected="entries encoder.conv1.weight, ..."
        )
    return state, path


def _cache():
    return Path(torch.hub.get_dir()) / "checkpoints"
