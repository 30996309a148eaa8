"""Writing a folder of prepared arrays: NPY files, and a manifest that says what they are."""

import contextlib
import hashlib
import logging
import os
import platform
import shutil
from pathlib import Path

import h5py
import numpy as np

from dynmm import __version__
from dynmm.data.manifest import MANIFEST
from dynmm.files import write_json
from dynmm.kept_checksums import kept_sha256
from dynmm.locks import wait_for_lock
from dynmm.stop_signals import deferred, immediate
from dynmm.stored_records import sealed

LOCK = "lock"
log = logging.getLogger("dynmm.data")


class ArrayWriter:
    """An NPY file written row by row, hashed on the way.

    Plain writes, no memory map: mapped pages would stay resident and count as memory.

    Args:
        path: the file to write.
        shape: shape of the whole array.
        dtype: its type; rows are written as they come, so they must have it already.
    """

    def __init__(self, path, shape, dtype):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self._rows = 0
        self._digest = hashlib.sha256()
        self._file = open(path, "wb")  # noqa: SIM115 (closed by finish or by the garbage collector)
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(_Tee(self._file, self._digest), header)

    def write(self, rows):
        """Append an array of rows (n, *shape[1:])."""
        rows = np.ascontiguousarray(rows)
        if rows.dtype != self.dtype or rows.shape[1:] != self.shape[1:]:
            raise ValueError(f"rows {rows.shape} of {rows.dtype} for {self.shape} of {self.dtype}")
        data = rows.tobytes() if rows.dtype.kind == "S" else rows.data
        self._digest.update(data)
        self._file.write(data)
        self._rows += len(rows)

    def finish(self):
        """Close the file; returns its manifest entry (shape, dtype, sha256)."""
        if self._rows != self.shape[0]:
            raise ValueError(f"{self._rows} rows written, {self.shape[0]} announced")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return {
            "shape": list(self.shape),
            "dtype": self.dtype.name,
            "sha256": self._digest.hexdigest(),
        }


@contextlib.contextmanager
def prepared_folder(out_dir):
    """Yield a folder beside `out_dir`; at the end its files move there, the manifest last.

    Where `out_dir` has a manifest, its arrays are complete. A failed run leaves `out_dir` as it
    was; a killed one leaves at most the folder beside it, which the next run removes. One process
    at a time prepares into `out_dir`, others wait: after a workflow was killed, its jobs live on
    beside those of the next.
    """
    out_dir = Path(out_dir)
    partial = out_dir.parent / f".{out_dir.name}.partial"
    with deferred():
        lock = wait_for_lock(
            partial / LOCK, lambda: log.info("another process prepares %s: waiting for it", out_dir)
        )
        try:
            for remains in partial.iterdir():  # of a process that was killed
                if remains.name != LOCK:
                    remains.unlink()
            with immediate():
                yield partial
            _publish(partial, out_dir)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            lock.close()


def _publish(partial, out_dir):
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / MANIFEST).unlink(missing_ok=True)
    for path in sorted(partial.glob("*.npy")):
        os.replace(path, out_dir / path.name)
    os.replace(partial / MANIFEST, out_dir / MANIFEST)


def write_manifest(folder, manifest):
    """Write `manifest.json`: the given dict and the versions that made the arrays, sealed."""
    versions = {
        "dynmm": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }
    manifest = sealed({**manifest, "versions": versions})
    write_json(Path(folder) / MANIFEST, manifest)
    return manifest


def describe_raw(path):
    """Name, bytes and SHA-256 of a raw file, for the manifest."""
    path = Path(path)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": kept_sha256(path)}


class _Tee:
    """A file that hashes what is written through it."""

    def __init__(self, file, digest):
        self._file, self._digest = file, digest

    def write(self, data):
        self._digest.update(data)
        return self._file.write(data)
