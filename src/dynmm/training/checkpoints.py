"""Checkpoints of a training: its state and its best weights as they were at one moment.

A checkpoint is three files: `state-<n>.pt`, the weights of the best epoch so far in
`best-<epoch>.safetensors`, and, written last, `state-<n>.json` with the SHA-256 of both. It is
there once that last file is, so state and best weights always belong together.
"""

import logging
import time

import torch

from dynmm.files import atomic_path, read_json, sha256, write_json
from dynmm.models.weights import save_weights
from dynmm.stop_signals import deferred

log = logging.getLogger("dynmm.training")

KEPT = 2  # a damaged checkpoint falls back to the one before
WRITING_SHARE = 0.05  # of the time at most, whatever interval is asked for
NO_MEMORY = "DefaultCPUAllocator"  # in torch's RuntimeError


class CheckpointClock:
    """When the next checkpoint is due.

    Args:
        seconds: between two, at least; more where writing one takes over 5 % of that. With 0 one is
            due always.
    """

    def __init__(self, seconds):
        self._seconds, self._cost, self._last = seconds, 0.0, time.monotonic()

    def due(self):
        """Whether it is time."""
        wait = max(self._seconds, self._cost / WRITING_SHARE) if self._seconds else 0
        return time.monotonic() - self._last >= wait

    def written(self, seconds):
        """A checkpoint was written just now, and that took `seconds`."""
        self._cost, self._last = seconds, time.monotonic()


class Checkpoints:
    """The checkpoints in the folder of one run.

    Args:
        folder: of the run; it is this process's alone.
        seconds: between two checkpoints, see `CheckpointClock`.
        require: called before one is written; raises where the folder is not there any more.
    """

    def __init__(self, folder, seconds, require):
        self.folder, self._clock, self._require = folder, CheckpointClock(seconds), require

    def due(self):
        """Whether it is time for the next one."""
        return self._clock.due()

    def save(self, state, best_epoch, best):
        """Write a checkpoint; those before the last two go.

        Args:
            state: tensors, numbers, strings, lists and dicts.
            best_epoch: of the best weights so far, counted from 1; None where there are none.
            best: their tensors by name, or None where they are stored already.
        """
        self._require()  # or it would come back without what it held
        started = time.monotonic()
        number = 1 + max(map(_number, self._records()), default=0)
        record = {"state": f"state-{number}.pt", "best": None}
        with atomic_path(self.folder / record["state"]) as temporary:
            torch.save(state, temporary)
            record["state_sha256"] = sha256(temporary)
        if best_epoch is not None:
            record |= self.store_best(best_epoch, best)
        write_json(self.folder / f"state-{number}.json", record)
        self._drop_older()
        self._clock.written(time.monotonic() - started)

    def store_best(self, epoch, tensors):
        """Write the weights of the best epoch where tensors are given; returns name and SHA-256."""
        self._require()
        path = self.folder / f"best-{epoch}.safetensors"
        if tensors is not None:
            save_weights(tensors, path)
        return {"best": path.name, "best_sha256": sha256(path)}

    def load(self):
        """The state of the newest checkpoint that is whole; None without one.

        A damaged checkpoint is put aside, and the log says so. A disk that fails or memory that
        runs out says nothing of a file: it stays where it is, and the error is raised. Signals
        wait: some libraries make an error of their own of what a signal raises within them.
        """
        with deferred():
            found = map(self._loaded, reversed(self._records()))
            return next((state for state in found if state is not None), None)

    def drop_all_but(self, *names):
        """Remove what only an unfinished run needs."""
        # a record goes before what it names
        for path in [
            *self._records(),
            *self.folder.glob("state-*.pt"),
            *self.folder.glob("best-*"),
        ]:
            if path.name not in names:
                path.unlink(missing_ok=True)

    def _loaded(self, record):
        """The state of one checkpoint; None where it is damaged and was put aside."""
        try:
            names = read_json(record)
            self._compare(names)
            return torch.load(self.folder / names["state"], "cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # torch and json each have their own
            if NO_MEMORY in str(error) or isinstance(error.__cause__, OSError):
                raise
            put_aside(record, error)
            return None

    def _compare(self, names):
        for part in ("state", "best"):
            if names[part] is not None:
                path = self.folder / names[part]
                if not path.exists():
                    raise ValueError(f"{path.name} is missing")
                if sha256(path) != names[f"{part}_sha256"]:
                    raise ValueError(f"{path.name} has other bytes than were written")

    def _records(self):
        """The last file of each checkpoint, oldest first."""
        return sorted(self.folder.glob("state-*.json"), key=_number)

    def _drop_older(self):
        used = set()
        for record in self._records()[-KEPT:]:
            names = read_json(record)
            used |= {record.name, names["state"], names["best"]}
        self.drop_all_but(*used)


def put_aside(path, error):
    """Rename a damaged file, and say so in the log."""
    path.replace(path.with_name(f"{path.name}.damaged"))
    log.warning(
        "%s is damaged (%s) and was put aside: going on from what is whole",
        path,
        " ".join(str(error).split())[:200] or type(error).__name__,
    )


def _number(record):
    """The n of state-<n>.json."""
    return int(record.stem.removeprefix("state-"))
