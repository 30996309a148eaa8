"""Reading a folder of prepared arrays by its manifest.

Apart from `prepared_folder`, which writes them: what reads arrays must not depend on the code that
made them, or an edit there would train everything again.
"""

from pathlib import Path

import numpy as np

from dynmm.errors import InputError
from dynmm.files import read_json

MANIFEST = "manifest.json"


def read_manifest(prepared_dir, task):
    """The manifest of a folder that `prepare_<task>` made.

    Raises:
        InputError: it is missing, unreadable or of another task.
    """
    path = Path(prepared_dir) / MANIFEST
    again = f"Run prepare_{task} again."
    manifest = read_json(path, fix=again)
    found = manifest.get("task") if isinstance(manifest, dict) else type(manifest).__name__
    if found != task:
        raise InputError(
            "a manifest of other data", file=path, key="task", found=found, expected=task, fix=again
        )
    return manifest


def open_array(prepared_dir, manifest, name):
    """Map one prepared array into memory.

    The map is copy-on-write: nothing is ever written to the file, and torch takes it without a
    warning about arrays that cannot be written.

    Raises:
        InputError: the file is missing or not as the manifest says.
    """
    path, entry = Path(prepared_dir) / name, manifest["arrays"][name]
    expected = f"{tuple(entry['shape'])} of {entry['dtype']}"
    again = f"Run prepare_{manifest['task']} again."
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            "prepared array not readable", file=path, found=error, expected=expected, fix=again
        ) from error
    if list(array.shape) != entry["shape"] or array.dtype.name != entry["dtype"]:
        raise InputError(
            "prepared array is not what the manifest says",
            file=path,
            found=f"{array.shape} of {array.dtype.name}",
            expected=expected,
            fix=again,
        )
    return array
