"""Downloads that resume, are checked, and appear whole or not at all."""

import hashlib
import logging
import os
import shutil
from pathlib import Path

import requests

from dynmm.data.download import part_file
from dynmm.data.download.patience import (
    AddressError,
    AttemptError,
    Attempts,
    answer,
    body,
    content_range,
    version_of,
)
from dynmm.data.download.progress import Progress
from dynmm.errors import InputError

BLOCK = 1 << 16
PAGE_STARTS = (b"<!doctype html", b"<html")
log = logging.getLogger(__name__)


def download(addresses, target, size=None, sha256=None, md5=None, retries=5, pause=1.0):
    """Fetch `target` unless it is there, from the first of the addresses that delivers it.

    Bytes go to `<target>.part`, which a later call continues where the server allows (Range) and
    still has the same version, or a checksum tells in the end. The finished file is checked against
    `size` and checksums and then renamed, so `target` exists whole or not at all; where none is
    known, a file whose length the server does not tell, an empty file and a web page are refused.
    Progress is a bar on a terminal and a line now and then in a log.

    Args:
        addresses: an address, or a list of it and its mirrors in the order to try.
        target: path of the file.
        size: its length in bytes, if known.
        sha256, md5: its hex digests, if known.
        retries: attempts at one address, in a row and without progress, before the next one.
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
    part = target.with_name(target.name + ".part")
    if target.exists():
        _accept_existing(target, checks)
        part_file.remove(part)  # what a kill left
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    with part_file.held(part) as file:
        waiting = list(addresses)
        while waiting:
            address, resumed = waiting.pop(0), part.stat().st_size > 0
            try:
                _fetch(_Transfer(address, file, part, checks), retries, pause)
            except AddressError as reason:
                failures.append(f"{address}: {reason}")
                continue
            problem = difference(part, checks, target.suffix)
            if problem is None:
                os.fsync(file.fileno())
                part.rename(target)
                part_file.forget(part)
                return True
            file.truncate(0)
            failures.append(f"{address}: wrong content, {problem[0]} instead of {problem[1]}")
            if resumed:  # the fault may lie in what an earlier run left: once more, from nothing
                waiting.insert(0, address)
        if not part.stat().st_size:
            part_file.remove(part)
    raise InputError(
        "download failed",
        file=target,
        found=" | ".join(failures),
        expected=_known(checks),
        fix=f"Fetch it by hand from {' or '.join(addresses)} and save it as {target.absolute()}.",
    )


def difference(path, checks, suffix=".html"):
    """What is wrong with a fetched file: (found, expected) of the first check that fails, or None.

    Args:
        path: of the file.
        checks: its `size`, `sha256` and `md5`, each None where it is not known.
        suffix: of the name that it shall have.
    """
    size = path.stat().st_size
    if checks["size"] is not None and size != checks["size"]:
        return f"{size} bytes", f"{checks['size']} bytes"
    for name in ("sha256", "md5"):
        if checks[name] is not None:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if found != checks[name].lower():
                return f"{name} {found}", checks[name]
    if not size and checks["size"] is None:
        return "an empty file", "the file"
    with open(path, "rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith(PAGE_STARTS) and suffix != ".html":
        return "a web page", "the file"
    return None


def _fetch(transfer, retries, pause):
    """Bring the .part file to its end; raises AddressError where the address cannot."""
    attempts = Attempts(transfer.address, retries, pause)
    while True:
        before = transfer.length()
        try:
            return transfer.attempt()
        except (AttemptError, requests.RequestException) as error:
            attempts.failed(error, transfer.length() - before)
        except OSError as error:
            folder = transfer.part.parent
            raise InputError(
                "the download cannot be written",
                file=transfer.part,
                found=error,
                fix=f"{shutil.disk_usage(folder).free} bytes are free there.",
            ) from error


class _Transfer:
    """One address and the .part file that it shall bring to its end."""

    def __init__(self, address, file, part, checks):
        self.address, self.file, self.part = address, file, part
        self.size = checks["size"]
        self.vouched = checks["sha256"] is not None or checks["md5"] is not None

    def length(self):
        """Bytes that came so far."""
        return self.file.seek(0, 2)

    def attempt(self):
        """One request; appends to the file, or starts it over."""
        version = self._version()
        start = self.length()
        if self.size is not None and start == self.size:
            return
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and version:
            headers["If-Range"] = version
        with answer(self.address, headers) as response:
            if response.status_code == 416:
                return self._out_of_range(response, start)
            total = self._begin(response, start, version)
            with Progress(self.part.stem, self.length(), total) as progress:
                for block in body(response, BLOCK):
                    self.file.write(block)
                    progress.add(len(block))
                self.file.flush()
        end = self.length()
        if total is not None and end != total:
            raise AttemptError(f"the connection ended after {end} of {total} bytes")

    def _version(self):
        """The version of what came so far, by the server's word.

        Where nobody knows it and no checksum would tell, the file starts over: its two halves could
        be of two files.
        """
        noted = part_file.note_of(self.part)
        own = isinstance(noted, dict) and noted.get("address") == self.address
        version = noted.get("version") if own else None
        if self.length() and not self.vouched and not isinstance(version, str):
            log.info(
                "%s: nothing tells whether the file is still the same; starting over", self.part
            )
            self.file.truncate(0)
        return version if isinstance(version, str) else None

    def _out_of_range(self, response, start):
        """The file is at its end already, or longer than what is there: then it is of another."""
        said = response.headers.get("Content-Range", "").replace(" ", "")
        if said != f"bytes*/{start}":
            self.file.truncate(0)
            raise AttemptError(f"the server has no bytes after {start}")

    def _begin(self, response, start, version):
        """Judge the answer's head; returns the file's whole length, None if nobody knows it."""
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("text/html") and not self.part.name.endswith(".html.part"):
            raise AddressError("answered with a web page instead of the file")
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if response.status_code == 206:
            found = content_range(response)
            if found is None or found[0] != start:
                raise AddressError(f"answered with the wrong range, {dict(response.headers)}")
            total = found[1]
            if version and version_of(response) not in (None, version):
                self.file.truncate(0)
                raise AttemptError("the file changed on the server")
        else:
            if start:
                log.info("the server does not continue at byte %d; starting over", start)
            self.file.truncate(0)
            part_file.note(self.part, {"address": self.address, "version": version_of(response)})
        if self.size is not None and total not in (None, self.size):
            raise AddressError(f"has {total} bytes instead of {self.size}")
        chunked = response.headers.get("Transfer-Encoding") == "chunked"
        if total is None and self.size is None and not self.vouched and not chunked:
            raise AddressError("does not say how long the file is, so that a cut would not show")
        return total


def _accept_existing(target, checks):
    problem = difference(target, checks, target.suffix)
    if problem is not None:
        raise InputError(
            "a file of this name is there, but it is not the one to fetch",
            file=target,
            found=problem[0],
            expected=problem[1],
            fix="Move it away; the right one is then fetched.",
        )


def _known(checks):
    return ", ".join(f"{name} {value}" for name, value in checks.items() if value is not None)
