import pytest
import torch
from torch import nn

from dynmm.errors import InputError
from dynmm.models.experts import mmimdb as mmimdb_experts
from dynmm.models.experts.dynamic import DynamicExperts, combine
from dynmm.models.experts.mlp_gate import MlpGate
from dynmm.models.experts.registry import (
    build_expert,
    build_gate,
    register_expert,
)
from dynmm.models.madds import count_madds

SIZES = {"text": 300, "image": 4096}
GENRES = 23
SMALL = {"text": 12, "image": 20}
BATCH = 37


def _model(names, sizes=SIZES, seed=0):
    torch.manual_seed(seed)
    experts = {name: build_expert("mmimdb", name, sizes, GENRES) for name in names}
    return DynamicExperts(experts, build_gate("mmimdb", "mlp", sizes, len(names))).eval()


def _inputs(sizes=SIZES, batch=BATCH):
    torch.manual_seed(1)
    return {name: torch.randn(batch, size) for name, size in sizes.items()}


@pytest.fixture(scope="module")
def pair():
    return _model(["text", "late_fusion"])


@pytest.mark.parametrize(
    "names", [["text", "late_fusion"], ["text", "image", "early_fusion", "late_fusion"]]
)
def test_running_only_the_chosen_expert_equals_computing_all(names):
    model, inputs = _model(names), _inputs()
    with torch.no_grad():
        everything = model(inputs, "straight_through")
    found = model.infer(inputs)
    assert len(found.chosen.unique()) > 1
    scale = everything.outputs.abs().max()
    assert (found.outputs - everything.outputs).abs().max() / scale <= 1e-6
    assert torch.equal(found.chosen, everything.weights.argmax(dim=1))
    assert torch.equal(found.weights, everything.weights)


def test_unchosen_experts_do_not_run_and_chosen_ones_see_their_samples_alone(pair):
    inputs, seen = _inputs(), {}
    handles = [
        expert.register_forward_pre_hook(
            lambda module, args, name=name: seen.setdefault(name, []).append(args[0])
        )
        for name, expert in pair.experts.items()
    ]
    try:
        chosen = pair.infer(inputs).chosen
        counts = {name: sum(len(x["text"]) for x in calls) for name, calls in seen.items()}
        assert counts == {
            "text": int((chosen == 0).sum()),
            "late_fusion": int((chosen == 1).sum()),
        }
        assert all(set(call) == {"text"} for call in seen["text"])
        for choice, name in enumerate(("text", "late_fusion")):
            seen.clear()
            rows = (chosen == choice).nonzero()[:, 0]
            pair.infer({key: tensor[rows] for key, tensor in inputs.items()})
            assert list(seen) == [name]
    finally:
        for handle in handles:
            handle.remove()


def test_soft_inference_weighs_every_expert(pair):
    inputs = _inputs()
    found = pair.infer(inputs, "soft", temperature=2.0)
    with torch.no_grad():
        logits = pair.gate(inputs)
        weights = torch.softmax(logits / 2.0, dim=1)
        each = [e({k: inputs[k] for k in e.modalities}) for e in pair.experts.values()]
    expected = sum(weights[:, i : i + 1] * each[i] for i in range(2))
    torch.testing.assert_close(found.outputs, expected)
    torch.testing.assert_close(found.weights, weights)


def test_lengths_travel_with_their_samples():
    class Sequence(nn.Module):
        modalities = ("words",)

        def __init__(self, sign):
            super().__init__()
            self.sign = sign

        def forward(self, inputs):
            last = inputs["lengths"] - 1
            return self.sign * inputs["words"][torch.arange(len(last)), last]

    class Gate(nn.Module):
        def forward(self, inputs):
            odd = (inputs["lengths"] % 2).float()
            return torch.stack([odd, 1 - odd], dim=1)

    torch.manual_seed(0)
    model = DynamicExperts({"a": Sequence(1.0), "b": Sequence(-1.0)}, Gate()).eval()
    lengths = torch.tensor([5, 2, 3, 4, 1])
    inputs = {"words": torch.randn(5, 5, 3), "lengths": lengths}
    expected = torch.stack(
        [(1.0 if n % 2 else -1.0) * inputs["words"][i, n - 1] for i, n in enumerate(lengths)]
    )
    assert torch.equal(model.infer(inputs).outputs, expected)
    assert torch.equal(model(inputs).outputs, expected)


@pytest.mark.parametrize("mode", ["soft", "straight_through"])
def test_stored_outputs_train_the_gate_as_running_the_experts_does(mode):
    model = _model(["text", "late_fusion"], SMALL).freeze_experts().train()
    inputs = _inputs(SMALL)
    stored = model.run_experts(inputs)
    gradients = []
    for result in (
        model(inputs, mode),
        model.forward_frozen(inputs, stored, mode),
    ):
        model.zero_grad()
        result.outputs.square().mean().backward()
        gradients.append([p.grad.clone() for p in model.gate.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert any(g.abs().max() > 0 for g in gradients[0])


def test_frozen_experts_stay_as_they_are_while_the_gate_trains():
    model = _model(["text", "late_fusion"], SMALL).freeze_experts()
    before = {name: value.clone() for name, value in model.experts.state_dict().items()}
    model.train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=0.1)
    model(_inputs(SMALL)).outputs.square().mean().backward()
    optimizer.step()
    after = model.experts.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert model.gate.training


def test_joint_training_reaches_the_experts():
    model = _model(["text", "late_fusion"], SMALL).train()
    model(_inputs(SMALL), "soft").outputs.square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_gumbel_noise_follows_its_generator(pair):
    def weights(seed):
        generator = torch.Generator().manual_seed(seed)
        return pair(_inputs(), "soft", gumbel=True, generator=generator).weights

    with torch.no_grad():
        assert torch.equal(weights(3), weights(3))
        assert not torch.equal(weights(3), weights(4))


def test_combine_is_the_weighted_sum():
    outputs = torch.tensor([[[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]])
    assert combine(outputs, torch.tensor([[0.5, 0.25, 0.25]])).tolist() == [[28.0, 56.0]]


# paper.md, "counted again": the same networks by the authors' counter, in multiply-adds
@pytest.mark.parametrize(
    ("name", "expected"), [("text", 689664), ("image", 4992512), ("late_fusion", 10320048)]
)
def test_multiply_adds_are_those_of_the_authors_networks(name, expected):
    expert = build_expert("mmimdb", name, SIZES, GENRES)
    inputs = {key: torch.zeros(1, SIZES[key]) for key in expert.modalities}
    assert count_madds(expert, inputs)["per_module"] == pytest.approx(expected, rel=0.01)


def test_multiply_adds_of_the_gate():
    gate = build_gate("mmimdb", "mlp", SIZES, 2)
    assert isinstance(gate, MlpGate)
    inputs = {key: torch.zeros(1, size) for key, size in SIZES.items()}
    assert count_madds(gate, inputs)["per_module"] == pytest.approx(562944, rel=0.01)


def test_lrtf_factors_are_parameters_that_train_and_are_saved():
    expert = build_expert("mmimdb", "lrtf", SMALL, GENRES, {"features": 8, "fused": 6, "rank": 3})
    assert expert.state_dict()["fuse.factors.0"].shape == (3, 9, 6)
    expert(_inputs(SMALL)).square().mean().backward()
    assert all(factor.grad.abs().max() > 0 for factor in expert.fuse.factors)


@pytest.mark.parametrize("untrained", [["factors"], ["fusion_weights", "fusion_bias"]])
def test_lrtf_parts_can_stay_as_drawn(untrained):
    options = {"features": 8, "fused": 6, "rank": 3, "untrained": untrained}
    expert = build_expert("mmimdb", "lrtf", SMALL, GENRES, options)
    frozen = {n.split(".")[1] for n, p in expert.named_parameters() if not p.requires_grad}
    assert frozen == set(untrained)
    assert "fuse.factors.0" in expert.state_dict()
    with pytest.raises(InputError, match="untrained"):
        build_expert("mmimdb", "lrtf", SMALL, GENRES, {**options, "untrained": ["bias"]})


@pytest.mark.parametrize(
    "name", ["early_fusion", "image", "late_fusion", "lrtf", "mi_matrix", "text"]
)
def test_every_expert_takes_its_sizes_from_the_data(name):
    sizes = {"text": 7, "image": 9}
    options = {"features": 8, "fused": 6} if name == "mi_matrix" else {}
    expert = build_expert("mmimdb", name, sizes, 5, options).eval()
    inputs = {key: torch.randn(3, sizes[key]) for key in expert.modalities}
    assert expert(inputs).shape == (3, 5)


def test_an_expert_is_added_by_one_registered_class():
    @register_expert("mmimdb", "text_linear")
    class TextLinear(nn.Module):
        modalities = ("text",)

        def __init__(self, input_sizes, outputs, bias=True):
            super().__init__()
            self.fc = nn.Linear(input_sizes["text"], outputs, bias=bias)

        def forward(self, inputs):
            return self.fc(inputs["text"])

    added = build_expert("mmimdb", "text_linear", SMALL, 4, {"bias": False})
    text = build_expert("mmimdb", "text", SMALL, 4)
    gate = build_gate("mmimdb", "mlp", SMALL, 3)
    fusion = build_expert("mmimdb", "late_fusion", SMALL, 4)
    model = DynamicExperts({"linear": added, "text": text, "fusion": fusion}, gate).eval()
    assert model.infer(_inputs(SMALL)).outputs.shape == (BATCH, 4)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: build_expert("mmimdb", "txt", SMALL, 4), ["txt", "late_fusion"]),
        (lambda: build_expert("mmimdb", "text", SMALL, 4, {"hiden": 3}), ["hiden", "hidden"]),
        (lambda: build_expert("mmimdb", "image", {"text": 3}, 4), ["image", "text"]),
        (lambda: build_gate("mmimdb", "mlp", SMALL, 1), ["1", "2 or more"]),
        (lambda: DynamicExperts({"text": nn.Identity()}, nn.Identity()), ["1", "2 or more"]),
    ],
)
def test_wrong_names_and_options_are_named(call, parts):
    with pytest.raises(InputError) as caught:
        call()
    assert all(part in str(caught.value) for part in parts)


def test_two_classes_cannot_share_a_name():
    class Other(nn.Module):
        modalities = ("text",)

    with pytest.raises(ValueError, match=mmimdb_experts.TextExpert.__qualname__):
        register_expert("mmimdb", "text")(Other)
