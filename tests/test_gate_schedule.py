"""The gate's kind and temperature over the epochs of a run."""

import pytest

from dynmm.training.gate_schedule import annealing, gate_in, temperature_in


def settings(first, last, anneal_epochs=None, epochs=10):
    return {"temperature": [first, last], "anneal_epochs": anneal_epochs, "epochs": epochs}


def test_a_temperature_that_falls_over_the_whole_run_stays_above_its_end():
    falling = settings(1.0, 0.01)
    assert annealing(falling) == 10
    assert temperature_in(0, falling) == 1.0
    assert temperature_in(5, falling) == pytest.approx(0.1)
    assert temperature_in(9, falling) == pytest.approx(0.01**0.9)


def test_with_fewer_epochs_the_end_is_reached_and_kept():
    falling = settings(1.0, 0.01, anneal_epochs=4)
    assert annealing(falling) == 4
    found = [temperature_in(epoch, falling) for epoch in range(10)]
    assert found[2] == pytest.approx(0.1)
    assert found[4:] == [pytest.approx(0.01)] * 6
    assert found[3] > 0.01


def test_a_constant_temperature_anneals_nothing():
    constant = {"temperature": [0.5, 0.5], "epochs": 10}
    assert annealing(constant) == 0
    assert {temperature_in(epoch, constant) for epoch in range(10)} == {0.5}


def test_kinds_of_gate_follow_one_another_and_the_last_goes_on():
    kinds = {"gate": [["random", 2], ["soft", 1], ["straight_through", 1]]}
    found = [gate_in(epoch, kinds) for epoch in range(6)]
    assert found == ["random", "random", "soft", *["straight_through"] * 3]
    assert gate_in(7, {"gate": "soft"}) == "soft"
