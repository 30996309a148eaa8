"""Where a result comes from: configuration, code, data, versions and seed."""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path

import dynmm
from dynmm.code_closure import code_closure, code_hash
from dynmm.files import sha256

LIBRARIES = ("torch", "torchvision", "numpy", "opencv-python-headless", "h5py", "scikit-learn")


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
    program, *others = (Path(path).resolve() for path in (program, *modules))
    code = dict.fromkeys(code_closure(program, source_root))
    for module in others:
        code.update(dict.fromkeys(code_closure(module, source_root)))
    return {
        "config": config,
        "code_sha256": code_hash(code),
        "inputs_sha256": {name: sha256(path) for name, path in sorted(inputs.items())},
        "seed": seed,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def fingerprint(record):
    """Hex digest of a provenance record: equal only for runs that must give equal results."""
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _versions():
    found = {"dynmm": dynmm.__version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found
