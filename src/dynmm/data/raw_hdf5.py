"""The arrays of a raw HDF5 file, held against the published layout."""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from dynmm.data.raw_files import FETCH_AGAIN, require_raw_file
from dynmm.errors import InputError

LARGEST_CHUNK = 1 << 30  # bytes; reading a row unpacks its whole chunk


@dataclass(frozen=True)
class ArrayLayout:
    """What an array of the file has to be.

    Args:
        axes: how many it has; none but the first may be empty.
        kind: a type of numpy, or an abstract one such as `np.floating`.
        words: the same for messages, "(N, W, H) of uint16".
    """

    axes: int
    kind: type
    words: str

    def admits(self, array):
        """Whether the data set is of this layout."""
        right = array.ndim == self.axes and np.issubdtype(array.dtype, self.kind)
        return right and 0 not in array.shape[1:]


class RawHdf5:
    """A raw HDF5 file whose arrays are known by name; a context manager.

    A data set derives from it, gives the class attributes and checks in `_check` what one array
    says of another; it reads `self._arrays` inside `self._damage`.

    Args:
        path: of the file.

    Attributes:
        task: nyuv2 or mmimdb.
        data_set: its name, for messages.
        expected: which file this is, for the message that it is missing.
        layout: name of an array -> `ArrayLayout`.

    Raises:
        InputError: the file or an array is missing, it is no HDF5 or truncated, or an array is not
            of its layout.
    """

    task: str
    data_set: str
    expected: str
    layout: dict

    def __init__(self, path):
        self.path = Path(path)
        require_raw_file(self.path, self.task, self.expected)
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(
                "not a readable HDF5 file",
                file=self.path,
                found=f"{self.path.stat().st_size} bytes ({error})",
                expected="the complete HDF5 file",
                fix=FETCH_AGAIN,
            ) from error
        try:
            with self._damage("the structure"):
                self._arrays = {key: self._array(key) for key in self.layout}
                self._check()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def _check(self):
        raise NotImplementedError

    @contextlib.contextmanager
    def _damage(self, what, key=None):
        """Inside, the file is read; `what` names the part of it where that cannot be done."""
        try:
            yield
        except InputError:
            raise
        # h5py raises what libhdf5 stumbles on: OSError, RuntimeError, KeyError, ValueError...
        except Exception as error:
            raise InputError(
                f"{what} cannot be read",
                file=self.path,
                key=key,
                found=f"{type(error).__name__}: {error}"[:200],
                expected=f"an array {self.layout[key].words}" if key else self.expected,
                fix=FETCH_AGAIN,
            ) from error

    def _array(self, key):
        """An array whose bytes are in this file: HDF5 can name any other file of the machine."""
        link = self._file.get(key, getlink=True)
        linked = isinstance(link, h5py.SoftLink | h5py.ExternalLink)
        array = None if linked else self._file.get(key)
        if linked:
            found = "a link, which may lead to another file"
        elif not isinstance(array, h5py.Dataset):
            found = "the key is missing" if array is None else "a group"
        elif array.external or array.is_virtual:
            found = "an array whose bytes lie in other files"
        elif not self.layout[key].admits(array):
            found = f"{array.shape} of {array.dtype}"
        elif not _is_written(array):
            found = f"{array.shape} of {array.dtype}, of which the file holds a part alone"
        elif array.chunks and math.prod(array.chunks) * array.dtype.itemsize > LARGEST_CHUNK:
            found = f"pieces of {array.chunks}, more than {LARGEST_CHUNK} bytes each"
        else:
            return array
        raise InputError(
            f"not the layout of {self.data_set}",
            file=self.path,
            key=key,
            found=found,
            expected=f"an array {self.layout[key].words}",
            fix=FETCH_AGAIN,
        )


def _is_written(array):
    """Whether the file holds every value: HDF5 may declare 10^12 rows and make up their zeros."""
    if array.chunks is None:
        return array.id.get_storage_size() == math.prod(array.shape) * array.dtype.itemsize
    counts = (math.ceil(n / size) for n, size in zip(array.shape, array.chunks, strict=True))
    return array.id.get_num_chunks() == math.prod(counts)
