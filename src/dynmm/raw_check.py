"""A look at raw files before a run starts: what their heads tell, without reading the data."""

from pathlib import Path

from dynmm.data.mmimdb import raw as movies_file
from dynmm.data.mosei import raw as sentiment_file
from dynmm.data.nyuv2.raw import RawFiles, RawFrames
from dynmm.data.nyuv2.tables import read_class_mapping, read_splits
from dynmm.data.raw_files import FETCH_AGAIN
from dynmm.errors import InputError
from dynmm.vocabulary import MMIMDB, MOSEI, NYUV2

PICKLE_STOP = b"."  # the last byte of every whole pickle


def check_raw_files(task, folder, published, prepare):
    """Refuse raw files whose preparation would fail for what can be seen at once.

    That is the size where it is published, the form and the names of what a file holds, shapes and
    types of its arrays, and the small files as a whole. Values are left to the preparation.

    Args:
        task: nyuv2, mmimdb or mosei.
        folder: of its raw files, all of which are there.
        published: name of a file -> its bytes, or None.
        prepare: the configuration's block `prepare` of the task.

    Raises:
        InputError: names the file, the key, what was found and what is expected.
    """
    folder = Path(folder)
    for name, size in published.items():
        found = (folder / name).stat().st_size
        if size is not None and found != size:
            raise InputError(
                "a raw file is not of the published size",
                file=folder / name,
                found=f"{found} bytes",
                expected=f"{size} bytes",
                fix=f"{FETCH_AGAIN} For other data in this form set data.{task}.paper_data: false.",
            )
    _LOOKS[task](folder, prepare)


def _look_at_frames(folder, prepare):
    files = RawFiles.in_folder(folder)
    with RawFrames(files.labeled) as frames:
        read_splits(files.splits, len(frames))
    read_class_mapping(files.mapping)


def _look_at_movies(folder, prepare):
    with movies_file.RawMovies(folder / movies_file.FILE) as movies:
        rows, sizes = movies.count, prepare["splits"].values()
    if sum(sizes) != rows:
        raise InputError(
            "the splits do not add up to the rows of the file",
            file=folder / movies_file.FILE,
            key="mmimdb.prepare.splits",
            found=f"{' + '.join(map(str, sizes))} = {sum(sizes)}",
            expected=f"{rows} rows",
        )


def _look_at_sentiment(folder, prepare):
    path = folder / sentiment_file.FILE
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(size - 1, 0))
        last = file.read()
    if last != PICKLE_STOP:
        raise InputError(
            "the pickle is cut off",
            file=path,
            found=f"{size} bytes, the last of which is {last!r}",
            expected=f"{PICKLE_STOP!r} at the end",
            fix=FETCH_AGAIN,
        )


_LOOKS = {NYUV2: _look_at_frames, MMIMDB: _look_at_movies, MOSEI: _look_at_sentiment}
