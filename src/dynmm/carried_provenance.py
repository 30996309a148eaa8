"""What a result itself says of how it was made, held against the plan of today.

It stands in where the workflow's own record of a result is lost. Only the standard library is used
here: the Snakefile calls this at its start.
"""

import contextlib
import json
import zipfile
from pathlib import Path

from dynmm.kept_checksums import kept_sha256
from dynmm.published_weights import DIGEST

PROVENANCE = "provenance.json"  # of a file of arrays: what it carries beside them


def is_as_planned(results, config, code, inputs):
    """Whether results were made with today's settings, by today's code, from today's inputs.

    Args:
        results: paths of what one job left; the first that carries its provenance speaks for all.
        config: the slice of the configuration that the job would get today.
        code: the hash of its code today.
        inputs: paths of its inputs today. One that is not there yet says nothing.

    Returns:
        True or False; None where no result says how it was made.
    """
    found = next(filter(None, (carried(path, config) for path in map(Path, results))), None)
    if found is None:
        return None
    if found.get("config") != config or found.get("code_sha256", code) != code:
        return False
    return _were_read(found.get("inputs_sha256", {}), [Path(path) for path in inputs])


def carried(path, config):
    """The provenance that a result carries, as `provenance.provenance` gives it; None without.

    A manifest of prepared arrays has its settings, and some small files just repeat the slice
    `config` that they were made with: that is then all that is known.
    """
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read(PROVENANCE))
        if path.suffix != ".json":
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
        if "provenance" in record:
            return dict(record["provenance"])
        if "settings" in record:
            return {"config": record["settings"]}
        return {"config": {key: record[key] for key in config}} if config else None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None  # missing, damaged or of another form: it carries nothing


def _were_read(recorded, inputs):
    """Whether the digests that a provenance has are those of inputs of today."""
    if not all(path.exists() for path in inputs):
        return True
    named = {name for name in recorded if "/" in name}  # where names are paths, they are all inputs
    if named and named != {path.as_posix() for path in inputs}:
        return False
    digests = set()
    for path in inputs:
        digests.update(_digests(path))
    return set(recorded.values()) <= digests


def _digests(path):
    """The digest of a file, and that of the weights that a `training.json` stands for."""
    digests = {kept_sha256(path)}
    if path.name == "training.json":
        with contextlib.suppress(ValueError, KeyError, TypeError):
            digests.add(json.loads(path.read_text(encoding="utf-8"))[DIGEST])
    return digests
