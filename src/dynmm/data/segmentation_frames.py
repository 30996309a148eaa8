"""Prepared RGB-D frames, read by memory map."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynmm.data.nyuv2_prepare import DEPTH_MODES, MANIFEST
from dynmm.errors import InputError
from dynmm.files import read_json

PREPARE_AGAIN = "Run prepare_nyuv2 again."


@dataclass(frozen=True)
class DepthScale:
    """How depth is normalised: `mode` (refined or raw), `mean` and `std` of the training split, mm.

    In raw mode pixels without a reading (0 mm) stay 0 after normalisation.
    """

    mode: str
    mean: float
    std: float


class SegmentationFrames:
    """The frames of one split, or some of them; picklable, so that workers map the same files.

    `frames[i]` is a dict of `rgb` (H, W, 3) uint8, `depth` (H, W) uint16 in mm (refined or raw, as
    prepared) and `label` (H, W) uint8 in 0..40 (0: void), all views of the files.

    Args:
        prepared_dir: folder of `manifest.json` and the arrays.
        split: train or test.
        indices: positions within the split to keep, in this order; all where None.

    Attributes:
        manifest: the manifest as a dict.
        numbers: the frames' official numbers, 1-based.

    Raises:
        InputError: no manifest, an array that is missing or not as the manifest says, an unknown
            split, an index out of range.
    """

    def __init__(self, prepared_dir, split, indices=None):
        self.prepared_dir, self.split = Path(prepared_dir), split
        self.manifest = read_manifest(prepared_dir)
        numbers = self.manifest["splits"].get(split)
        if numbers is None:
            raise InputError(
                "unknown split", found=split, expected=" or ".join(self.manifest["splits"])
            )
        self.indices = np.arange(len(numbers)) if indices is None else np.asarray(indices, np.int64)
        if len(self.indices) and not 0 <= self.indices.min() <= self.indices.max() < len(numbers):
            raise InputError(
                f"frame index outside the split {split}",
                found=f"{self.indices.min()}..{self.indices.max()}",
                expected=f"0..{len(numbers) - 1}",
            )
        self.numbers = [numbers[index] for index in self.indices]
        depth = DEPTH_MODES[self.manifest["settings"]["depth"]]
        self._arrays = {
            "rgb": self._open("rgb"),
            "depth": self._open(depth),
            "label": self._open("labels"),
        }

    def __reduce__(self):
        return SegmentationFrames, (self.prepared_dir, self.split, self.indices)

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, position):
        return {name: array[self.indices[position]] for name, array in self._arrays.items()}

    @property
    def size(self):
        """Height and width of the frames in pixels."""
        return self.manifest["height"], self.manifest["width"]

    @property
    def depth_scale(self):
        """DepthScale of the depth these frames hold."""
        return depth_scale(self.manifest)

    def _open(self, kind):
        path = self.prepared_dir / f"{self.split}_{kind}.npy"
        entry = self.manifest["arrays"][path.name]
        expected = f"{tuple(entry['shape'])} of {entry['dtype']}"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(
                "prepared array not readable",
                file=path,
                found=str(error),
                expected=expected,
                fix=PREPARE_AGAIN,
            ) from error
        if list(array.shape) != entry["shape"] or array.dtype != entry["dtype"]:
            raise InputError(
                "prepared array is not what the manifest says",
                file=path,
                found=f"{array.shape} of {array.dtype}",
                expected=expected,
                fix=PREPARE_AGAIN,
            )
        return array


def read_manifest(prepared_dir):
    """The manifest of prepared NYU Depth V2 frames.

    Raises:
        InputError: it is missing or not one of this task.
    """
    path = Path(prepared_dir) / MANIFEST
    try:
        manifest = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(
            "prepared data without a readable manifest", file=path, found=error, fix=PREPARE_AGAIN
        ) from error
    if not isinstance(manifest, dict) or manifest.get("task") != "nyuv2":
        raise InputError(
            "not a manifest of prepared RGB-D frames",
            file=path,
            key="task",
            found=manifest.get("task") if isinstance(manifest, dict) else type(manifest).__name__,
            expected="nyuv2",
            fix=PREPARE_AGAIN,
        )
    return manifest


def depth_scale(manifest):
    """DepthScale of the depth that the manifest's settings choose."""
    mode = manifest["settings"]["depth"]
    return DepthScale(mode, **manifest["statistics"]["depth_mm"][mode])


def holdout(manifest, share, seed):
    """Part the training split into one to train on and one to select the model on.

    Frames are drawn without regard to the room they show, so the two parts may share rooms; the
    test split is not touched.

    Args:
        manifest: as from `read_manifest`.
        share: the validation part's share of the training split, between 0 and 1; it gets at
            least one frame and leaves at least one.
        seed: decides the draw, with the manifest's number of frames and nothing else.

    Returns:
        (train, validation): ascending int64 positions within the training split.

    Raises:
        InputError: a share outside (0, 1), or fewer than two training frames.
    """
    count = len(manifest["splits"]["train"])
    if not 0 < share < 1 or count < 2:
        raise InputError(
            "no validation part can be held out",
            key="validation_share",
            found=f"share {share} of {count} training frames",
            expected="a share between 0 and 1, of two frames or more",
        )
    held = min(max(round(share * count), 1), count - 1)
    order = np.random.RandomState(seed).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])
