"""Every frame on every path: against single forced passes, stopped and gone on with."""

import numpy as np
import pytest
import torch

from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.errors import InputError
from dynmm.evaluation.routing.comparison import Resampling
from dynmm.evaluation.routing.study import study
from dynmm.evaluation.segmentation.forced_paths import run_forced_paths
from dynmm.evaluation.segmentation.routing import (
    SCORES,
    path_policy_costs,
    path_results,
    routing_groups,
    static_runs,
)
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.inference.segmentation import at_size
from dynmm.metrics.segmentation import confusion_matrix, segmentation_scores
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds
from test_noise_sweep import BATCH, CPU, DEPTH, NETWORK, network, prepared  # noqa: F401 (fixtures)

PATHS = 5


@pytest.fixture
def directory(tmp_path):
    return SweepDirectory(tmp_path / "resume", "f" * 64, {})


def forced(prepared, load, directory):  # noqa: F811
    return run_forced_paths(load, prepared, (64, 64), DEPTH, BATCH, CPU, directory)


@pytest.fixture(scope="module")
def found(prepared, network, tmp_path_factory):  # noqa: F811
    directory = SweepDirectory(tmp_path_factory.mktemp("forced"), "f" * 64, {})
    return forced(prepared, lambda: network, directory)


def test_every_path_is_that_of_a_forced_pass(found, prepared, network):  # noqa: F811
    frames = SegmentationFrames(prepared, "test")
    assert found["frame"].tolist() == frames.frame_numbers
    assert found["confusion"].shape[:2] == (len(frames), PATHS)
    (batch,) = evaluation_batches(frames, (64, 64), DEPTH, batch_size=len(frames))
    with torch.inference_mode():
        _, own = network.infer(batch["rgb"], batch["depth"])
        assert found["chosen"].tolist() == own.tolist()
        assert len(set(own.tolist())) > 1
        for path in range(PATHS):
            paths = torch.full((len(frames),), path)
            logits, _ = network.infer(batch["rgb"], batch["depth"], paths=paths)
            for place in range(len(frames)):
                labels = frames.labels(place)
                wanted = confusion_matrix(labels, at_size(logits[place], labels.shape), 40)
                assert np.array_equal(found["confusion"][place, path], wanted)
            if path == 0:
                probability = torch.softmax(logits, 1)
                entropy = -(probability * probability.log()).sum(1).mean((1, 2))
                assert found["entropy"] == pytest.approx(entropy.numpy(), rel=1e-4)


def test_a_stopped_job_goes_on_with_the_batches_it_lacks(found, prepared, network, directory):  # noqa: F811
    calls = []

    class Stopping:
        def __getattr__(self, name):
            return getattr(network, name)

        def infer(self, *arguments, **options):
            calls.append(len(arguments[0]))
            if len(calls) == PATHS + 2:  # within the second of three batches
                raise KeyboardInterrupt
            return network.infer(*arguments, **options)

    with pytest.raises(KeyboardInterrupt):
        forced(prepared, Stopping, directory)
    second = forced(prepared, Stopping, directory)
    assert calls == [2] * (PATHS + 2) + [2] * PATHS + [1] * PATHS
    for name, array in second.items():
        assert array == pytest.approx(found[name]), name
    third = forced(prepared, lambda: pytest.fail("nothing is left to predict"), directory)
    assert np.array_equal(third["confusion"], second["confusion"])


@pytest.fixture(scope="module")
def costs():
    networks = (build_segmentation(kind, NETWORK) for kind in ("dynamic", "static"))
    return path_policy_costs(*(path_madds(model)["complete"] for model in networks))


def test_fixed_paths_pay_no_gate_and_the_cascade_its_first_path(costs):
    static = path_madds(build_segmentation("static", NETWORK))["complete"]
    dynamic = path_madds(build_segmentation("dynamic", NETWORK))["complete"]
    total, depth = costs["total"], costs["depth_encoder"]
    gate = dynamic["total"][4] - static["total"][0]
    assert gate > 0
    assert total.gated.tolist() == dynamic["total"]
    assert total.fixed[4] == static["total"][0]
    assert total.fixed[1] == dynamic["total"][1] - gate
    assert total.fixed[0] == dynamic["total"][0] - gate - dynamic["depth_encoder"][0]
    assert total.cascaded[0] == total.fixed[0]
    assert total.cascaded[3] == total.fixed[0] + total.fixed[3]
    assert depth.fixed.tolist() == [0, *dynamic["depth_encoder"][1:]]
    assert depth.cascaded.tolist() == depth.fixed.tolist()


def test_the_score_of_the_gate_is_the_mean_iou_of_its_paths(found, costs):
    paths, gate = path_results(found, costs)
    rows = np.arange(len(gate.chosen))
    whole = found["confusion"][rows, gate.chosen].sum(0)
    assert float(SCORES["miou"].value(paths.sums(gate.chosen))) == pytest.approx(
        segmentation_scores(whole)["miou"]
    )
    one = segmentation_scores(found["confusion"][1, 3])["miou_present"]
    assert paths.losses[1, 3] == pytest.approx(1 - one)


def test_a_group_a_run_with_all_its_seeds(found, costs):
    stored = {("b", 1): found, ("b", 0): found, ("a", 0): found}
    groups = routing_groups(stored, costs)
    assert [(group.name, list(group.points[0].seeds)) for group in groups] == [
        ("b", [0, 1]),
        ("a", [0]),
    ]
    made = study(groups, SCORES, Resampling(200, 200))["miou"]["groups"][0]
    (point,) = made["points"]
    assert [row["seed"] for row in point["seeds"]] == [0, 1]
    assert point["point"] == {} and point["run"] == point["family"] == "b"
    (row, _) = point["seeds"]
    shares = np.bincount(found["chosen"], minlength=PATHS) / len(found["chosen"])
    assert row["shares"] == pytest.approx(shares.tolist())
    depth = costs["depth_encoder"].gated
    assert row["costs"]["depth_encoder"]["gate"] == pytest.approx(float(shares @ depth))
    assert row["costs"]["total"]["oracle"] <= row["costs"]["total"]["gate"] * (1 + 1e-9)
    assert len(made["fixed"]) == PATHS
    other = {**found, "frame": found["frame"] + 1}
    with pytest.raises(InputError, match="other frames"):
        routing_groups({("b", 0): found, ("b", 1): other}, costs)


def test_runs_without_a_gate_are_listed_with_their_seeds():
    records = [
        {
            "task": "nyuv2",
            "run": run,
            "seed": seed,
            "metrics": {"miou": 0.1 + seed},
            "madds": {"complete": {"total": 5.0, "depth_encoder": 2.0}},
        }
        for run, seed in (("rgb", 0), ("esanet", 0), ("esanet", 1))
    ]
    rgb, esanet = static_runs(records)
    assert (rgb["run"], len(rgb["seeds"]), len(esanet["seeds"])) == ("rgb", 1, 2)
    assert esanet["seeds"][1] == {
        "seed": 1,
        "scores": {"miou": 1.1},
        "costs": {"total": 5.0, "depth_encoder": 2.0},
    }
    with pytest.raises(InputError, match="another task"):
        static_runs([{**records[0], "task": "mosei"}])
