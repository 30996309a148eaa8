"""CMU-MOSEI: from the raw pickle to ragged arrays without padding.

The rules are MultiBench's (get_data.py of its affect data sets): samples whose text sums to 0 are
dropped, -inf in audio becomes 0, the time steps before the first with a nonzero text entry are cut
from all three modalities.
"""

import logging
from pathlib import Path

import numpy as np

from dynmm.data.mosei.raw import (
    FILE,
    SAMPLES_AT_ONCE,
    SENTENCES,
    SPLITS,
    read_raw,
    read_sentences,
    video_of,
)
from dynmm.data.prepared_folder import ArrayWriter, describe_raw, prepared_folder, write_manifest
from dynmm.errors import InputError
from dynmm.vocabulary import MOSEI, MOSEI_MODALITIES

log = logging.getLogger(__name__)


def prepare(raw_dir, out_dir, settings):
    """Write the prepared arrays and `manifest.json` into `out_dir`.

    For each split, in the order of the raw file: `<split>_vision.npy`, `<split>_audio.npy` and
    `<split>_text.npy` (steps, size) float32, the valid steps of all samples one after another;
    `<split>_offsets.npy` (N + 1,) int64, where each sample starts and ends among them;
    `<split>_labels.npy` (N,) float32; `<split>_ids.npy` (N,) UTF-8 bytes; and
    `<split>_sentences.npy` (N,) UTF-8 bytes where the raw folder has `snippets.tsv`. Beyond the
    raw arrays themselves the peak memory is that of a few samples.

    Args:
        raw_dir: folder that holds `mosei_senti_data.pkl`.
        out_dir: folder for the result; as it was where the preparation fails.
        settings: dict, empty: there is nothing to choose.

    Returns:
        The manifest, a dict.

    Raises:
        InputError: settings, or a bad raw file; see `mosei_raw.read_raw`.
    """
    if settings:
        raise InputError("unknown setting", key=next(iter(settings)), expected="none")
    raw_dir = Path(raw_dir)
    path = raw_dir / FILE
    splits = read_raw(path)
    sentences = _sentences(raw_dir / SENTENCES)
    raw = {"sequences": describe_raw(path)}
    if sentences is not None:
        raw["sentences"] = describe_raw(raw_dir / SENTENCES)
    with prepared_folder(out_dir) as folder:
        arrays, statistics = {}, {}
        for split in SPLITS:
            part = splits.pop(split)  # its memory is free once it is written
            entries, statistics[split] = _write_split(part, split, sentences, folder, path)
            arrays.update(entries)
            sizes = {m: part.arrays[m].shape[2] for m in MOSEI_MODALITIES}
            left_out = statistics[split]["without_text"]
            log.info("%s: %d samples, %d without text left out", split, len(part), left_out)
        return write_manifest(
            folder,
            {
                "task": MOSEI,
                "settings": {},
                "input_sizes": sizes,
                "splits": {split: numbers["samples"] for split, numbers in statistics.items()},
                "sentences": sentences is not None,
                "arrays": arrays,
                "statistics": statistics,
                "raw": raw,
            },
        )


def first_words(text):
    """The first time step of each sample with a nonzero text entry, -1 where it is dropped.

    Args:
        text: (n, T, size) floats.

    Returns:
        (n,) int64.
    """
    spoken = (text != 0).any(axis=2)
    dropped = text.sum(axis=(1, 2), dtype=np.float64) == 0
    return np.where(dropped, -1, spoken.argmax(axis=1))


def _write_split(part, split, sentences, folder, path):
    """Write the arrays of one split; returns their manifest entries and its statistics."""
    starts = np.concatenate(
        [
            first_words(part.arrays["text"][i : i + SAMPLES_AT_ONCE])
            for i in range(0, len(part), SAMPLES_AT_ONCE)
        ]
    )
    kept = np.flatnonzero(starts >= 0)
    if not len(kept):
        raise InputError(
            "an empty split",
            file=path,
            key=f"{split}.text",
            found="no sample with text",
            expected="at least one",
        )
    lengths = part.arrays["text"].shape[1] - starts[kept]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    arrays = {f"{split}_offsets.npy": offsets, f"{split}_labels.npy": part.labels[kept]}
    ids = [part.ids[sample] for sample in kept]
    arrays[f"{split}_ids.npy"] = _bytes(ids)
    if sentences is not None:
        texts = [sentences.get(i, sentences.get(video_of(i), "")) for i in ids]
        arrays[f"{split}_sentences.npy"] = _bytes(texts)
    entries = {name: _write(folder / name, array) for name, array in arrays.items()}
    for modality in MOSEI_MODALITIES:
        name = f"{split}_{modality}.npy"
        array = part.arrays[modality]
        writer = ArrayWriter(folder / name, (int(offsets[-1]), array.shape[2]), np.float32)
        for sample in kept:
            steps = array[sample, starts[sample] :].astype(np.float32)
            if modality == "audio":
                steps[np.isneginf(steps)] = 0.0
            writer.write(steps)
        entries[name] = writer.finish()
    return entries, {
        "samples": len(kept),
        "without_text": len(part) - len(kept),
        "steps": int(offsets[-1]),
        "longest": int(lengths.max()),
        "label_mean": float(part.labels[kept].mean(dtype=np.float64)),
    }


def _write(path, array):
    writer = ArrayWriter(path, array.shape, array.dtype)
    writer.write(array)
    return writer.finish()


def _bytes(texts):
    return np.array([text.encode("utf-8") for text in texts], dtype=np.bytes_)


def _sentences(path):
    return read_sentences(path) if path.is_file() else None
