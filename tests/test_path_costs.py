"""Measured multiply-adds against the figures counted on the authors' networks."""

import pytest
import torch

from dynmm.models.madds import count_madds
from dynmm.models.segmentation import path_costs
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds

PUBLISHED_RUN, SMALL_DECODER = [512, 256, 128], [128, 128, 128]


def measure(kind="dynamic", encoder="resnet50", decoder=PUBLISHED_RUN, **changes):
    network = {
        "encoder": encoder,
        "block": "NonBottleneck1D" if encoder == "resnet34" else "BasicBlock",
        "channels_decoder": decoder,
        "nr_decoder_blocks": [3, 3, 3],
        "fusion": "SE-add",
        "height": 480,
        "width": 640,
        "pretrained": "none",
        **changes,
    }
    with torch.device("meta"):
        return path_madds(build_segmentation(kind, network))


def giga(counts):
    return [count / 1e9 for count in counts]


def test_the_published_network_counted_again():
    total = giga(measure()["complete"]["total"])
    assert total == pytest.approx([41.05, 45.14, 51.43, 60.39, 65.35], rel=0.001)
    small = giga(measure(decoder=SMALL_DECODER)["complete"]["total"])
    assert [small[0], small[4]] == pytest.approx([32.39, 56.69], rel=0.001)


def test_resnet34_counted_again():
    total = giga(measure(encoder="resnet34")["complete"]["total"])
    assert [total[0], total[4]] == pytest.approx([30.0, 45.2], rel=0.01)
    small = giga(measure(encoder="resnet34", decoder=SMALL_DECODER)["complete"]["total"])
    assert [small[0], small[4]] == pytest.approx([22.2, 37.5], rel=0.01)


def test_the_per_module_way_gives_the_authors_constants_to_the_last_digit():
    counts = measure(decoder=SMALL_DECODER)["per_module"]
    assert giga(counts["total"]) == pytest.approx(
        [32.5854654, 36.728995928, 43.058611352, 52.050619672, 57.0138742], abs=5e-9
    )
    assert giga(counts["depth_encoder"]) == pytest.approx(
        [0.2506752, 4.39420573, 10.72382115, 19.71582947, 24.679084], abs=5e-9
    )
    static = measure("static", decoder=SMALL_DECODER)["per_module"]["total"]
    assert giga(static) == pytest.approx([56.896328808], abs=5e-10)


def test_the_authors_resnet34_constants_are_those_of_plain_addition():
    counts = measure(encoder="resnet34", decoder=SMALL_DECODER, fusion="add")["per_module"]
    assert giga(counts["depth_encoder"]) == pytest.approx(
        [0.2506752, 3.1113216, 6.9470208, 12.66432, 15.538944], abs=5e-9
    )
    assert giga(counts["total"]) == pytest.approx(
        [22.37101509, 25.23166149, 29.06736069, 34.78465989, 37.65928389], abs=5e-9
    )


def test_a_path_costs_more_only_by_its_depth_encoder():
    for counts in measure().values():
        depth, total = counts["depth_encoder"], counts["total"]
        assert depth == sorted(set(depth))
        assert [value - depth[0] for value in depth] == [value - total[0] for value in total]


def test_networks_without_a_gate_have_one_path():
    small = {"height": 96, "width": 128, "encoder": "resnet18"}
    rgb, depth, static = (measure(kind, **small) for kind in ("rgb", "depth", "static"))
    dynamic = measure(**small)
    for convention in ("complete", "per_module"):
        assert len(static[convention]["total"]) == len(rgb[convention]["total"]) == 1
        assert rgb[convention]["depth_encoder"] == [0]
        assert 0 < depth[convention]["depth_encoder"][0] < depth[convention]["total"][0]
        assert static[convention]["depth_encoder"] == dynamic[convention]["depth_encoder"][4:]
        assert static[convention]["total"][0] < dynamic[convention]["total"][4]


def test_counts_are_measured_once_for_each_shape(monkeypatch):
    small = {"height": 96, "width": 64, "encoder": "resnet18"}
    first = measure("rgb", **small)
    first["complete"]["total"].clear()  # a caller's change does not reach the store
    monkeypatch.setattr(path_costs, "count_by_module", None)
    assert measure("rgb", **small)["complete"]["total"][0] > 0
    with pytest.raises(TypeError):
        measure("rgb", **{**small, "width": 160})


def test_a_network_with_weights_has_the_same_counts():
    network = {"height": 96, "width": 128, "encoder": "resnet18", "channels_decoder": [32, 16, 16]}
    counts = measure("dynamic", **network)
    real = build_segmentation(
        "dynamic",
        {
            **network,
            "block": "BasicBlock",
            "nr_decoder_blocks": [3, 3, 3],
            "fusion": "SE-add",
            "pretrained": "none",
        },
    ).eval()
    rgb, depth = torch.randn(1, 3, 96, 128), torch.randn(1, 1, 96, 128)
    for path in range(5):
        forced = count_madds(
            real, rgb, depth, forward=lambda *x, p=path: real.infer(*x, paths=torch.tensor([p]))
        )
        assert forced["complete"] == counts["complete"]["total"][path]
        assert forced["per_module"] == counts["per_module"]["total"][path]
