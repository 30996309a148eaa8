"""NYU Depth V2: from the raw files to arrays the trainer reads by memory map."""

import logging

import numpy as np

from dynmm.data.nyuv2.class_weights import ClassCounts, class_weights
from dynmm.data.nyuv2.depth_statistics import DEPTH_MODES, DepthSums
from dynmm.data.nyuv2.raw import RawFiles, RawFrames
from dynmm.data.nyuv2.tables import CLASSES, read_class_mapping, read_splits
from dynmm.data.prepared_folder import ArrayWriter, describe_raw, prepared_folder, write_manifest
from dynmm.data.raw_files import FETCH_AGAIN
from dynmm.errors import InputError
from dynmm.vocabulary import NYUV2

CLASS_WEIGHTING = "median_frequency"
MILLIMETRES = 1000
MAX_MILLIMETRES = np.iinfo(np.uint16).max
LOG_EVERY = 200
NEVER_EMPTY = {"rgb": "images", "depth": "depths", "labels": "labels"}  # raw depth may be
log = logging.getLogger(__name__)


def prepare(raw_files, out_dir, settings):
    """Write the prepared arrays and `manifest.json` into `out_dir`, one frame in memory at a time.

    For each split, frames in ascending order of their official number: `<split>_rgb.npy`
    (N, H, W, 3) uint8; `<split>_depth.npy` and `<split>_depth_raw.npy` (N, H, W) uint16 in mm,
    metres times 1000 truncated (0: no reading); `<split>_labels.npy` (N, H, W) uint8 in 0..40
    (0: void). The manifest holds shapes, types and checksums of these; the 40 `class_names`; the
    `splits` as official frame numbers; `depth_statistics` (mean and deviation in mm of the training
    split, refined and raw), `class_pixels` by split (void first), `class_weights` (0 for a class
    absent from the training labels, which `classes_absent_from_train` lists); what the raw files
    were. Rules as in ESANet's `prepare_dataset.py`.

    All is written into a folder beside `out_dir` and moved at the end, the manifest last: where
    `out_dir` has a manifest, its arrays are complete. A failed run leaves `out_dir` as it was; a
    killed one leaves at most that folder, which the next run removes.

    Args:
        raw_files: RawFiles, or the folder that holds the three files.
        out_dir: folder for the result.
        settings: dict with `depth`: refined or raw, the depth that networks will see. Both are
            written; this one must have a spread.

    Returns:
        The manifest, a dict.

    Raises:
        InputError: bad settings or raw files; the message names file, key and what was found.
    """
    mode = _depth_mode(settings)
    if not isinstance(raw_files, RawFiles):
        raw_files = RawFiles.in_folder(raw_files)
    mapping = read_class_mapping(raw_files.mapping)
    with RawFrames(raw_files.labeled) as frames, prepared_folder(out_dir) as folder:
        splits = read_splits(raw_files.splits, len(frames))
        left_out = len(frames) - sum(map(len, splits.values()))
        if left_out:
            log.info("%d frames are in neither split and are left out", left_out)
        written = {
            split: _write_split(frames, indices, mapping, folder, split)
            for split, indices in splits.items()
        }
        return write_manifest(
            folder,
            {
                "task": NYUV2,
                "settings": {"depth": mode},
                "height": frames.height,
                "width": frames.width,
                "class_names": list(mapping.names),
                "splits": {split: (ids + 1).tolist() for split, ids in splits.items()},
                "arrays": {
                    name: entry for part in written.values() for name, entry in part["arrays"]
                },
                **_statistics(written, mode, raw_files.labeled),
                "raw": {name: describe_raw(path) for name, path in vars(raw_files).items()},
            },
        )


def _write_split(frames, indices, mapping, folder, split):
    """Write the four arrays of one split; return their manifest entries and the sums over them."""
    size = (len(indices), frames.height, frames.width)
    shapes = {
        "rgb": ((*size, 3), np.uint8),
        "depth": (size, np.uint16),
        "depth_raw": (size, np.uint16),
        "labels": (size, np.uint8),
    }
    names = {kind: f"{split}_{kind}.npy" for kind in shapes}
    writers = {kind: ArrayWriter(folder / names[kind], *shapes[kind]) for kind in shapes}
    counts, seen = ClassCounts(CLASSES), dict.fromkeys(NEVER_EMPTY, False)
    sums = {mode: DepthSums(skip_zeros=mode == "raw") for mode in DEPTH_MODES}
    for done, index in enumerate(indices, start=1):
        frame = frames.frame(index)
        number = index + 1
        arrays = {
            "rgb": frame["rgb"],
            "depth": _millimetres(frame["depth"], frames.path, "depths", number),
            "depth_raw": _millimetres(frame["depth_raw"], frames.path, "rawDepths", number),
            "labels": _map_labels(frame["label"], mapping, frames.path, number),
        }
        for kind, array in arrays.items():
            writers[kind].write(array[np.newaxis])
        counts.add(arrays["labels"])
        seen = {kind: found or arrays[kind].any() for kind, found in seen.items()}
        for mode, kind in DEPTH_MODES.items():
            sums[mode].add(arrays[kind])
        if done % LOG_EVERY == 0 or done == len(indices):
            log.info("%s: %d of %d frames", split, done, len(indices))
    for kind, found in seen.items():
        if not found:
            raise InputError(
                f"the {split} frames hold nothing but zeros",
                file=frames.path,
                key=NEVER_EMPTY[kind],
                found=f"{len(indices)} frames of 0",
                expected="pictures, depths, and labels that the mapping knows",
                fix=FETCH_AGAIN,
            )
    entries = [(names[kind], writer.finish()) for kind, writer in writers.items()]
    return {"arrays": entries, "counts": counts, "sums": sums}


def _millimetres(metres, file, key, number):
    millimetres = metres * np.float32(MILLIMETRES)
    # written so that NaN fails it
    valid = (millimetres >= 0) & (millimetres < MAX_MILLIMETRES + 1)
    if not valid.all():
        raise InputError(
            f"frame {number} holds impossible depths",
            file=file,
            key=key,
            found=f"{np.count_nonzero(~valid)} pixels such as {metres[~valid][0]} m",
            expected=f"metres in 0..{MAX_MILLIMETRES / MILLIMETRES}, 0 where there is no reading",
            fix="Set such pixels to 0, or fetch the official file again.",
        )
    return millimetres.astype(np.uint16)


def _map_labels(label, mapping, file, number):
    largest = label.max()
    if largest >= len(mapping.lookup):
        raise InputError(
            f"frame {number} holds a label outside the mapping",
            file=file,
            key="labels",
            found=largest,
            expected=f"0..{len(mapping.lookup) - 1}, as mapClass of classMapping40.mat has",
            fix="Use the classMapping40.mat that belongs to this labeled file.",
        )
    return mapping.lookup[label]


def _statistics(written, mode, file):
    train = written["train"]
    depth = {name: sums.summary() for name, sums in train["sums"].items()}
    if depth[mode] is None:
        raise InputError(
            "the training depth has no spread, so it cannot be normalised",
            file=file,
            key="rawDepths" if mode == "raw" else "depths",
            found="the same value at every valid pixel, or none valid",
            expected="depth in metres",
        )
    counts = train["counts"]
    return {
        "depth_statistics": depth,
        "class_pixels": {s: part["counts"].pixels.tolist() for s, part in written.items()},
        "class_weighting": CLASS_WEIGHTING,
        "class_weights": class_weights(counts, CLASS_WEIGHTING).tolist(),
        "classes_absent_from_train": counts.absent,
    }


def _depth_mode(settings):
    unknown = sorted(set(settings) - {"depth"})
    if unknown or settings.get("depth") not in DEPTH_MODES:
        raise InputError(
            "bad settings for the preparation",
            key=unknown[0] if unknown else "depth",
            found="unknown key" if unknown else settings.get("depth"),
            expected="only the key depth" if unknown else " or ".join(DEPTH_MODES),
        )
    return settings["depth"]
