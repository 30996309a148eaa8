"""Checksums of large files, kept beside them: a new time stamp alone does not read 3 GB anew.

Only the standard library is used here: the Snakefile calls this at every start.
"""

import contextlib
import json
from pathlib import Path

from dynmm.files import sha256, write_json

LARGE = 100_000_000  # bytes; Snakemake compares smaller files by content itself


def kept_sha256(path):
    """Hex digest of a file; of a large one it is kept in `.<name>.sha256` beside it.

    What is kept holds for the file's size and time of change. In a folder that cannot be written
    nothing is kept.
    """
    path, found = Path(path), Path(path).stat()
    if found.st_size <= LARGE:
        return sha256(path)
    kept = path.with_name(f".{path.name}.sha256")
    stamp = {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
    try:
        record = json.loads(kept.read_text(encoding="utf-8"))
        if {key: record[key] for key in stamp} == stamp:
            return record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none is kept, or nothing that is one
    digest = sha256(path)
    with contextlib.suppress(OSError):
        write_json(kept, stamp | {"sha256": digest})
    return digest


def prepared_from(manifest, path):
    """Whether `manifest.json` says that its arrays were made of this very raw file.

    Args:
        manifest: path of the manifest, which may be missing.
        path: of the raw file.
    """
    try:
        raw = json.loads(Path(manifest).read_text(encoding="utf-8"))["raw"]
        entries = [(entry["file"], entry["sha256"]) for entry in raw.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    names = [name for name, _ in entries]
    return Path(path).name in names and (Path(path).name, kept_sha256(path)) in entries
