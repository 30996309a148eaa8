"""The resource term of the loss: one formula, constants by two conventions."""

import pytest
import torch

from dynmm.errors import InputError
from dynmm.training.resource_term import expert_costs, path_costs, resource_term


def test_resource_term_by_both_conventions():
    weights = torch.tensor([[1.0, 0.0], [0.25, 0.75]], requires_grad=True)
    paper = resource_term(weights, expert_costs([2.0, 8.0]))
    assert paper.item() == pytest.approx((0.25 + 0.25 * 0.25 + 0.75) / 2)
    authors = resource_term(weights, expert_costs([2.0, 8.0], "authors"))
    assert authors.item() == pytest.approx(weights[:, 1].mean().item())
    paper.backward()
    assert weights.grad.tolist() == [[0.125, 0.5], [0.125, 0.5]]


@pytest.mark.parametrize(("madds", "convention"), [([1.0, 0.0], "paper"), ([1.0, 2.0], "mine")])
def test_bad_costs_are_refused(madds, convention):
    with pytest.raises(InputError, match=r"convention|multiply-adds"):
        expert_costs(madds, convention)


def test_the_authors_costs_of_paths_are_a_fifth():
    weights = torch.tensor([[1.0, 0, 0, 0, 0], [0, 0, 0, 0.5, 0.5]])
    madds = torch.tensor([1.0, 2.0, 3.0, 4.0, 6.0])
    assert resource_term(weights, path_costs(madds)).item() == pytest.approx((1 + 5) / 2)
    authors = resource_term(weights, path_costs(madds, "authors"))
    assert authors.item() == pytest.approx(3 / 5)
    with pytest.raises(InputError, match="convention"):
        path_costs(madds, "mine")
