"""The private directory in which long evaluations of one model keep what they computed."""

import contextlib
import fcntl
from pathlib import Path

import numpy as np

from dynmm.files import atomic_path, read_json, write_json

CLEAN, LOCK, RECORD = "clean", "lock", "provenance.json"


class SweepDirectory:
    """Clean predictions and finished levels of one model, kept under its fingerprint.

    As with a training's state, this is no declared output of the workflow, which deletes those
    before a job starts. The fingerprint leaves out settings, levels and runs: sweeps over other
    ones go on from what is there. It may be removed by hand at any time.

    Args:
        root: folder of this model and seed; its results lie in a subfolder by fingerprint.
        fingerprint: hex digest of configuration, code, data, weights and versions.
        record: the provenance record behind the fingerprint, written beside the results.
    """

    def __init__(self, root, fingerprint, record):
        self.path = Path(root) / fingerprint[:16]
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / RECORD, record)

    def clean(self, compute):
        """The clean predictions; whoever comes first computes them, others wait for that.

        Args:
            compute: function without arguments that gives a dict of arrays, one row a sample.

        Returns:
            Dict of arrays.
        """
        with self._locked():
            if not self.has(CLEAN):
                self.keep(CLEAN, compute())
        return self.kept(CLEAN)

    def has(self, name):
        """Whether arrays of this name are stored."""
        return self._arrays(name).exists()

    def keep(self, name, arrays):
        """Store a dict of arrays under a name, whole or not at all."""
        with atomic_path(self._arrays(name)) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)

    def kept(self, name):
        """The dict of arrays stored under a name."""
        with np.load(self._arrays(name), allow_pickle=False) as arrays:
            return dict(arrays)

    def runs(self, setting, part):
        """What is stored of one part of a setting, a level: run -> dict of numbers."""
        path = self.path / setting / f"{part}.json"
        return {int(run): row for run, row in read_json(path).items()} if path.exists() else {}

    def store(self, setting, part, runs):
        """Keep the results of one part of a setting: run -> dict of numbers."""
        write_json(self.path / setting / f"{part}.json", runs)

    def _arrays(self, name):
        return self.path / f"{name}.npz"

    @contextlib.contextmanager
    def _locked(self):
        # the kernel gives the lock back after any kind of end
        with open(self.path / LOCK, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
