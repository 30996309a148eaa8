"""The raw file of CMU-MOSEI as MultiBench distributes it, `mosei_senti_data.pkl`.

A pickle of {train, valid, test} -> {vision, audio, text, labels, id}: `vision`, `audio` and `text`
(N, T, size) floats, padded with zeros in front; `labels` (N, 1, 1) in [-3, 3]; `id` (N,) or (N, k)
texts. Sizes follow from the file. Reading runs nothing of the pickle (`restricted_pickle`).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynmm.data.mosei import restricted_pickle
from dynmm.data.mosei.sample_ids import refuse_repeated, sample_ids
from dynmm.data.raw_files import FETCH_AGAIN, require_raw_file
from dynmm.errors import InputError
from dynmm.vocabulary import MOSEI_MODALITIES

FILE = "mosei_senti_data.pkl"
SENTENCES = "snippets.tsv"
SPLITS = ("train", "valid", "test")
LABELS, IDS = "labels", "id"
LARGEST_LABEL = 3.0
SAMPLES_AT_ONCE = 64


@dataclass(frozen=True)
class RawSplit:
    """One split of the raw file, checked.

    Attributes:
        arrays: modality -> (N, T, size) floats of the raw type, in the order vision, audio, text.
        labels: (N,) float32.
        ids: (N,) texts, `video[segment]`.
    """

    arrays: dict
    labels: np.ndarray
    ids: tuple

    def __len__(self):
        return len(self.labels)


def read_raw(path):
    """All splits of the raw file; the arrays lie in the memory that the file was read into.

    Returns:
        {split: RawSplit}.

    Raises:
        InputError: the file is missing, truncated or asks for more than data; a split or a key is
            missing; an empty split; shapes that disagree; labels outside [-3, 3]; NaN, or an
            infinity other than audio's -inf; a modality that is 0 everywhere; an id twice.
    """
    path = Path(path)
    require_raw_file(path, "mosei", f"{FILE} of CMU-MOSEI")
    content = restricted_pickle.load(path)
    sizes, splits = {}, {}
    for split in SPLITS:
        part = _entry(content, split, dict, path, split)
        splits[split] = _read_split(part, split, sizes, path)
    refuse_repeated({split: part.ids for split, part in splits.items()}, path)
    return splits


def read_sentences(path):
    """The sentences of a tab-separated file with the columns `id` and `text`, by id.

    Raises:
        InputError: no such columns, a row that lacks one, or no text in UTF-8.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            found, names = list(rows), rows.fieldnames or ()
    except (OSError, ValueError, csv.Error) as error:
        raise InputError("sentences that cannot be read", file=path, found=error) from error
    missing = {"id", "text"} - set(names)
    if missing or any(row["id"] is None or row["text"] is None for row in found):
        raise InputError(
            "sentences without their columns",
            file=path,
            key=", ".join(sorted(missing)) or None,
            found=", ".join(map(str, names))[:200] if missing else "a row that lacks a column",
            expected="columns id and text, separated by tabs",
        )
    return {row["id"]: row["text"] for row in found}


def video_of(sample_id):
    """The video (or review) that a sample belongs to: its id without the segment."""
    return sample_id.rpartition("[")[0] or sample_id


def _read_split(part, split, sizes, path):
    arrays = {m: _entry(part, m, np.ndarray, path, f"{split}.{m}") for m in MOSEI_MODALITIES}
    labels = _entry(part, LABELS, np.ndarray, path, f"{split}.{LABELS}")
    count = _sample_count(arrays, split, path)
    for modality, array in arrays.items():
        size = sizes.setdefault(modality, array.shape[2])
        if array.shape[2] != size:
            raise InputError(
                "the splits disagree on the size of a time step",
                file=path,
                key=f"{split}.{modality}",
                found=array.shape[2],
                expected=f"{size}, as in {SPLITS[0]}",
                fix=FETCH_AGAIN,
            )
        _check_values(array, modality, split, path)
    key = f"{split}.{IDS}"
    return RawSplit(
        arrays,
        _check_labels(labels, count, split, path),
        sample_ids(_entry(part, IDS, (np.ndarray, list), path, key), count, path, key),
    )


def _entry(container, key, kinds, path, name):
    found = container.get(key) if isinstance(container, dict) else None
    if isinstance(found, kinds):
        return found
    wanted = " or ".join(
        kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
    )
    if not isinstance(container, dict):
        what = f"a {type(container).__name__} where a dict should be"
    else:
        what = f"a {type(found).__name__}" if key in container else "the key is missing"
    raise InputError(
        "not the layout of CMU-MOSEI",
        file=path,
        key=name,
        found=what,
        expected=f"{name} as {wanted}",
        fix=FETCH_AGAIN,
    )


def _sample_count(arrays, split, path):
    first = arrays[MOSEI_MODALITIES[0]].shape[:2]
    for modality, array in arrays.items():
        if array.ndim != 3 or array.dtype.kind != "f" or array.shape[:2] != first:
            found, expected = f"{array.shape} of {array.dtype}", "(samples, steps, size) of floats"
            if array.ndim == 3 and array.dtype.kind == "f":
                expected = f"({first[0]}, {first[1]}, size), as {MOSEI_MODALITIES[0]} has"
        elif 0 in array.shape:
            found, expected = f"an empty array {array.shape}", "at least one sample in every split"
        else:
            continue
        raise InputError(
            "the modalities do not fit together" if array.size else "an empty split",
            file=path,
            key=f"{split}.{modality}",
            found=found,
            expected=expected,
            fix=FETCH_AGAIN,
        )
    return first[0]


def _check_values(array, modality, split, path):
    if not array.any():
        raise InputError(
            f"{modality} is 0 everywhere",
            file=path,
            key=f"{split}.{modality}",
            found=f"{array.shape} zeros",
            expected="features",
            fix=FETCH_AGAIN,
        )
    for start in range(0, len(array), SAMPLES_AT_ONCE):
        values = array[start : start + SAMPLES_AT_ONCE]
        allowed = np.isfinite(values.astype(np.float32) if values.itemsize > 4 else values)
        if modality == "audio":
            allowed |= np.isneginf(values)  # logarithms of 0, in the true file too
        if not allowed.all():
            sample, step, column = np.argwhere(~allowed)[0]
            raise InputError(
                f"{modality} holds a value that is no float32 number",
                file=path,
                key=f"{split}.{modality}[{start + sample}, {step}, {column}]",
                found=values[sample, step, column],
                expected="finite numbers" + (" or -inf" if modality == "audio" else ""),
                fix="Leave this sample out, or fetch the file again.",
            )


def _check_labels(labels, count, split, path):
    if labels.size != count or labels.dtype.kind not in "fiu":
        raise InputError(
            "the labels do not fit the samples",
            file=path,
            key=f"{split}.{LABELS}",
            found=f"{labels.shape} of {labels.dtype}",
            expected=f"one number for each of the {count} samples",
            fix=FETCH_AGAIN,
        )
    labels = labels.reshape(count).astype(np.float32)
    # written so that NaN fails it
    wrong = ~(np.abs(labels) <= LARGEST_LABEL)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            "a label lies outside the scale",
            file=path,
            key=f"{split}.{LABELS}[{row}]",
            found=labels[row],
            expected=f"-{LARGEST_LABEL:g} to {LARGEST_LABEL:g}",
            fix=FETCH_AGAIN,
        )
    return labels
