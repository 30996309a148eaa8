import pytest
import torch

from dynmm.models.gate_relaxation import random_paths, relax_gate, temperature_at

LOGITS = torch.tensor([[0.2, -0.1, 1.5], [2.0, 2.0, -1.0]])


def test_soft_weights_are_the_softmax_at_the_temperature():
    torch.testing.assert_close(relax_gate(LOGITS, 0.5, "soft"), torch.softmax(LOGITS / 0.5, dim=-1))


@pytest.mark.parametrize("mode", ["straight_through", "hard"])
def test_one_hot_modes_are_exact_and_ties_go_to_the_first(mode):
    weights = relax_gate(LOGITS, 1.0, mode)
    assert weights.tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_straight_through_is_exactly_one_hot_on_many_rows():
    logits = torch.randn(20_000, 5, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 0.1, 0.01):
        weights = relax_gate(logits, temperature, "straight_through")
        assert torch.equal(weights, relax_gate(logits, temperature, "hard"))


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_straight_through_has_the_gradient_of_the_softmax(temperature):
    values = torch.tensor([0.3, -1.2, 2.0])
    gradients = []
    for mode in ("soft", "straight_through"):
        logits = LOGITS.clone().requires_grad_()
        (relax_gate(logits, temperature, mode) * values).sum().backward()
        gradients.append(logits.grad)
    soft = torch.softmax(LOGITS / temperature, dim=-1)
    by_hand = soft * (values - (soft * values).sum(-1, keepdim=True)) / temperature
    torch.testing.assert_close(gradients[0], by_hand)
    torch.testing.assert_close(gradients[1], by_hand)


def test_hard_gates_carry_no_gradient():
    assert not relax_gate(LOGITS.clone().requires_grad_(), 1.0, "hard").requires_grad


def test_gumbel_draws_follow_the_softmax():
    draws = 40_000
    logits = torch.tensor([0.5, -0.5, 1.0, 0.0]).expand(draws, 4)
    generator = torch.Generator().manual_seed(3)
    weights = relax_gate(logits, 0.7, "straight_through", gumbel=True, generator=generator)
    torch.testing.assert_close(weights.mean(0), torch.softmax(logits[0], dim=-1), atol=0.01, rtol=0)


def test_gumbel_noise_is_reproducible_and_off_by_default():
    first = relax_gate(LOGITS, 1.0, "soft", gumbel=True, generator=torch.Generator().manual_seed(1))
    again = relax_gate(LOGITS, 1.0, "soft", gumbel=True, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first, again)
    assert not torch.equal(first, relax_gate(LOGITS, 1.0, "soft"))


def test_random_paths_are_uniform_one_hot():
    paths = random_paths(20_000, 5, torch.Generator().manual_seed(0))
    assert torch.equal(paths.sum(-1), torch.ones(20_000))
    assert torch.equal(paths.max(-1).values, torch.ones(20_000))
    assert (paths.mean(0) - 0.2).abs().max() < 0.01


@pytest.mark.parametrize(("temperature", "mode"), [(0.0, "soft"), (-1.0, "hard"), (1.0, "gumbel")])
def test_bad_arguments_are_refused(temperature, mode):
    with pytest.raises(ValueError, match="gate"):
        relax_gate(LOGITS, temperature, mode)


def test_temperature_decays_exponentially_between_its_ends():
    assert temperature_at(0, 1.0, 1e-4, 500) == 1.0
    assert temperature_at(250, 1.0, 1e-4, 500) == pytest.approx(1e-2)
    assert temperature_at(500, 1.0, 1e-4, 500) == pytest.approx(1e-4)
    assert temperature_at(7, 0.5, 1e-4, 0) == 0.5
