"""Reading a folder of prepared arrays by its manifest.

Apart from `prepared_folder`, which writes them: what reads arrays must not depend on the code that
made them, or an edit there would train everything again.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from dynmm.data.array_digests import require_digest
from dynmm.errors import InputError
from dynmm.files import read_json

MANIFEST = "manifest.json"
SEAL = "seal"  # key of the digest of everything else in the manifest


def sealed(manifest):
    """The manifest with the SHA-256 of what it says, by which a changed number is noticed."""
    said = {key: value for key, value in manifest.items() if key != SEAL}
    text = json.dumps(said, sort_keys=True, allow_nan=False)
    return {**said, SEAL: hashlib.sha256(text.encode()).hexdigest()}


def read_manifest(prepared_dir, task):
    """The manifest of a folder that `prepare_<task>` made.

    Raises:
        InputError: it is missing, unreadable, of another task, or not as it was written.
    """
    path = Path(prepared_dir) / MANIFEST
    again = _again(task)
    manifest = read_json(path, fix=again)
    found = manifest.get("task") if isinstance(manifest, dict) else None
    if found != task:
        raise InputError(
            "a manifest of other data",
            file=path,
            key="task",
            found=found if isinstance(found, str) else f"a {type(manifest).__name__} without it",
            expected=task,
            fix=again,
        )
    if manifest != sealed(manifest):
        raise InputError(
            "the manifest does not say what was written into it",
            file=path,
            key=SEAL,
            found=str(manifest.get(SEAL, "no such key"))[:64],
            expected=f"{sealed(manifest)[SEAL]}, the SHA-256 of the rest",
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
