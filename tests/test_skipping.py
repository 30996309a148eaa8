"""Inference on a sample's own path: the same numbers, and really less work."""

import functools

import pytest
import torch

import fixture_rules as rules
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.dynamic_esanet import PATHS

SMALL = {
    "encoder": "resnet18",
    "block": "BasicBlock",
    "channels_decoder": [32, 24, 16],
    "nr_decoder_blocks": [1, 1, 1],
    "fusion": "SE-add",
    "height": 64,
    "width": 96,
    "pretrained": "none",
}
MIXED = [2, 0, 4, 1, 3, 0, 2]


@pytest.fixture(scope="module", params=["SE-add", "add"])
def network(request):
    torch.manual_seed(0)
    model = build_segmentation("dynamic", {**SMALL, "fusion": request.param}, 6).double()
    state = {  # batch norm statistics that are not those of a fresh network
        key: torch.from_numpy(rules.tensor_for(key, value.shape)).to(value.dtype)
        for key, value in model.state_dict().items()
        if "running" in key
    }
    model.load_state_dict(state, strict=False)
    return model.eval()


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    rgb = torch.randn(len(MIXED), 3, 64, 96, generator=generator, dtype=torch.float64)
    depth = torch.randn(len(MIXED), 1, 64, 96, generator=generator, dtype=torch.float64)
    return rgb, depth


def everything(network, images, paths):
    weights = torch.nn.functional.one_hot(torch.tensor(paths), PATHS).double()
    return network(*images, weights=weights)[0]


@pytest.fixture
def seen(network):
    """{name: batch sizes} of each call of a depth stage or a fusion cell."""
    sizes, handles = {}, []
    for name, module in network.named_children():
        stages = module.named_children() if name == "encoder_depth" else ()
        watched = {f"{name}.{stage}": child for stage, child in stages if "layer" in stage}
        if name.startswith("se_layer"):
            watched = {name: module}
        for label, child in watched.items():
            calls = functools.partial(sizes.setdefault, label)
            handles.append(
                child.register_forward_hook(
                    lambda _, inputs, __, calls=calls: calls([]).append(len(inputs[0]))
                )
            )
    yield sizes
    for handle in handles:
        handle.remove()


@torch.no_grad()
def test_mixed_paths_equal_computing_everything(network, images):
    logits, paths = network.infer(*images, paths=torch.tensor(MIXED))
    assert paths.tolist() == MIXED
    expected = everything(network, images, MIXED)
    scale = expected.abs().max()
    assert (logits - expected).abs().max() <= 1e-10 * scale
    # every sample differs from the same sample on another path: the order matters
    other = everything(network, images, [(path + 1) % PATHS for path in MIXED])
    assert all((logits[i] - other[i]).abs().max() > 1e-6 * scale for i in range(len(MIXED)))


@torch.no_grad()
def test_float32_stays_within_1e_5(network, images):
    single = build_segmentation("dynamic", network.arguments | {"pretrained": "none"}, 6).eval()
    single.load_state_dict(
        {
            key: value.float() if value.is_floating_point() else value
            for key, value in network.state_dict().items()
        }
    )
    images = [image.float() for image in images]
    logits, _ = single.infer(*images, paths=torch.tensor(MIXED))
    weights = torch.nn.functional.one_hot(torch.tensor(MIXED), PATHS).float()
    expected, _ = single(*images, weights=weights)
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_the_gate_chooses_the_path_of_the_hard_mode(network, images):
    logits, paths = network.infer(*images)
    expected, weights = network(*images, mode="hard")
    assert paths.tolist() == weights.argmax(1).tolist()
    assert (logits - expected).abs().max() <= 1e-10 * expected.abs().max()


@torch.no_grad()
def test_each_stage_runs_only_the_samples_that_need_it(network, images, seen):
    network.infer(*images, paths=torch.tensor(MIXED))
    for stage in (1, 2, 3, 4):
        needed = sum(path >= stage for path in MIXED)
        assert seen.pop(f"encoder_depth.layer{stage}") == [needed]
        assert seen.pop(f"se_layer{stage}") == [needed]
    assert seen == {"se_layer0": [len(MIXED)]}


@torch.no_grad()
@pytest.mark.parametrize("path", range(PATHS))
def test_one_sample_of_path_p_runs_p_depth_stages(network, images, seen, path):
    rgb, depth = (image[:1] for image in images)
    network.infer(rgb, depth, paths=torch.tensor([path]))
    assert [stage for stage in (1, 2, 3, 4) if f"encoder_depth.layer{stage}" in seen] == list(
        range(1, path + 1)
    )


@torch.no_grad()
def test_computing_everything_does_run_all_stages(network, images, seen):
    everything(network, images, [0] * len(MIXED))
    assert all(seen[f"encoder_depth.layer{stage}"] == [len(MIXED)] for stage in (1, 2, 3, 4))


@torch.no_grad()
def test_path_4_is_static_esanet(network, images):
    static = build_segmentation("static", network.arguments | {"pretrained": "none"}, 6)
    static = static.double().eval()
    shared = {key: value for key, value in network.state_dict().items() if "gate_layer" not in key}
    static.load_state_dict(shared)
    logits, _ = network.infer(*images, paths=torch.full((len(MIXED),), 4))
    torch.testing.assert_close(logits, static(*images))
    torch.testing.assert_close(network(*images, mode="static")[0], static(*images))


@torch.no_grad()
def test_path_0_does_not_look_at_depth_beyond_the_stem(network, images):
    rgb, depth = images
    logits, _ = network.infer(rgb, depth, paths=torch.zeros(len(rgb), dtype=torch.int64))
    damaged = [value.clone() for value in network.encoder_depth.layer1.parameters()]
    try:
        for value in network.encoder_depth.layer1.parameters():
            value.fill_(float("nan"))
        again, _ = network.infer(rgb, depth, paths=torch.zeros(len(rgb), dtype=torch.int64))
    finally:
        for value, before in zip(network.encoder_depth.layer1.parameters(), damaged, strict=True):
            value.copy_(before)
    assert torch.equal(logits, again)


def test_skipping_is_refused_where_it_would_be_wrong(network, images):
    network.train()
    try:
        with pytest.raises(RuntimeError, match="eval"):
            network.infer(*images)
    finally:
        network.eval()
    for paths in ([0, 1], [5] * len(MIXED), [-1] * len(MIXED)):
        with pytest.raises(ValueError, match="integers from 0 to 4"):
            network.infer(*images, paths=torch.tensor(paths))
