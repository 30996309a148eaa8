"""What a segmentation network costs on each of its paths, counted from its modules."""

import functools
import json

import torch

from dynmm.models.madds import count_by_module
from dynmm.models.segmentation.dynamic_esanet import PATHS, DynamicESANet
from dynmm.models.segmentation.esanet import ESANetOneModality
from dynmm.vocabulary import MADDS_CONVENTIONS


def path_madds(model):
    """Multiply-adds of one image at the network's height and width, by path.

    Measured once for each shape of network, on a twin of it without memory (torch's meta device),
    with `infer` forced onto every path.

    Args:
        model: what `build_segmentation` gives.

    Returns:
        {convention: {"total": [int, ...], "depth_encoder": [int, ...]}} for "complete" and
        "per_module" (see `madds`). A dynamic network has five entries, 0..4 fused cells, the others
        one. The depth encoder's share holds the fusion of the cells too, which goes with it: the
        difference between two paths is their whole difference in cost.
    """
    counts = _measure(type(model), json.dumps(model.arguments, sort_keys=True))
    return json.loads(counts)


@functools.cache
def _measure(network, arguments):
    arguments = json.loads(arguments)
    with torch.device("meta"):
        twin = network(**arguments).eval()
        size = (arguments["height"], arguments["width"])
        rgb, depth = torch.empty(1, 3, *size), torch.empty(1, 1, *size)
    if network is DynamicESANet:
        by_path = []
        for path in range(PATHS):
            forced = functools.partial(twin.infer, paths=torch.tensor([path], device="cpu"))
            by_path.append(count_by_module(twin, rgb, depth, forward=forced))
    elif network is ESANetOneModality:
        by_path = [count_by_module(twin, rgb if twin.modality == "rgb" else depth)]
    else:
        by_path = [count_by_module(twin, rgb, depth)]
    return json.dumps(
        {
            convention: {
                "total": [sum(counts[convention].values()) for counts in by_path],
                "depth_encoder": [_depth_share(twin, counts[convention]) for counts in by_path],
            }
            for convention in MADDS_CONVENTIONS
        }
    )


def _depth_share(network, counts):
    if isinstance(network, ESANetOneModality):
        encoder = ("encoder.",) if network.modality == "depth" else ()
    else:
        encoder = ("encoder_depth.", *(f"se_layer{stage}." for stage in range(1, PATHS)))
    return sum(count for name, count in counts.items() if name.startswith(encoder))
