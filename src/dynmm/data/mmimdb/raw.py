"""The raw file of MM-IMDB, `multimodal_imdb.hdf5`.

Of its data sets four are read: `features` (mean word2vec of the plot), `vgg_features` (VGG of the
poster), `genres` and `imdb_ids`; images, n-grams and word sequences are never touched. Rows are
ordered train, dev, test. Sizes follow from the file.
"""

import json
from typing import ClassVar

import numpy as np

from dynmm.data.raw_files import FETCH_AGAIN
from dynmm.data.raw_hdf5 import ArrayLayout, RawHdf5
from dynmm.errors import InputError

FILE = "multimodal_imdb.hdf5"
TEXT, IMAGE, GENRES, IDS = "features", "vgg_features", "genres", "imdb_ids"
TARGET_NAMES = "target_names"
ROWS_AT_ONCE = 512


class RawMovies(RawHdf5):
    """Rows of `multimodal_imdb.hdf5`, some at a time; a context manager.

    Attributes:
        count: number of rows.
        text_size, image_size: feature sizes.
        genres: the genres' names, in the order of the columns of `genres`.

    Raises:
        InputError: the file or a key is missing, it is no HDF5, is truncated, or a shape or type
            is not of the official layout.
    """

    task, data_set, expected = "mmimdb", "MM-IMDB", f"{FILE} of MM-IMDB"
    layout: ClassVar = {
        TEXT: ArrayLayout(2, np.floating, "(rows, features) of floats"),
        IMAGE: ArrayLayout(2, np.floating, "(rows, features) of floats"),
        GENRES: ArrayLayout(2, np.integer, "(rows, genres) of integers"),
        IDS: ArrayLayout(1, np.bytes_, "(rows,) of bytes"),
    }

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
        with self._damage(f"rows {start} to {stop - 1}", key):
            return self._arrays[key][start:stop]

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

    def _check(self):
        self.count = len(self._arrays[TEXT])
        self.text_size = self._arrays[TEXT].shape[1]
        self.image_size = self._arrays[IMAGE].shape[1]
        self.id_type = self._arrays[IDS].dtype
        self._check_rows()
        self.genres = self._genre_names()

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


def check_movies(path):
    """Read every row of a raw file once; raises InputError as `RawMovies` does."""
    with RawMovies(path) as movies:
        for start in range(0, movies.count, ROWS_AT_ONCE):
            movies.rows(start, min(start + ROWS_AT_ONCE, movies.count))
