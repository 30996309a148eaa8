"""Weights by the small file that stands for them: a training's summary with their SHA-256.

The workflow compares large files by time stamps alone, and small ones by content. So later stages
depend on `training.json`, and read the weights beside it.
"""

from pathlib import Path

from dynmm.errors import InputError
from dynmm.files import read_json, sha256

WEIGHTS, DIGEST = "weights.safetensors", "weights_sha256"


def published_weights(path):
    """The weights that a file stands for.

    Args:
        path: `training.json` of one of our trainings, for the weights beside it; or a file of
            weights, which stands for itself.

    Returns:
        Path of the weights.

    Raises:
        InputError: `training.json` is not readable or has no digest, or the weights beside it are
            missing or other ones.
    """
    path = Path(path)
    if path.suffix != ".json":
        return path
    again = "Delete training.json and run the same command: what was trained is published again."
    summary = read_json(path, fix=again)
    expected = summary.get(DIGEST) if isinstance(summary, dict) else None
    if not isinstance(expected, str):
        raise InputError("a training without its weights' digest", file=path, key=DIGEST, fix=again)
    weights = path.with_name(WEIGHTS)
    found = sha256(weights) if weights.is_file() else "no file"
    if found != expected:
        raise InputError(
            "not the weights that were trained",
            file=weights,
            found=found,
            expected=f"SHA-256 {expected}, as training.json says",
            fix=again,
        )
    return weights
