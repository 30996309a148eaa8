import pytest
import torch
import torch.nn.functional as F

from dynmm.errors import InputError
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.context import means_by_products
from dynmm.models.segmentation.decoder import LearnedUpsample
from dynmm.models.segmentation.dynamic_esanet import PATHS, GlobalGate
from dynmm.training.segmentation.task import multi_scale_cross_entropy

SMALL = {
    "encoder": "resnet18",
    "block": "BasicBlock",
    "channels_decoder": [32, 24, 16],
    "nr_decoder_blocks": [1, 2, 1],
    "fusion": "SE-add",
    "height": 64,
    "width": 96,
    "pretrained": "none",
}
RGB, DEPTH = torch.randn(2, 3, 64, 96), torch.randn(2, 1, 64, 96)
INPUTS = {"rgb": (RGB,), "depth": (DEPTH,), "static": (RGB, DEPTH)}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("fusion", ["SE-add", "add"])
@pytest.mark.parametrize(
    ("encoder", "block"),
    [
        ("resnet10", "BasicBlock"),
        ("resnet18", "NonBottleneck1D"),
        ("resnet34", "BasicBlock"),
        ("resnet50", "BasicBlock"),
    ],
)
def test_outputs_have_the_four_scales_in_training_and_one_in_evaluation(
    kind, fusion, encoder, block
):
    network = {**SMALL, "encoder": encoder, "block": block, "fusion": fusion}
    model = build_segmentation(kind, network, num_classes=7)
    with torch.no_grad():
        outputs = model.train()(*INPUTS[kind])
        assert [tuple(output.shape) for output in outputs] == [
            (2, 7, 64, 96),
            (2, 7, 8, 12),
            (2, 7, 4, 6),
            (2, 7, 2, 3),
        ]
        assert model.eval()(*INPUTS[kind]).shape == (2, 7, 64, 96)


@pytest.mark.parametrize("mode", ["soft", "straight_through", "random", "static", "hard"])
def test_training_modes_return_outputs_and_weights(mode):
    torch.manual_seed(0)
    model = build_segmentation("dynamic", SMALL).train()
    outputs, weights = model(RGB, DEPTH, mode=mode, temperature=0.5)
    assert len(outputs) == 4
    assert weights.shape == (2, PATHS)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    if mode == "static":
        assert weights[:, 4].tolist() == [1.0, 1.0]
    if mode != "soft":
        assert sorted(set(weights.flatten().tolist())) == [0.0, 1.0]
    outputs[0].square().mean().backward()
    gradient = model.gate_layer.fc.weight.grad
    assert (gradient is not None and bool(gradient.abs().max() > 0)) == (
        mode in ("soft", "straight_through")
    )


def test_random_paths_and_gumbel_draws_follow_their_generator():
    model = build_segmentation("dynamic", SMALL).eval()
    rgb, depth = torch.randn(6, 3, 64, 96), torch.randn(6, 1, 64, 96)

    def weights(seed, **options):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return model(rgb, depth, generator=generator, **options)[1]

    for options in ({"mode": "random"}, {"mode": "soft", "gumbel": True}):
        assert torch.equal(weights(1, **options), weights(1, **options))
        assert not torch.equal(weights(1, **options), weights(2, **options))


def test_soft_weights_are_the_gate_s_softmax_at_the_temperature():
    model = build_segmentation("dynamic", SMALL).eval()
    rgb, depth = torch.randn(3, 3, 64, 96), torch.randn(3, 1, 64, 96)
    with torch.no_grad():
        logits = model.gate_logits(rgb, depth)
        for temperature in (1.0, 0.05):
            weights = model(rgb, depth, mode="soft", temperature=temperature)[1]
            torch.testing.assert_close(weights, torch.softmax(logits / temperature, dim=1))


def test_the_gate_looks_at_both_encoders():
    gate = GlobalGate().eval()
    rgb, depth, other = (torch.randn(2, 64, 16, 24) for _ in range(3))
    with torch.no_grad():
        logits = gate(rgb, depth)
        assert not torch.allclose(gate(rgb, other), logits)
        assert not torch.allclose(gate(other, depth), logits)


def test_gate_weights_can_be_given_instead_of_a_mode():
    model = build_segmentation("dynamic", SMALL).eval()
    given = torch.eye(PATHS)[[4, 4]]
    with torch.no_grad():
        logits, weights = model(RGB, DEPTH, weights=given)
        assert torch.equal(logits, model(RGB, DEPTH, mode="static")[0])
    assert weights is given
    for options in ({}, {"mode": "soft", "weights": given}, {"mode": "gumbel"}):
        with pytest.raises(ValueError, match="gate"):
            model(RGB, DEPTH, **options)


def test_autocast_runs_every_kind():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, weights = build_segmentation("dynamic", SMALL)(RGB, DEPTH, mode="soft")
    assert all(torch.isfinite(output).all() for output in outputs)
    assert weights.dtype == torch.float32


def test_learned_upsampling_starts_as_bilinear_interpolation():
    x = torch.randn(1, 3, 6, 8)
    bilinear = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        ours = LearnedUpsample(3)(x)
    torch.testing.assert_close(ours[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1])


@pytest.mark.parametrize(
    ("kind", "size"), [("static", (100, 96)), ("rgb", (96, 0)), ("dynamic", (32, 96))]
)
def test_sizes_that_do_not_suit_are_refused(kind, size):
    with pytest.raises(InputError, match=r"network\.(height|width)"):
        build_segmentation(kind, {**SMALL, "height": size[0], "width": size[1]})


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="rgb, depth, static, dynamic"):
        build_segmentation("thermal", SMALL)


@pytest.mark.parametrize("size", [(3, 4), (15, 20), (7, 5), (4, 4)])
@pytest.mark.parametrize("bins", [1, 5])
def test_means_of_bins_by_matrix_products_are_torch_s(size, bins):
    """A GPU takes them where it has to sum in a fixed order."""
    x = torch.randn(2, 3, *size, requires_grad=True)
    means, expected = means_by_products(x, bins), F.adaptive_avg_pool2d(x, bins)
    torch.testing.assert_close(means, expected)
    seed = torch.randn_like(means)
    (gradient,), (wanted,) = (torch.autograd.grad(y, x, seed) for y in (means, expected))
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_gpu_trains_a_network_twice_to_the_same_bits():
    torch.use_deterministic_algorithms(True)
    try:
        found = []
        for _ in range(2):
            torch.manual_seed(0)
            network = build_segmentation("static", SMALL, 40).cuda().train()
            outputs = network(torch.randn(2, 3, 64, 64).cuda(), torch.randn(2, 1, 64, 64).cuda())
            labels = [torch.randint(0, 41, o.shape[0:1] + o.shape[2:]).cuda() for o in outputs]
            loss = multi_scale_cross_entropy(outputs, labels, torch.ones(40).cuda())
            loss.backward()
            found.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    finally:
        torch.use_deterministic_algorithms(False)
