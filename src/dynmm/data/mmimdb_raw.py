"""The raw file of MM-IMDB, `multimodal_imdb.hdf5`.

Of its data sets four are read: `features` (mean word2vec of the plot), `vgg_features` (VGG of the
poster), `genres` and `imdb_ids`; images, n-grams and word sequences are never touched. Rows are
ordered train, dev, test. Sizes follow from the file.
"""

import json
from pathlib import Path

import h5py
import numpy as np

from dynmm.errors import InputError

FILE = "multimodal_imdb.hdf5"
TEXT, IMAGE, GENRES, IDS = "features", "vgg_features", "genres", "imdb_ids"
TARGET_NAMES = "target_names"
ROWS_AT_ONCE = 512
# key -> (number of axes, numpy kinds, in words)
LAYOUT = {
    TEXT: (2, "f", "(rows, features) of floats"),
    IMAGE: (2, "f", "(rows, features) of floats"),
    GENRES: (2, "iu", "(rows, genres) of integers"),
    IDS: (1, "S", "(rows,) of bytes"),
}
FETCH_AGAIN = "Fetch the file again (config/datasets.yaml has its address)."


class RawMovies:
    """Rows of `multimodal_imdb.hdf5`, some at a time; a context manager.

    Attributes:
        count: number of rows.
        text_size, image_size: feature sizes.
        genres: the genres' names, in the order of the columns of `genres`.

    Raises:
        InputError: the file or a key is missing, it is no HDF5, is truncated, or a shape or type
            is not of the official layout.
    """

    def __init__(self, path):
        self.path = Path(path)
        require_file(self.path)
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(
                "not a readable HDF5 file",
                file=self.path,
                found=f"{self.path.stat().st_size} bytes ({error})",
                expected="the complete file",
                fix=FETCH_AGAIN,
            ) from error
        try:
            self._arrays = {key: self._dataset(key) for key in LAYOUT}
            self.count = len(self._arrays[TEXT])
            self.text_size = self._arrays[TEXT].shape[1]
            self.image_size = self._arrays[IMAGE].shape[1]
            self.id_type = self._arrays[IDS].dtype
            self._check_rows()
            self.genres = self._genre_names()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def rows(self, start, stop):
        """Rows `start` to `stop`.

        Returns:
            dict of `text` (n, text_size) and `image` (n, image_size) float32, `genres`
            (n, len(genres)) float32 of 0 and 1, `ids` (n,) bytes.

        Raises:
            InputError: a feature that is not finite, a genre outside {0, 1}, a part of the file
                that cannot be read.
        """
        return {
            "text": self._features(TEXT, start, stop),
            "image": self._features(IMAGE, start, stop),
            "genres": self._genre_rows(start, stop),
            "ids": self._read(IDS, start, stop),
        }

    def _read(self, key, start, stop):
        try:
            return self._arrays[key][start:stop]
        except OSError as error:
            raise InputError(
                f"rows {start} to {stop - 1} cannot be read",
                file=self.path,
                key=key,
                found=error,
                expected=LAYOUT[key][2],
                fix=FETCH_AGAIN,
            ) from error

    def _features(self, key, start, stop):
        raw = self._read(key, start, stop)
        with np.errstate(over="ignore"):
            values = raw.astype(np.float32)
        finite = np.isfinite(values)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise InputError(
                "a feature is not a finite float32",
                file=self.path,
                key=f"{key}[{start + row}, {column}]",
                found=raw[row, column],
                expected="finite numbers",
                fix="Leave this row out, or fetch the file again.",
            )
        return values

    def _genre_rows(self, start, stop):
        raw = self._read(GENRES, start, stop)
        wrong = (raw != 0) & (raw != 1)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise InputError(
                f"a genre label ({self.genres[column]}) is neither 0 nor 1",
                file=self.path,
                key=f"{GENRES}[{start + row}, {column}]",
                found=raw[row, column],
                expected="0 or 1",
                fix=FETCH_AGAIN,
            )
        return raw.astype(np.float32)

    def _dataset(self, key):
        axes, kinds, expected = LAYOUT[key]
        array = self._file.get(key)
        if not isinstance(array, h5py.Dataset):
            found = "the key is missing" if array is None else "a group"
        elif array.ndim != axes or array.dtype.kind not in kinds or 0 in array.shape[1:]:
            found = f"{array.shape} of {array.dtype}"
        else:
            return array
        raise InputError(
            "not the layout of MM-IMDB",
            file=self.path,
            key=key,
            found=found,
            expected=expected,
            fix=FETCH_AGAIN,
        )

    def _check_rows(self):
        for key, array in self._arrays.items():
            if len(array) != self.count:
                raise InputError(
                    "the data sets disagree on the number of rows",
                    file=self.path,
                    key=key,
                    found=len(array),
                    expected=f"{self.count}, as {TEXT} has",
                    fix=FETCH_AGAIN,
                )

    def _genre_names(self):
        text = self._arrays[GENRES].attrs.get(TARGET_NAMES)
        count = self._arrays[GENRES].shape[1]
        try:
            names = json.loads(text)
        except (TypeError, ValueError):
            names = None
        right = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not right or len(names) != count or len(set(names)) != count:
            raise InputError(
                "the genres' names are missing or do not fit",
                file=self.path,
                key=f"{GENRES}, attribute {TARGET_NAMES}",
                found="no such attribute" if text is None else text,
                expected=f"a JSON list of {count} different names",
                fix=FETCH_AGAIN,
            )
        return names


def require_file(path):
    """Raise InputError where the raw file `path` is missing."""
    if not Path(path).is_file():
        raise InputError(
            "raw file missing",
            file=path,
            expected=f"{FILE} of MM-IMDB",
            fix="Set data.mmimdb.raw_dir to the folder that holds it, or "
            "data.mmimdb.download: true.",
        )


def check_movies(path):
    """Read every row of a raw file once; raises InputError as `RawMovies` does."""
    with RawMovies(path) as movies:
        for start in range(0, movies.count, ROWS_AT_ONCE):
            movies.rows(start, min(start + ROWS_AT_ONCE, movies.count))
