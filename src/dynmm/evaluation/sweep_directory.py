"""The private directory in which long evaluations of one model keep what they computed."""

import contextlib
import errno
import fcntl
import logging
from pathlib import Path

import numpy as np

from dynmm.errors import InputError
from dynmm.files import atomic_path, write_json
from dynmm.stop_signals import deferred
from dynmm.stored_arrays import load_arrays
from dynmm.stored_records import read_sealed, sealed

CLEAN, LOCK, RECORD = "clean", "lock", "provenance.json"
RUNS = "runs"
NAMES = "names of all arrays"  # a bit of the archive's head can hide one
UNREADABLE = (errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE)
log = logging.getLogger("dynmm.evaluation")


class SweepDirectory:
    """Clean predictions and finished levels of one model, kept under its fingerprint.

    As with a training's state, this is no declared output of the workflow, which deletes those
    before a job starts. The fingerprint leaves out settings, levels and runs: sweeps over other
    ones go on from what is there. It may be removed by hand at any time; what is damaged in
    it is put aside and computed again.

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
            found = self.kept(CLEAN)
            if found is None:
                self.keep(CLEAN, found := compute())
        return found

    def keep(self, name, arrays):
        """Store a dict of arrays under a name, whole or not at all."""
        with atomic_path(self._arrays(name)) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays, **{NAMES: np.array(list(arrays))})

    def kept(self, name):
        """The dict of arrays stored under a name; None where they are missing or damaged."""
        return self._whole(self._arrays(name), _complete)

    def runs(self, setting, part):
        """What is stored of one part of a setting, a level: run -> dict of numbers."""
        found = self._whole(self._part(setting, part), read_sealed)
        return {int(run): row for run, row in found[RUNS].items()} if found else {}

    def store(self, setting, part, runs):
        """Keep the results of one part of a setting: run -> dict of numbers."""
        write_json(self._part(setting, part), sealed({RUNS: runs}))

    def _arrays(self, name):
        return self.path / f"{name}.npz"

    def _part(self, setting, part):
        return self.path / setting / f"{part}.json"

    def _whole(self, path, read):
        """What `read` makes of a file; None where it is missing, or damaged and put aside."""
        if not path.exists():
            return None
        try:
            with deferred():  # else a library may take a signal for damage
                return read(path)
        except InputError as error:
            cause = error.__cause__
            if isinstance(cause, MemoryError) or getattr(cause, "errno", None) in UNREADABLE:
                raise  # that says nothing of the bytes
            path.replace(path.with_name(f"{path.name}.damaged"))
            log.warning("%s Put aside: computing it again", error)
            return None

    @contextlib.contextmanager
    def _locked(self):
        # the kernel gives the lock back after any kind of end
        self.path.mkdir(parents=True, exist_ok=True)  # it may have been removed
        with open(self.path / LOCK, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _complete(path):
    """The arrays of a file that `keep` wrote, none of which lacks."""
    arrays = load_arrays(path)
    names = arrays.pop(NAMES, None)
    if names is None or names.tolist() != list(arrays):
        raise InputError("a file of arrays lacks some", file=path, found=", ".join(arrays))
    return arrays
