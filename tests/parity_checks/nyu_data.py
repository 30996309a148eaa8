"""Parity of the preparation, the transforms and the class weights with the authors' code."""

import tempfile
from pathlib import Path

import numpy as np

import fixture_rules as rules
import nyu_files
from dynmm.data.nyuv2.class_weights import ClassCounts, class_weights
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.data.nyuv2.prepare import prepare
from dynmm.data.nyuv2.transforms import DepthScale, EvaluationTransform, TrainingTransform
from dynmm.errors import InputError

EXACT = 0.0
TOLERANCE = 1e-4
# OpenCV's bilinear resize rounds differently from version to version: one step of 255, normalised
ONE_STEP = 1 / 255 / 0.224
LABEL_SCALES = ("label", "label_down8", "label_down16", "label_down32")


def check_class_weights(record, folder):
    counts = ClassCounts(record["n_classes_with_void"] - 1)
    for label in record["labels"]:
        counts.add(np.array(label))
    cases = [
        (rule, _relative(class_weights(counts, rule), weights), 1e-12)
        for rule, weights in record["weights"].items()
    ]
    absent = ClassCounts(counts.classes + 1)
    for label in record["labels"]:
        absent.add(np.array(label))
    try:
        class_weights(absent, strict=True)
        refused = False
    except InputError:
        refused = True
    return [*cases, ("absent class refused when strict", 0.0 if refused else 1.0, EXACT)]


def check_prepare(record, folder):
    """The arrays of the reference's PNG files, and its 894 -> 40 table and official split."""
    names = [name for name in record if "__" in name and "labels_13" not in name]
    splits = _splits(names)
    kinds = {"labels_40": "labels", "depth": "depth", "depth_raw": "depth_raw"}
    cases = []
    with _prepared(splits, record["map894_to_40"]) as prepared:
        for name in names:
            split, kind, number = name.split("__")
            array = np.load(prepared / f"{split}_{kinds[kind]}.npy")
            ours = array[splits[split].index(int(number))]
            cases.append((name, _mismatch(ours, record[name]), EXACT))
    return cases


def check_preprocess(record, folder):
    splits = _splits(name.replace("/", "__") for name in record["png"] if "/rgb/" in name)
    table = rules.read_record(folder / "nyu_prepare.npz")["map894_to_40"]
    cases = []
    with _prepared(splits, table) as prepared:
        frames = {split: SegmentationFrames(prepared, split) for split in splits}
        cases += _check_sums(record["png"], prepared, splits)
        cases += _check_statistics(record["depth_stats_tiny"], frames["train"].manifest)
        constants = record["depth_stats_constants"]
        for name, setting in record["test_phase"].items():
            mode = setting["depth_mode"]
            transform = EvaluationTransform(
                DepthScale(mode, **constants), setting["height"], setting["width"]
            )
            for position, stored in enumerate(setting["samples"]):
                frame = frames["test"].frame(position, mode)
                sample = _named(transform(frame))
                sample["label_orig"] = frame["label"]
                resized = frame["label"].shape != (setting["height"], setting["width"])
                cases += _compare(f"{name}:{position}", stored, sample, resized)
        size = record["train_phase"][0]["image"]["shape"][1:]
        transform = TrainingTransform(
            DepthScale("refined", **constants), *size, (1.0, 1.4), "authors"
        )
        for position, stored in enumerate(record["train_phase"]):
            frame = frames["train"].frame(position, "refined")
            sample = _named(transform(frame, np.random.RandomState(position)))
            cases += _compare(f"train:{position}", stored, sample, True)
    return cases


class _prepared(tempfile.TemporaryDirectory):  # noqa: N801 (used as a context)
    """Our preparation of the tiny raw files, in a temporary folder."""

    def __init__(self, splits, table):
        super().__init__()
        self.splits, self.table = splits, table

    def __enter__(self):
        raw = nyu_files.write_raw(Path(self.name), splits=self.splits, mapping=self.table[1:])
        prepare(raw, Path(self.name) / "prepared", {"depth": "refined"})
        return Path(self.name) / "prepared"


def _splits(names):
    """Frame numbers by split, from names like train__depth__0001 (or ..__0001.png)."""
    splits = {}
    for name in names:
        split, _, number = name.removesuffix(".png").split("__")
        splits.setdefault(split, set()).add(int(number))
    return {split: sorted(numbers) for split, numbers in splits.items()}


def _check_sums(stored, prepared, splits):
    kinds = {"rgb": "rgb", "depth": "depth", "depth_raw": "depth_raw", "labels_40": "labels"}
    cases = []
    for name, png in stored.items():
        split, kind, number = name.removesuffix(".png").split("/")
        if kind in kinds:
            array = np.load(prepared / f"{split}_{kinds[kind]}.npy", mmap_mode="r")
            ours = array[splits[split].index(int(number))]
            same = list(ours.shape) == png["shape"] and ours.dtype == png["dtype"]
            cases.append((name, abs(int(ours.sum()) - png["sum"]) if same else np.inf, EXACT))
    return cases


def _check_statistics(stored, manifest):
    return [
        (f"{mode}:{name}", _relative(manifest["depth_statistics"][mode][name], value), 1e-12)
        for mode, values in stored.items()
        for name, value in values.items()
    ]


def _named(sample):
    labels = dict(zip(LABEL_SCALES, sample["labels"], strict=False))
    return {"image": sample["rgb"], "depth": sample["depth"], **labels}


def _compare(case, stored, sample, resized):
    return [
        (
            f"{case}:{name}",
            rules.compare(stored[name], name, np.asarray(sample[name])),
            ONE_STEP / stored[name]["absmax"] if resized and name == "image" else TOLERANCE,
        )
        for name in stored
    ]


def _relative(value, stored):
    value, stored = np.asarray(value), np.asarray(stored)
    return float(np.abs(value - stored).max() / np.abs(stored).max())


def _mismatch(ours, stored):
    if ours.shape != stored.shape or ours.dtype != stored.dtype:
        return np.inf
    return float(np.count_nonzero(ours != stored))


HANDLERS = {
    "class_weights": check_class_weights,
    "nyu_prepare": check_prepare,
    "nyu_preprocess": check_preprocess,
}
