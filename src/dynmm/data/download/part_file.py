"""What came of a file so far, held by one process, with a note on what it is a part of."""

import contextlib
import fcntl
import json

from dynmm.errors import InputError
from dynmm.files import write_json


@contextlib.contextmanager
def held(part):
    """Open the file `part` for reading and appending, for this process alone.

    Raises:
        InputError: another process has it open so.
    """
    with open(part, "a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another process is fetching this file", file=part, fix="Wait for it to end."
            ) from error
        yield file


def note_of(part):
    """What was noted of the file, as JSON; None where nothing was, or nothing readable."""
    try:
        return json.loads(_note(part).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def note(part, value):
    """Note beside the file what it is a part of."""
    write_json(_note(part), value)


def remove(part):
    """Remove the file and what was noted of it."""
    part.unlink(missing_ok=True)
    forget(part)


def forget(part):
    """Remove what was noted of the file."""
    _note(part).unlink(missing_ok=True)


def _note(part):
    return part.with_name(part.name + ".json")
