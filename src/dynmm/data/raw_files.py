"""What the messages about every raw file share."""

from pathlib import Path

from dynmm.errors import InputError

FETCH_AGAIN = "Fetch the file again (config/datasets.yaml says from where)."


def require_raw_file(path, task, expected):
    """Raise InputError where the raw file `path` is missing.

    Args:
        path: of the file.
        task: nyuv2, mmimdb or mosei: whose settings say where its raw files lie.
        expected: which files these are, in words.
    """
    if not Path(path).is_file():
        raise InputError(
            "raw file missing",
            file=path,
            expected=expected,
            fix=f"Set data.{task}.raw_dir to the folder that holds it, or "
            f"data.{task}.download: true.",
        )
