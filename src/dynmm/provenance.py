"""Where a result comes from: configuration, code, data, seed, versions of what the code uses."""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path

import dynmm
from dynmm.code_closure import code_hash, imported_libraries, is_seen, joint_closure
from dynmm.files import sha256

# of a library by the name that it is imported by, where that is another
DISTRIBUTIONS = {"cv2": "opencv-python-headless", "sklearn": "scikit-learn", "yaml": "pyyaml"}
# no number follows from them: progress bars, the form of a file
UNCOUNTED = ("tqdm", "pandas", "safetensors")
WRITTEN_BY = "written_by"


def provenance(program, config, inputs, seed=None, modules=()):
    """A JSON-able record of everything that a program's result follows from.

    Args:
        program: path of the running program; its code closure is hashed.
        config: the slice of the configuration it was given.
        inputs: name -> path of the files it reads (a manifest stands for its arrays).
        seed: the seed of the run, if it has one.
        modules: further source files that the program loads by name; their closures are hashed too.
    """
    source_root = Path(dynmm.__file__).resolve().parents[1]
    code = joint_closure([Path(path).resolve() for path in (program, *modules)], source_root)
    return {
        "config": config,
        "code_sha256": code_hash(code),
        "inputs_sha256": {name: sha256(path) for name, path in sorted(inputs.items())},
        "seed": seed,
        "versions": {"python": platform.python_version(), **_versions(code)},
        WRITTEN_BY: f"dynmm {dynmm.__version__}",
    }


def fingerprint(record):
    """Hex digest of a provenance record: equal only for runs that must give equal results.

    The version of this package is no part of it: the hash of the code says more.
    """
    text = json.dumps({k: v for k, v in record.items() if k != WRITTEN_BY}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _versions(code):
    """Versions of what the code imports; what it does itself is in the hash of the code."""
    found, libraries = {}, imported_libraries(filter(is_seen, code))
    for library in sorted(libraries - set(UNCOUNTED)):
        name = DISTRIBUTIONS.get(library, library)
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found
