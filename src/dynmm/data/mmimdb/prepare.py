"""MM-IMDB: from the raw file to arrays that a job maps into memory."""

import logging

import numpy as np

from dynmm.data.mmimdb.raw import IDS, IMAGE, ROWS_AT_ONCE, TEXT, RawMovies
from dynmm.data.prepared_folder import ArrayWriter, describe_raw, prepared_folder, write_manifest
from dynmm.data.raw_files import FETCH_AGAIN
from dynmm.errors import InputError
from dynmm.vocabulary import MMIMDB

SPLITS = ("train", "dev", "test")
log = logging.getLogger(__name__)


def prepare(raw_file, out_dir, settings):
    """Write the prepared arrays and `manifest.json` into `out_dir`, a few rows in memory at a time.

    For each split, in the order of the raw file: `<split>_text.npy` (N, 300), `<split>_image.npy`
    (N, 4096) and `<split>_genres.npy` (N, 23), float32, and `<split>_ids.npy` (N,) bytes. The
    manifest holds shapes, checksums, genre names and the number of films of each genre.

    Args:
        raw_file: path of `multimodal_imdb.hdf5`.
        out_dir: folder for the result; as it was where the preparation fails.
        settings: dict with `splits`: the number of rows of train, dev and test.

    Returns:
        The manifest, a dict.

    Raises:
        InputError: bad settings or a bad raw file: missing data sets or keys, a row count other
            than that of the splits, features that are not finite, genres outside {0, 1}, an empty
            split, a genre absent from train, a truncated file.
    """
    sizes = _split_sizes(settings)
    with RawMovies(raw_file) as movies, prepared_folder(out_dir) as folder:
        _check_count(movies, sizes)
        arrays, films, start, ids = {}, {}, 0, {}
        for split, size in sizes.items():
            entries, films[split] = _write_split(movies, start, size, folder, split, ids)
            arrays.update(entries)
            start += size
            log.info("%s: %d films", split, size)
            if split == "train":
                _check_genres(movies, films[split])
        return write_manifest(
            folder,
            {
                "task": MMIMDB,
                "settings": {"splits": sizes},
                "genres": movies.genres,
                "input_sizes": {"text": movies.text_size, "image": movies.image_size},
                "splits": sizes,
                "arrays": arrays,
                "statistics": {
                    "films_per_genre": {s: counts.tolist() for s, counts in films.items()}
                },
                "raw": {"movies": describe_raw(movies.path)},
            },
        )


def _write_split(movies, start, size, folder, split, ids):
    """Write the arrays of one split; returns their manifest entries and the films per genre.

    `ids` are the films before, id -> row; those of the split are added.
    """
    kinds = {
        "text": ((size, movies.text_size), np.float32),
        "image": ((size, movies.image_size), np.float32),
        "genres": ((size, len(movies.genres)), np.float32),
        "ids": ((size,), movies.id_type),
    }
    names = {kind: f"{split}_{kind}.npy" for kind in kinds}
    writers = {kind: ArrayWriter(folder / names[kind], *kinds[kind]) for kind in kinds}
    films, seen = np.zeros(len(movies.genres), np.int64), dict.fromkeys(("text", "image"), False)
    for first in range(start, start + size, ROWS_AT_ONCE):
        rows = movies.rows(first, min(first + ROWS_AT_ONCE, start + size))
        for kind, writer in writers.items():
            writer.write(rows[kind])
        seen = {kind: found or rows[kind].any() for kind, found in seen.items()}
        _refuse_repeated(movies, rows["ids"], first, ids)
        films += rows["genres"].sum(axis=0).astype(np.int64)
    for kind, found in seen.items():
        if not found:
            raise InputError(
                f"the {kind} features of {split} are 0 everywhere",
                file=movies.path,
                key=IMAGE if kind == "image" else TEXT,
                found=f"{size} rows of 0",
                expected="features",
                fix=FETCH_AGAIN,
            )
    return {names[kind]: writer.finish() for kind, writer in writers.items()}, films


def _refuse_repeated(movies, found, first, ids):
    for row, name in enumerate(found.tolist(), start=first):
        if name in ids:
            raise InputError(
                "two films have one id",
                file=movies.path,
                key=f"{IDS}[{row}]",
                found=f"{name!r}, as row {ids[name]}",
                expected="every film once, in one split",
                fix=FETCH_AGAIN,
            )
        ids[name] = row


def _split_sizes(settings):
    sizes = settings.get("splits")
    if set(settings) != {"splits"} or not isinstance(sizes, dict) or set(sizes) != set(SPLITS):
        raise InputError(
            "bad settings for the preparation",
            key="mmimdb.prepare.splits",
            found=settings,
            expected=f"the number of rows of {', '.join(SPLITS)}",
        )
    for split in SPLITS:
        size = sizes[split]
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise InputError(
                "an empty split",
                key=f"mmimdb.prepare.splits.{split}",
                found=size,
                expected="a number of rows, 1 or more",
                fix="The paper's split is 15552, 2608 and 7799 rows.",
            )
    return {split: sizes[split] for split in SPLITS}


def _check_count(movies, sizes):
    total = sum(sizes.values())
    if total != movies.count:
        parts = " + ".join(str(size) for size in sizes.values())
        raise InputError(
            "the splits do not add up to the rows of the file",
            file=movies.path,
            key="mmimdb.prepare.splits",
            found=f"{movies.count} rows",
            expected=f"{total} rows ({parts})",
            fix="Set the split sizes of this file, or fetch the file again.",
        )


def _check_genres(movies, films):
    absent = [genre for genre, count in zip(movies.genres, films, strict=True) if not count]
    if absent:
        raise InputError(
            "a genre has no film in the training split",
            file=movies.path,
            key="genres",
            found=f"none of {', '.join(absent)}",
            expected=f"at least one film of each of the {len(movies.genres)} genres",
            fix="Check the split sizes (mmimdb.prepare.splits), or drop the genre from the file.",
        )
