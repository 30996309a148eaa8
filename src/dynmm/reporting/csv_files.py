"""CSV files of earlier stages, with the columns and numbers that a figure needs."""

import numpy as np
import pandas as pd

from dynmm.errors import InputError
from dynmm.files import AGAIN


def read_rows(path, columns, texts=()):
    """A CSV file as a frame.

    Args:
        path: of the file.
        columns: those that it must have.
        texts: those of them that are no numbers. Elsewhere an infinite number counts as none, such
            as the score of an epoch that diverged.

    Raises:
        InputError: the file is unreadable or empty, lacks a column or a text, or has a text for a
            number.
    """
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError("not a readable CSV file", file=path, found=error, fix=AGAIN) from None
    missing = [column for column in columns if column not in frame]
    if missing or frame.empty:
        raise InputError(
            "a CSV file lacks columns or rows",
            file=path,
            found=f"{len(frame)} rows; {', '.join(map(str, frame.columns))}"[:200],
            expected=", ".join(columns),
            fix=AGAIN,
        )
    for column in texts:
        if frame[column].isna().any():
            raise InputError(
                "a CSV file has nothing where a text should be",
                file=path,
                key=column,
                expected="a text in every row",
                fix=AGAIN,
            )
    for column in frame.columns.difference(texts):
        numbers = pd.to_numeric(frame[column], errors="coerce")
        wrong = numbers.isna() & frame[column].notna()
        if wrong.any():
            raise InputError(
                "a CSV file has something else than a number",
                file=path,
                key=f"{column}, row {wrong.to_numpy().argmax() + 1}",
                found=str(frame.loc[wrong.idxmax(), column])[:40],
                expected="a number, or nothing",
                fix=AGAIN,
            )
        frame[column] = numbers.replace([np.inf, -np.inf], np.nan)
    return frame
