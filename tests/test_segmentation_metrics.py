"""Confusion matrices and their scores against values counted by hand."""

import numpy as np
import pytest
import torch

from dynmm.inference.segmentation import at_size, run_split
from dynmm.metrics.segmentation import confusion_matrix, segmentation_scores

# true classes 1, 2, 3 of 4 (0 void), predicted 0..3: class 4 occurs in neither
LABELS = np.array([[1, 1, 2, 2], [2, 2, 3, 0]])
PREDICTIONS = np.array([[0, 1, 1, 1], [1, 2, 1, 3]])
CONFUSION = [[1, 1, 0, 0], [0, 3, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_rows_are_true_classes_and_void_is_left_out():
    assert confusion_matrix(LABELS, PREDICTIONS, 4).tolist() == CONFUSION


def test_scores_by_hand():
    scores = segmentation_scores(CONFUSION)
    # intersections 1, 3, 0 and unions 2, 6, 2; class 4 counts as 0
    assert scores["class_iou"] == pytest.approx([1 / 2, 3 / 6, 0, 0])
    assert scores["miou"] == pytest.approx((1 / 2 + 1 / 2) / 4)
    assert scores["miou_present"] == pytest.approx((1 / 2 + 1 / 2) / 3)
    assert scores["pixel_accuracy"] == pytest.approx(4 / 7)
    assert all(type(value) is float for value in scores["class_iou"])


def test_present_classes_are_those_of_the_labels():
    # class 2 is predicted and never true, class 3 neither
    scores = segmentation_scores([[3, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert scores["miou_present"] == pytest.approx(3 / 4)
    assert scores["miou"] == pytest.approx(1 / 4)
    assert segmentation_scores(np.zeros((3, 3)))["miou_present"] == 0.0


def test_logits_are_enlarged_bilinearly_before_the_class_is_taken():
    logits = torch.tensor([[[4.0, 0.0]], [[0.0, 2.0]]])  # two classes on two pixels
    # at twice the width: 4, 3, 1, 0 against 0, 0.5, 1.5, 2
    assert at_size(logits, (1, 4)).tolist() == [[0, 0, 1, 1]]
    # at four times the fifth is 1.5 against 1.25: the nearest logit would be of the other class
    assert at_size(logits, (1, 8)).tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]
    assert at_size(logits, (1, 2)).tolist() == [[0, 1]]


def test_every_frame_meets_its_own_labels():
    """Five frames in batches of two, each of one class; the last is predicted wrong."""
    classes = [1, 2, 3, 1, 2]

    def batches():
        for start in (0, 2, 4):
            index = torch.arange(start, min(start + 2, 5))
            values = torch.tensor([float(classes[i]) for i in index])
            rgb = values[:, None, None, None].expand(-1, 3, 2, 2)
            yield {"rgb": rgb, "depth": rgb[:, :1], "index": index}

    def network(rgb, depth):
        return torch.nn.functional.one_hot(rgb[:, 0].long() - 1, 3).movedim(-1, 1).float()

    def labels(index):
        return np.full((2, 2), 3 if index == 4 else classes[index])

    cpu = torch.device("cpu")
    result = run_split(network, "static", batches(), labels, cpu, per_sample=True)
    assert result.confusion.tolist() == [[8, 0, 0], [0, 4, 0], [0, 4, 4]]
    assert result.index.tolist() == [0, 1, 2, 3, 4] and result.path.tolist() == [-1] * 5
    assert result.sample_confusion[4].tolist() == [[0, 0, 0], [0, 0, 0], [0, 4, 0]]
