"""What the samples of CMU-MOSEI are called in the raw file: `video[segment]`, or its parts."""

import numpy as np

from dynmm.data.raw_files import FETCH_AGAIN
from dynmm.errors import InputError

PARTS = 8  # of an id at most; video, start and end are three


def sample_ids(ids, count, path, key):
    """The ids of a split as texts.

    Of what the file holds in place of texts nothing is printed or walked: it may have no end.

    Args:
        ids: array (N,) or (N, k), or list of texts or of k texts each; numbers will do too.
        count: number of samples, N.
        path, key: where they stand, for the message.

    Returns:
        (N,) texts, `video[segment]` as it is and (video, start, end) as `video[start-end]`.

    Raises:
        InputError: not one id for each sample.
    """
    rows = ids
    if isinstance(ids, np.ndarray):
        rows = ids.reshape(len(ids), -1) if ids.ndim and ids.size else []
    names = [_name(row) for row in rows] if len(rows) == count else [None]
    if None in names:
        raise InputError(
            "the ids do not fit the samples",
            file=path,
            key=key,
            found=f"{len(rows)} ids"
            if len(rows) != count
            else f"something else than texts as id {names.index(None)}",
            expected=f"{count}, one a sample: a text, or up to {PARTS} of them",
            fix=FETCH_AGAIN,
        )
    return tuple(names)


def refuse_repeated(splits, path):
    """Raise InputError where two samples of the file are one segment of a video.

    Args:
        splits: split -> its ids.
        path: of the file, for the message.
    """
    seen = {}
    for split, names in splits.items():
        for place, name in enumerate(names):
            if not name.endswith("]"):  # of a whole video, which has many samples
                continue
            if name in seen:
                raise InputError(
                    "two samples have one id",
                    file=path,
                    key=f"{split}.id[{place}]",
                    found=f"{name[:60]}, as {seen[name]}",
                    expected="every segment of a video once, in one split",
                    fix=FETCH_AGAIN,
                )
            seen[name] = f"{split}.id[{place}]"


def _name(row):
    """The id that a row gives, None where it gives none."""
    parts = row if isinstance(row, list | tuple | np.ndarray) else [row]
    if not 0 < len(parts) <= PARTS:
        return None
    texts = [_text(part) for part in parts]
    if None in texts:
        return None
    return texts[0] if len(texts) == 1 else f"{texts[0]}[{'-'.join(texts[1:])}]"


def _text(part):
    if isinstance(part, bytes):
        return part.decode("utf-8", "replace")
    if isinstance(part, int) and not -(2**63) <= part < 2**64:
        return None  # Python writes no endless number
    return str(part) if isinstance(part, str | int | float | np.number) else None
