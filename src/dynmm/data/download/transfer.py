"""Downloads that resume, are checked, and appear whole or not at all."""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import sys
import time
from pathlib import Path

import requests
from tqdm import tqdm

from dynmm.errors import InputError

BLOCK = 1 << 16  # a cut connection loses the block under way
TIMEOUT = (20, 60)  # seconds to connect, and between two blocks
LOG_EVERY_SECONDS = 15
MAX_PAUSE = 60
# a client's mistake, which a retry repeats; 408 and 429 ask for one
FINAL_STATUS = set(range(400, 500)) - {408, 416, 429}
log = logging.getLogger(__name__)


class _AddressError(Exception):
    """This address will not do, whatever is tried again."""


class _BrokenTransferError(Exception):
    """The transfer broke off; what came so far is in the .part file."""


def download(addresses, target, size=None, sha256=None, md5=None, retries=5, pause=1.0):
    """Fetch `target` unless it is there, from the first of the addresses that delivers it.

    Bytes go to `<target>.part`, which a later call continues where the server allows (Range). The
    finished file is checked against `size` and checksums and then renamed, so `target` exists whole
    or not at all. Progress is a bar on a terminal and a line now and then in a log.

    Args:
        addresses: an address, or a list of it and its mirrors in the order to try.
        target: path of the file.
        size: its length in bytes, if known.
        sha256, md5: its hex digests, if known.
        retries: attempts at one address, in a row and without a new byte, before the next one.
        pause: seconds before the first such retry, doubled for each further one.

    Returns:
        True if something was fetched, False if `target` was there already.

    Raises:
        InputError: `target` is there but is another file; another process fetches it; or no
            address delivered it: what failed where, and what to fetch by hand into which path.
    """
    addresses = [addresses] if isinstance(addresses, str) else list(addresses)
    target = Path(target)
    checks = {"size": size, "sha256": sha256, "md5": md5}
    if target.exists():
        _accept_existing(target, checks)
        return False
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    with open(part, "ab") as file:
        _lock(file, part)
        waiting = list(addresses)
        while waiting:
            address, resumed = waiting.pop(0), part.stat().st_size > 0
            try:
                _fetch(address, file, size, retries, pause)
            except _AddressError as reason:
                failures.append(f"{address}: {reason}")
                continue
            problem = _difference(part, checks)
            if problem is None:
                os.fsync(file.fileno())
                part.rename(target)
                return True
            file.truncate(0)
            failures.append(f"{address}: wrong content, {problem[0]} instead of {problem[1]}")
            if resumed:  # the fault may lie in what an earlier run left: once more, from nothing
                waiting.insert(0, address)
        if not part.stat().st_size:
            part.unlink()
    raise InputError(
        "download failed",
        file=target,
        found=" | ".join(failures),
        expected=_known(checks),
        fix=f"Fetch it by hand from {' or '.join(addresses)} and save it as {target.absolute()}.",
    )


def _fetch(address, file, size, retries, pause):
    """Bring the .part file to its end; raises _AddressError where this address cannot."""
    failed = 0
    while True:
        before = file.seek(0, 2)
        try:
            return _transfer(address, file, size)
        except ValueError as error:  # requests' own for an address it cannot read
            raise _AddressError(error) from error
        except (_BrokenTransferError, requests.RequestException) as error:
            failed = 1 if file.seek(0, 2) > before else failed + 1
            reason = _reason(error)
            if failed > retries:
                raise _AddressError(f"{reason} ({failed} attempts without a new byte)") from error
            wait = min(pause * 2 ** (failed - 1), MAX_PAUSE)
            log.info("%s: %s; trying again in %.3g s", address, reason, wait)
            time.sleep(wait)
        except OSError as error:
            raise InputError(
                "the download cannot be written",
                file=file.name,
                found=error,
                fix=f"{shutil.disk_usage(Path(file.name).parent).free} bytes are free there.",
            ) from error


def _reason(error):
    """What went wrong, without the layers of requests and urllib3 around it."""
    cause = error.args[0] if error.args else None
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return str(getattr(cause, "reason", error)).rpartition("): ")[2] or type(error).__name__


def _transfer(address, file, size):
    """One request; appends to `file`, or starts it over where the server has no ranges."""
    start = file.seek(0, 2)
    if size is not None and start == size:
        return
    headers = {"Range": f"bytes={start}-"} if start else {}
    # compressed transfer would make lengths and ranges those of another file
    headers["Accept-Encoding"] = "identity"
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if _is_complete(response, start):
            return
        total = _begin(response, file, start, size)
        start = file.seek(0, 2)
        with _Progress(Path(file.name).stem, start, total) as progress:
            for block in response.iter_content(BLOCK):
                file.write(block)
                progress.add(len(block))
            file.flush()
    end = file.seek(0, 2)
    if total is not None and end < total:
        raise _BrokenTransferError(f"the connection ended after {end} of {total} bytes")


def _is_complete(response, start):
    """Whether the server refuses the range because the .part file is at the end already."""
    return response.status_code == 416 and (
        response.headers.get("Content-Range", "").replace(" ", "") == f"bytes*/{start}"
    )


def _begin(response, file, start, size):
    """Judge the answer's head; returns the file's whole length, None if the server is silent."""
    status = response.status_code
    if status == 416:
        file.truncate(0)  # the .part file is longer than what is there: it is of another file
        raise _BrokenTransferError(f"the server has no bytes after {start}")
    if status in FINAL_STATUS:
        raise _AddressError(f"HTTP {status} {response.reason}")
    if status not in (200, 206):
        raise _BrokenTransferError(f"HTTP {status} {response.reason}")
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html") and not file.name.endswith(".html.part"):
        raise _AddressError("answered with a web page instead of the file")
    length = response.headers.get("Content-Length")
    total = None if length is None else int(length)
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != start:
            raise _AddressError(f"answered with the wrong range, {response.headers}")
        total = int(match[2]) if match[2] != "*" else None
    elif start:
        log.info("the server cannot continue at byte %d; starting over", start)
        file.truncate(0)
    if size is not None and total not in (None, size):
        raise _AddressError(f"has {total} bytes instead of {size}")
    return total


class _Progress:
    """A bar on a terminal, else a log line every LOG_EVERY_SECONDS."""

    def __init__(self, name, start, total):
        self._name, self._done, self._total = name, start, total
        self._next = time.monotonic() + LOG_EVERY_SECONDS
        self._bar = tqdm(
            desc=name,
            initial=start,
            total=total,
            unit="B",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def add(self, count):
        self._done += count
        self._bar.update(count)
        if self._bar.disable and time.monotonic() >= self._next:
            self._next = time.monotonic() + LOG_EVERY_SECONDS
            share = f" ({self._done / self._total:.0%})" if self._total else ""
            log.info("%s: %.1f MB%s", self._name, self._done / 1e6, share)


def _accept_existing(target, checks):
    problem = _difference(target, checks)
    if problem is not None:
        raise InputError(
            "a file of this name is there, but it is not the one to fetch",
            file=target,
            found=problem[0],
            expected=problem[1],
            fix="Move it away; the right one is then fetched.",
        )


def _difference(path, checks):
    """(found, expected) of the first check that fails, None if all hold."""
    if checks["size"] is not None and path.stat().st_size != checks["size"]:
        return f"{path.stat().st_size} bytes", f"{checks['size']} bytes"
    for name in ("sha256", "md5"):
        if checks[name] is not None:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if found != checks[name].lower():
                return f"{name} {found}", checks[name]
    return None


def _known(checks):
    return ", ".join(f"{name} {value}" for name, value in checks.items() if value is not None)


def _lock(file, part):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            "another process is fetching this file", file=part, fix="Wait for it to end."
        ) from error
