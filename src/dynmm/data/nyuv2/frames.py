"""Prepared RGB-D frames, read by memory map."""

from pathlib import Path

import numpy as np

from dynmm.data.manifest import open_array, read_manifest
from dynmm.data.nyuv2.depth_statistics import DEPTH_MODES
from dynmm.errors import InputError
from dynmm.vocabulary import NYUV2


class SegmentationFrames:
    """The frames of one split, or some of them; picklable, so that workers map the same files.

    Args:
        prepared_dir: folder of `manifest.json` and the arrays.
        split: train or test.
        indices: positions within the split to keep, in this order; all where None.

    Attributes:
        manifest: the manifest as a dict.
        frame_numbers: the frames' official numbers, 1-based.

    Raises:
        InputError: no manifest, an array that is missing or not as the manifest says, an unknown
            split, an index out of range.
    """

    def __init__(self, prepared_dir, split, indices=None):
        self.prepared_dir, self.split = Path(prepared_dir), split
        self.manifest = read_manifest(prepared_dir, NYUV2)
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
        self.frame_numbers = [numbers[index] for index in self.indices]
        self._arrays = {kind: self._open(kind) for kind in ("rgb", "depth", "depth_raw", "labels")}

    def __reduce__(self):
        return SegmentationFrames, (self.prepared_dir, self.split, self.indices)

    def __len__(self):
        return len(self.indices)

    def frame(self, position, depth_mode):
        """One frame, as views of the files.

        Args:
            position: 0-based, within these frames.
            depth_mode: refined or raw.

        Returns:
            dict of `rgb` (H, W, 3) uint8, `depth` (H, W) uint16 in mm (0: no reading) and `label`
            (H, W) uint8 in 0..40 (0: void).
        """
        index = self.indices[position]
        return {
            "rgb": self._arrays["rgb"][index],
            "depth": self._arrays[DEPTH_MODES[depth_mode]][index],
            "label": self._arrays["labels"][index],
        }

    def labels(self, position):
        """The label of one frame, (H, W) uint8 in 0..40 (0: void)."""
        return self._arrays["labels"][self.indices[position]]

    def _open(self, kind):
        array = open_array(self.prepared_dir, self.manifest, f"{self.split}_{kind}.npy")
        array.flags.writeable = False  # frames are views: a transform in place would stay
        return array


def training_parts(prepared_dir, manifest, share):
    """Frames to train on and frames held out of the training split, the same for every seed.

    Arguments and errors as of `holdout`.

    Returns:
        Two `SegmentationFrames`.
    """
    kept, held_out = holdout(manifest, share, seed=0)
    return (
        SegmentationFrames(prepared_dir, "train", kept),
        SegmentationFrames(prepared_dir, "train", held_out),
    )


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
