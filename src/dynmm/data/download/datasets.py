"""The raw files of a data set, as `config/datasets.yaml` describes them."""

import logging
import re
from pathlib import Path

from dynmm.data.download.drive import download_from_folder, is_drive_folder
from dynmm.data.download.ranged_hdf5 import fetch_datasets
from dynmm.data.download.transfer import download
from dynmm.data.mmimdb.raw import FILE as MOVIES
from dynmm.data.mmimdb.raw import RawMovies, check_movies
from dynmm.errors import InputError

ENTRY_KEYS = {"name", "page", "licence", "files"}
FILE_KEYS = {"addresses", "bytes", "md5", "sha256", "by_hand"}
FILE_MAY_SAY = {"about_gb"}  # for the documents
DESCRIPTION = "config/datasets.yaml"
ADDRESS = re.compile(r"https?://[^\s/]+/?\S*\Z")
# file -> the data sets that are read of it, and what checks their content
IN_PARTS = {MOVIES: (list(RawMovies.layout), check_movies)}
log = logging.getLogger(__name__)


def fetch_missing(entry, raw_dir, names=None, **options):
    """Download the files of a data set that `raw_dir` lacks; those that are there are checked.

    Args:
        entry: one data set of `config/datasets.yaml`.
        raw_dir: folder of the raw files.
        names: which files; all where None.
        options: `retries` and `pause` of `download`.

    A folder of Google Drive is fetched from through `drive`. Of an HDF5 file of which few data sets
    are read (`IN_PARTS`) only these are fetched, where the server sends byte ranges.

    Returns:
        Names of the files that were fetched.

    Raises:
        InputError: a malformed entry or a name it does not have; or files that could not be
            fetched, all in one message, after every file was tried.
    """
    _check_keys(entry, ENTRY_KEYS, "entry")
    files = entry["files"]
    _check_names(files)
    unknown = sorted(set(names or ()) - set(files))
    if unknown:
        raise InputError(
            "no such raw file", key=entry["name"], found=unknown[0], expected=" or ".join(files)
        )
    fetched, failures = [], []
    for name in names or files:
        source, target = files[name], Path(raw_dir) / name
        _check_source(source, name)
        if not target.exists():
            log.info("fetching %s from %s; licence: %s", name, entry["page"], entry["licence"])
        try:
            fetched += [name] if _fetch(source, target, options) else []
        except InputError as error:
            failures.append(f"{error} {source['by_hand']} Page: {entry['page']}")
    if failures:
        raise InputError("\n".join(failures))
    return fetched


def _fetch(source, target, options):
    """Fetch one file in the way its address and its form ask for; whether anything was fetched."""
    addresses = source["addresses"]
    if target.name in IN_PARTS:
        keys, check = IN_PARTS[target.name]
        return fetch_datasets(addresses, target, keys, check, **options)
    checks = {"size": source["bytes"], "sha256": source["sha256"], "md5": source["md5"]}
    if is_drive_folder(addresses[0]):
        return download_from_folder(addresses, target, **checks, **options)
    return download(addresses, target, **checks, **options)


def _check_names(files):
    """A raw file lies in the folder of its data set and nowhere else."""
    names = list(files) if isinstance(files, dict) else [files]
    for name in names:
        alone = isinstance(name, str) and Path(name).name == name and name not in ("", "..")
        if not alone or not name.isprintable():
            raise _malformed("files", repr(name)[:80], "names of files, without folders")


def _check_source(source, name):
    _check_keys(source, FILE_KEYS, name, FILE_MAY_SAY)
    addresses, size = source["addresses"], source["bytes"]
    texts = isinstance(addresses, list) and all(isinstance(one, str) for one in addresses)
    if not texts or not addresses or not all(map(ADDRESS.match, addresses)):
        raise _malformed(f"{name}.addresses", str(addresses)[:80], "a list of http(s) addresses")
    if size is not None and (type(size) is not int or size < 1):
        raise _malformed(f"{name}.bytes", size, "a length, or null")
    for key, digits in (("md5", 32), ("sha256", 64)):
        digest = source[key]
        right = isinstance(digest, str) and re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", digest)
        if digest is not None and not right:
            raise _malformed(f"{name}.{key}", digest, f"{digits} hex digits in quotes, or null")


def _malformed(key, found, expected):
    return InputError(
        "malformed description of a raw data set",
        file=DESCRIPTION,
        key=key,
        found=found,
        expected=expected,
    )


def _check_keys(mapping, keys, place, optional=frozenset()):
    found = set(mapping) if isinstance(mapping, dict) else set()
    if found - optional != keys:
        raise _malformed(
            place, ", ".join(sorted(map(str, found))) or "nothing", ", ".join(sorted(keys))
        )
