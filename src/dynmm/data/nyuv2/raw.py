"""The raw frames of NYU Depth V2.

`nyu_depth_v2_labeled.mat` is HDF5 written by MATLAB: its axes are reversed, an image is stored as
(3, W, H). Nothing here holds more than a block of frames of bounded size in memory.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from dynmm.data.raw_files import FETCH_AGAIN
from dynmm.data.raw_hdf5 import ArrayLayout, RawHdf5
from dynmm.errors import InputError

LABELED = "nyu_depth_v2_labeled.mat"
SPLITS = "splits.mat"
MAPPING = "classMapping40.mat"
EXPECTED = f"one of {LABELED}, {SPLITS}, {MAPPING} of NYU Depth V2"
# A compressed chunk may span many frames: they are kept, up to this much an array, so that frames
# read in ascending order do not unpack it once each.
BLOCK_BYTES = 20 << 20


@dataclass(frozen=True)
class RawFiles:
    """Paths of the three raw files."""

    labeled: Path
    splits: Path
    mapping: Path

    @classmethod
    def in_folder(cls, raw_dir):
        """The three files under their official names in `raw_dir`."""
        raw_dir = Path(raw_dir)
        return cls(raw_dir / LABELED, raw_dir / SPLITS, raw_dir / MAPPING)


class RawFrames(RawHdf5):
    """Frames of `nyu_depth_v2_labeled.mat`, one at a time; a context manager.

    Attributes:
        count, height, width: number of frames and their size in pixels.

    Raises:
        InputError: the file or a key is missing, is no HDF5, is truncated, or a shape or a type
            is not as in the official file.
    """

    task, data_set, expected = "nyuv2", "NYU Depth V2", EXPECTED
    layout: ClassVar = {
        "images": ArrayLayout(4, np.uint8, "(N, 3, W, H) of uint8"),
        "labels": ArrayLayout(3, np.uint16, "(N, W, H) of uint16"),
        "depths": ArrayLayout(3, np.float32, "(N, W, H) of float32"),
        "rawDepths": ArrayLayout(3, np.float32, "(N, W, H) of float32"),
    }

    def __len__(self):
        return self.count

    def frame(self, index):
        """Frame `index` (0-based) with its axes in the usual order.

        Returns:
            dict of `rgb` (H, W, 3) uint8, `label` (H, W) uint16 in 0..894 (0: unlabeled),
            `depth` and `depth_raw` (H, W) float32 in metres (0 in `depth_raw`: no reading).
        """
        images = self._read("images", index)
        return {
            "rgb": np.ascontiguousarray(images.transpose(2, 1, 0)),
            "label": np.ascontiguousarray(self._read("labels", index).T),
            "depth": np.ascontiguousarray(self._read("depths", index).T),
            "depth_raw": np.ascontiguousarray(self._read("rawDepths", index).T),
        }

    def _read(self, key, index):
        with self._damage(f"frame {index + 1}", key):
            return self._blocks[key].frame(index)

    def _check(self):
        self.count, _, self.width, self.height = self._arrays["images"].shape
        self._check_shapes()
        self._blocks = {key: _Block(array) for key, array in self._arrays.items()}

    def _check_shapes(self):
        shape = (self.count, self.width, self.height)
        for key, array in self._arrays.items():
            wanted = (self.count, 3, *shape[1:]) if key == "images" else shape
            if array.shape != wanted or 0 in wanted:
                raise InputError(
                    "the arrays disagree on the number or the size of the frames",
                    file=self.path,
                    key=key,
                    found=array.shape,
                    expected=f"{wanted}, none of them 0, as `images` says",
                    fix=FETCH_AGAIN,
                )


class _Block:
    """Frames of one HDF5 array, read as many at a time as its chunks hold."""

    def __init__(self, array):
        frame_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
        chunk_frames = array.chunks[0] if array.chunks else 1
        self._array, self._frames = array, min(chunk_frames, max(BLOCK_BYTES // frame_bytes, 1))
        self._number, self._block = None, None

    def frame(self, index):
        number, position = divmod(index, self._frames)
        if number != self._number:
            first = number * self._frames
            self._block = None  # freed before the next one is read
            self._block = self._array[first : first + self._frames]
            self._number = number
        return self._block[position]
