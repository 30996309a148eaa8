"""Files in a shared Google Drive folder, fetched through gdown.

gdown knows Google's folder pages and the confirmation that large files ask for. What comes is
checked like any other download, and the messages are those of `dynmm.data.download.transfer`.
"""

import logging
import re
import sys
import time
from pathlib import Path

import gdown
import requests

from dynmm.data.download.transfer import MAX_PAUSE, TIMEOUT, download
from dynmm.errors import InputError

FOLDER = re.compile(r"https://drive\.google\.com/drive/folders/([\w-]+)/?")
PICKLE_START, PICKLE_END = b"\x80", b"."
log = logging.getLogger(__name__)


def is_drive_folder(address):
    """Whether the address is that of a Google Drive folder."""
    return FOLDER.fullmatch(address) is not None


def download_from_folder(addresses, target, size=None, sha256=None, md5=None, retries=5, pause=1.0):
    """Fetch `target` unless it is there: the file of its name in a Google Drive folder.

    Bytes go to a file beside `target`, where a later call continues; the finished file is checked
    against `size`, checksums and, a pickle, its first and last byte, and then renamed, so `target`
    exists whole or not at all.

    Args:
        addresses: `https://drive.google.com/drive/folders/ID`, or a list that holds it alone.
        target: path of the file.
        size: its length in bytes, if known.
        sha256, md5: its hex digests, if known.
        retries: attempts beyond the first.
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
    problem = _with_retries(lambda: _fetch(address, target.name, part), retries, pause)
    if problem is None:
        problem = _wrong_content(part, checks)
        if problem is None:
            part.rename(target)
            return True
        part.unlink()
    raise InputError(
        "download failed",
        file=target,
        found=f"{address}: {problem}",
        expected=", ".join(f"{name} {value}" for name, value in checks.items() if value) or None,
        fix=f"Fetch {target.name} by hand from {address} and save it as {target.absolute()}.",
    )


def _with_retries(attempt, retries, pause):
    """Call until it succeeds; the last failure in words, or None."""
    for failed in range(1, retries + 2):
        try:
            return attempt()
        # gdown reads Google's pages, and raises whatever it stumbles on where they changed
        except Exception as error:
            reason = _reason(error)
        if failed <= retries:
            wait = min(pause * 2 ** (failed - 1), MAX_PAUSE)
            log.info("%s; trying again in %.3g s", reason, wait)
            time.sleep(wait)
    return f"{reason} ({retries + 1} attempts)"


def _fetch(address, name, part):
    folder = FOLDER.fullmatch(address)
    listed = gdown.download_folder(
        id=folder[1], skip_download=True, quiet=True, use_cookies=False, timeout=TIMEOUT
    )
    found = [file for file in listed if Path(file.path).name == name]
    if not found:
        names = ", ".join(sorted(Path(file.path).name for file in listed)) or "nothing"
        return f"the folder holds no {name}, but {names}"
    gdown.download(
        id=found[0].id,
        output=str(part),
        resume=True,
        quiet=not sys.stderr.isatty(),
        use_cookies=False,
        timeout=TIMEOUT,
    )
    return None


def _wrong_content(part, checks):
    """What is wrong with the fetched file in words, or None."""
    try:
        download([], part, **checks)
    except InputError as error:
        return f"wrong content, {error.found} instead of {error.expected}"
    with open(part, "rb") as file:
        first = file.read(1)
        file.seek(-1 if first else 0, 2)
        last = file.read(1)
    if ".pkl" in part.suffixes and (first, last) != (PICKLE_START, PICKLE_END):
        return f"wrong content, {part.stat().st_size} bytes that are no whole pickle"
    return None


def _reason(error):
    if isinstance(error, requests.RequestException):
        return f"no connection ({type(error).__name__})"
    return re.sub(r"\s+", " ", f"{error}").strip() or type(error).__name__
