"""Files in a shared Google Drive folder, fetched through gdown.

gdown knows Google's folder pages and the confirmation that large files ask for. What comes is
checked like any other download, and waited for as long.
"""

import re
import sys
from pathlib import Path

import gdown
import requests

from dynmm.data.download import part_file
from dynmm.data.download.patience import (
    TIMEOUT,
    AddressError,
    AttemptError,
    Attempts,
    asked_pause,
    least_rate,
)
from dynmm.data.download.transfer import difference, download
from dynmm.errors import InputError

FOLDER = re.compile(r"https://drive\.google\.com/drive/folders/([\w-]+)/?")
PICKLE_START, PICKLE_END = b"\x80", b"."


def is_drive_folder(address):
    """Whether the address is that of a Google Drive folder."""
    return FOLDER.fullmatch(address) is not None


def download_from_folder(addresses, target, size=None, sha256=None, md5=None, retries=5, pause=1.0):
    """Fetch `target` unless it is there: the file of its name in a Google Drive folder.

    Bytes go to a file beside `target`, where a later call continues if the folder still holds the
    same file; the finished one is checked against `size`, checksums and, a pickle, its first and
    last byte, and then renamed, so `target` exists whole or not at all.

    Args:
        addresses: `https://drive.google.com/drive/folders/ID`, or a list that holds it alone.
        target: path of the file.
        size: its length in bytes, if known.
        sha256, md5: its hex digests, if known.
        retries: attempts in a row and without progress, beyond the first.
        pause: seconds before the first of them, doubled for each further one.

    Returns:
        True if something was fetched, False if `target` was there already.

    Raises:
        InputError: `target` is there but is another file; or it could not be fetched: why, and
            what to fetch by hand into which path.
    """
    (address,) = [addresses] if isinstance(addresses, str) else addresses
    target = Path(target)
    checks = {"size": size, "sha256": sha256, "md5": md5}
    if target.exists():
        return download(address, target, **checks)  # judges what is there, fetches nothing
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(address, target.name, part, Attempts(address, retries, pause))
    except AddressError as reason:
        problem = reason
        if not _pieces(part):
            part_file.forget(part)
    else:
        problem = _wrong_content(part, checks, target)
        if problem is None:
            part.rename(target)
            part_file.forget(part)
            return True
        part_file.remove(part)
    raise InputError(
        "download failed",
        file=target,
        found=f"{address}: {problem}",
        expected=", ".join(f"{name} {value}" for name, value in checks.items() if value) or None,
        fix=f"Fetch {target.name} by hand from {address} and save it as {target.absolute()}.",
    )


def _fetch(address, name, part, attempts):
    """Bring the file beside `part` to its end, where it takes that name."""
    while True:
        before = _arrived(part)
        try:
            return _attempt(address, name, part)
        except AddressError:
            raise
        # gdown reads Google's pages, and raises whatever it stumbles on where they changed
        except Exception as error:
            asked = asked_pause(getattr(error, "response", None))
            attempts.failed(AttemptError(_reason(error), asked), _arrived(part) - before)


def _attempt(address, name, part):
    folder = FOLDER.fullmatch(address)
    listed = gdown.download_folder(
        id=folder[1], skip_download=True, quiet=True, use_cookies=False, timeout=TIMEOUT
    )
    found = [file for file in listed if Path(file.path).name == name]
    if not found:
        names = ", ".join(sorted(Path(file.path).name for file in listed)) or "nothing"
        raise AddressError(f"the folder holds no {name}, but {names}")
    _keep_if_same(part, found[0].id)
    with least_rate() as (cancel, tell):
        gdown.download(
            id=found[0].id,
            output=str(part),
            resume=True,
            quiet=not sys.stderr.isatty(),
            use_cookies=False,
            timeout=TIMEOUT,
            cancel=cancel,
            progress=tell,
        )


def _keep_if_same(part, identity):
    """Drop what an earlier call left of a file that another one replaced."""
    if part_file.note_of(part) != identity:
        for path in _pieces(part):
            path.unlink()
        part_file.note(part, identity)


def _pieces(part):
    """What gdown left beside `part`: its name, eight letters and .part."""
    pattern = re.compile(re.escape(part.name) + r".{8}\.part")
    return [path for path in part.parent.iterdir() if pattern.fullmatch(path.name)]


def _arrived(part):
    return sum(path.stat().st_size for path in _pieces(part))


def _wrong_content(part, checks, target):
    """What is wrong with the fetched file in words, or None."""
    problem = difference(part, checks, target.suffix)
    if problem is not None:
        return f"wrong content, {problem[0]} instead of {problem[1]}"
    with open(part, "rb") as file:
        first = file.read(1)
        file.seek(-1, 2)
        last = file.read(1)
    if target.suffix == ".pkl" and (first, last) != (PICKLE_START, PICKLE_END):
        return f"wrong content, {part.stat().st_size} bytes that are no whole pickle"
    return None


def _reason(error):
    if isinstance(error, requests.RequestException):
        return f"no connection ({type(error).__name__})"
    if isinstance(error, gdown.exceptions.DownloadCancelled):
        return "timeout: hardly a byte came"
    return re.sub(r"\s+", " ", f"{error}").strip() or type(error).__name__
