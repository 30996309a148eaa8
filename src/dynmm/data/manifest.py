"""Reading a folder of prepared arrays by its manifest.

Apart from `prepared_folder`, which writes them: what reads arrays must not depend on the code that
made them, or an edit there would train everything again.
"""

from pathlib import Path

import numpy as np

from dynmm.data.array_digests import require_digest
from dynmm.errors import InputError
from dynmm.stored_records import read_sealed

MANIFEST = "manifest.json"


def read_manifest(prepared_dir, task):
    """The manifest of a folder that `prepare_<task>` made.

    Raises:
        InputError: it is missing, unreadable, of another task, or not as it was written.
    """
    path, again = Path(prepared_dir) / MANIFEST, _again(task)
    manifest = read_sealed(path, again)
    if manifest["task"] != task:
        raise InputError(
            "a manifest of other data",
            file=path,
            key="task",
            found=manifest["task"],
            expected=task,
            fix=again,
        )
    return manifest


def open_array(prepared_dir, manifest, name):
    """Map one prepared array into memory, after a look at its bytes (`array_digests`).

    The map is copy-on-write: nothing is ever written to the file, and torch takes it without a
    warning about arrays that cannot be written.

    Raises:
        InputError: the file is missing, or its bytes are not those that were written.
    """
    path, entry = Path(prepared_dir) / name, manifest["arrays"][name]
    require_digest(path, entry["sha256"], _again(manifest["task"]))
    return np.load(path, mmap_mode="c", allow_pickle=False)


def _again(task):
    return f"Prepare the data again: snakemake --forcerun prepare_{task}."
