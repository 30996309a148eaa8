"""Some data sets of a remote HDF5 file, without the rest of it.

A data set stored without chunks is one range of bytes. Where the server sends byte ranges, the
structure of the file is read through a `RangedFile`, the wanted ranges are fetched, and a small
HDF5 file of the same form is written; elsewhere the whole file is fetched.
"""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from dynmm.data.download import part_file
from dynmm.data.download.patience import AddressError
from dynmm.data.download.ranged_file import NoRangesError, RangedFile
from dynmm.data.download.transfer import download
from dynmm.errors import InputError
from dynmm.files import atomic_path
from dynmm.stop_signals import immediate

COPY_BYTES = 8 << 20
log = logging.getLogger(__name__)


class NotInOnePieceError(Exception):
    """A data set is missing, chunked, compressed or outside the file."""


@dataclass(frozen=True)
class Stored:
    """Where a data set's values lie: byte offset, shape, type, and its attributes."""

    key: str
    offset: int
    shape: tuple
    dtype: np.dtype
    attributes: dict

    @property
    def nbytes(self):
        """Length of the range."""
        return math.prod(self.shape) * self.dtype.itemsize


def fetch_datasets(addresses, target, keys, check, retries=5, pause=1.0):
    """Fetch the data sets `keys` of a remote HDF5 file into `target`, unless it is there.

    What came is kept in `<target>.ranges` until it is complete, and a later call goes on from
    there if the remote file is still the same.

    Args:
        addresses: an address, or a list of it and its mirrors in the order to try.
        target: path of the HDF5 file to make.
        keys: names of the data sets.
        check: function of a path that raises InputError if the file's content is not right.
        retries, pause: as for `download`.

    Returns:
        True if something was fetched, False if `target` was there already.

    Raises:
        InputError: the content is wrong, or no address delivered: what failed where, and what to
            fetch by hand into which path.
    """
    addresses = [addresses] if isinstance(addresses, str) else list(addresses)
    target = Path(target)
    part = target.with_name(target.name + ".ranges")
    if target.exists():
        check(target)
        part_file.remove(part)
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for address in addresses:
        try:
            _fetch(address, target, part, keys, check, retries, pause)
            return True
        except AddressError as reason:
            failures.append(f"{address}: {reason}")
        except (NoRangesError, NotInOnePieceError) as reason:
            log.info("%s: %s; fetching the whole file", address, reason)
            _fetch_whole(address, target, check, retries, pause)
            return True
    raise InputError(
        "download failed",
        file=target,
        found=" | ".join(failures),
        fix=f"Fetch it by hand from {' or '.join(addresses)} and save it as {target.absolute()}.",
    )


def locate(file, keys):
    """Where the data sets of an open `h5py.File` lie; in the order of their offsets.

    Raises:
        NotInOnePieceError: a data set that is missing or not one range of bytes.
    """
    return sorted((_stored(file, key) for key in keys), key=lambda stored: stored.offset)


def _stored(file, key):
    array = file.get(key)
    if not isinstance(array, h5py.Dataset):
        raise NotInOnePieceError(f"it has no data set {key}")
    offset = array.id.get_offset()
    stored = Stored(key, offset or 0, array.shape, array.dtype, dict(array.attrs))
    in_one_piece = offset is not None and array.external is None and not array.dtype.hasobject
    if not in_one_piece or array.id.get_storage_size() != stored.nbytes:
        raise NotInOnePieceError(f"its {key} is not stored in one piece")
    return stored


def _fetch(address, target, part, keys, check, retries, pause):
    remote = RangedFile(address, retries, pause)
    found = _locate_remote(remote, keys)
    total = sum(stored.nbytes for stored in found)
    log.info(
        "%s: fetching %s, %.1f of %.1f MB",
        target.name,
        ", ".join(stored.key for stored in found),
        total / 1e6,
        remote.size / 1e6,
    )
    identity = [address, remote.size, remote.version]
    identity += [[s.key, s.offset, list(s.shape), s.dtype.str] for s in found]
    with part_file.held(part) as file:
        if part_file.note_of(part) != identity:  # of another remote file, or nobody knows of which
            file.truncate(0)
            part_file.note(part, identity)
        _fetch_ranges(remote, found, file)
        try:
            with atomic_path(target) as partial, immediate():  # it may take minutes
                _assemble(found, file, partial)
                check(partial)
        except InputError:
            part_file.remove(part)  # wrong ranges would stay wrong
            raise
        part_file.remove(part)


def _locate_remote(remote, keys):
    try:
        with h5py.File(remote, "r") as file:
            return locate(file, keys)
    except OSError as error:
        raise AddressError(f"not a readable HDF5 file ({error})") from error


def _fetch_ranges(remote, found, file):
    """Append the ranges one after the other, from where the file ends."""
    done, start = file.seek(0, 2), 0
    for stored in found:
        already = min(max(done - start, 0), stored.nbytes)
        for block in remote.stream(stored.offset + already, stored.offset + stored.nbytes):
            file.write(block)
        start += stored.nbytes
        log.info("%s: %.1f MB", stored.key, stored.nbytes / 1e6)
    file.flush()


def _assemble(found, file, path):
    """Write the HDF5 file from the ranges, a few rows in memory at a time."""
    file.seek(0)
    with h5py.File(path, "w", locking=False) as result:
        for stored in found:
            array = result.create_dataset(stored.key, stored.shape, stored.dtype)
            array.attrs.update(stored.attributes)
            row = math.prod(stored.shape[1:]) * stored.dtype.itemsize
            step = max(COPY_BYTES // max(row, 1), 1)
            for first in range(0, stored.shape[0], step):
                count = min(step, stored.shape[0] - first)
                values = np.frombuffer(file.read(count * row), stored.dtype)
                array[first : first + count] = values.reshape(count, *stored.shape[1:])


def _fetch_whole(address, target, check, retries, pause):
    download(address, target, retries=retries, pause=pause)
    try:
        check(target)
    except InputError:
        target.unlink()
        raise
