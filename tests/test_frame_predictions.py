"""Predictions of single frames for figure 7: whose they are, and which frames are chosen."""

import numpy as np
import pytest
import torch

from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.data.nyuv2.prepare import prepare
from dynmm.errors import InputError
from dynmm.evaluation.segmentation.frame_numbers import positions_in
from dynmm.evaluation.segmentation.frames import FramePredictions, most_different
from dynmm.models.segmentation.build import build_segmentation
from nyu_files import write_raw

NETWORK = {
    "encoder": "resnet18",
    "block": "BasicBlock",
    "channels_decoder": [16, 16, 16],
    "nr_decoder_blocks": [1, 1, 1],
    "fusion": "SE-add",
    "height": 64,
    "width": 64,
    "pretrained": "none",
}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    raw = write_raw(folder / "raw", splits={"train": [1], "test": [2, 3, 4, 6]})
    prepare(raw, folder / "prepared", {"depth": "refined"})
    return SegmentationFrames(folder / "prepared", "test")


@pytest.fixture(scope="module")
def predictions(frames):
    torch.manual_seed(0)
    kinds = ["static", "dynamic"]
    return FramePredictions(
        [build_segmentation(kind, NETWORK).eval() for kind in kinds],
        kinds,
        frames,
        noisy=["rgb", "depth"],
        level=0.8,
        size=(64, 64),
        depth={"depth_mode": "refined", "mean": 2800.0, "std": 1400.0},
        batch_size=3,
        device=torch.device("cpu"),
    )


def test_every_row_has_the_noise_of_its_name_alone(predictions):
    found = predictions.pictures(np.array([1, 3]))
    assert found["frame"].tolist() == [3, 6] and found["row"].tolist() == ["clean", "rgb", "depth"]
    for name, noisy_row, other_row in (("rgb", 1, 2), ("depth", 2, 1)):
        images = found[name]
        assert (images[:, 0] == images[:, other_row]).all()
        assert (images[:, 0] != images[:, noisy_row]).mean() > 0.5
    assert found["prediction"].shape == (2, 3, 2, 48, 64) and found["prediction"].min() >= 1
    known = found["label"] > 0
    for place in range(2):
        hits = found["prediction"][place, 2, 1][known[place]] == found["label"][place][known[place]]
        assert found["accuracy"][place, 2, 1] == pytest.approx(hits.mean())


def test_a_frame_is_the_same_whichever_others_are_shown(predictions):
    alone, others = predictions.pictures(np.array([3])), predictions.pictures(np.array([0, 3]))
    for name in ("rgb", "depth", "label", "path"):
        assert (alone[name][0] == others[name][1]).all()
    accuracies = predictions.accuracies()
    assert others["accuracy"] == pytest.approx(accuracies[[0, 3]], abs=5e-3)


def test_frames_that_differ_most_under_noise_are_chosen():
    accuracies = np.zeros((4, 3, 2))
    accuracies[0, 0] = [0.0, 1.0]  # clean: does not count
    accuracies[1, 1] = [0.6, 0.4]
    accuracies[2, 2] = [0.1, 0.6]
    accuracies[3, 1:] = [[0.5, 0.4], [0.2, 0.1]]
    assert most_different(accuracies, 1).tolist() == [2]
    assert most_different(accuracies, 3).tolist() == [1, 2, 3]
    assert most_different(accuracies, 9).tolist() == [0, 1, 2, 3]


def test_frames_go_by_their_official_numbers(frames):
    known = frames.frame_numbers
    assert positions_in(known, [6, 2], "test").tolist() == [3, 0]
    with pytest.raises(InputError, match=r"frames that are not in the test split.*found: 1, 5"):
        positions_in(known, [1, 2, 5], "test")
