"""A remote file read by byte ranges over HTTP, as a Python file object."""

import io
import logging
import re
import time

import requests

TIMEOUT = (20, 60)  # seconds to connect, and between two blocks
BLOCK = 1 << 16  # an HDF5 file's metadata are small pieces far apart
STREAM_BYTES = 1 << 14  # of a connection that breaks off, at most this much is lost
MAX_PAUSE = 60
FINAL_STATUS = set(range(400, 500)) - {408, 429}  # what a retry would only repeat
log = logging.getLogger(__name__)


class NoRangesError(Exception):
    """The server sends whole files only."""


class UnreachableError(Exception):
    """The server does not deliver, whatever is tried again."""


class RangedFile(io.RawIOBase):
    """Read-only and seekable; keeps the blocks that it has read.

    Args:
        address: of the file.
        retries: attempts in a row without a new byte before giving up.
        pause: seconds before the first such retry, doubled for each further one.

    Attributes:
        size: length of the file in bytes.
        version: its entity tag or date, if the server tells, to know a changed file by.
        fetched: bytes that came so far.

    Raises:
        NoRangesError: the server ignores the Range header.
        UnreachableError: no answer, or an error that lasts.
    """

    def __init__(self, address, retries=5, pause=1.0):
        self.address, self.retries, self.pause = address, retries, pause
        self.size, self.version, self.fetched = None, None, 0
        self._session = requests.Session()
        # compressed transfer would make ranges those of another file
        self._session.headers["Accept-Encoding"] = "identity"
        self._blocks, self._position = {}, 0
        b"".join(self.stream(0, 1))  # tells the size and whether there are ranges

    def readable(self):
        """Yes."""
        return True

    def seekable(self):
        """Yes."""
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        """Move to `offset` from the start, from here or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = base + offset
        return self._position

    def tell(self):
        """Where the next read begins."""
        return self._position

    def readinto(self, buffer):
        """Fill the buffer as far as the file goes; returns the number of bytes."""
        view = memoryview(buffer).cast("B")
        wanted = max(min(len(view), self.size - self._position), 0)
        done = 0
        while done < wanted:
            number, skip = divmod(self._position + done, BLOCK)
            piece = self._block(number)[skip : skip + wanted - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._position += wanted
        return wanted

    def stream(self, start, stop):
        """Yield the bytes from `start` to `stop` as they come, beyond the cache.

        Goes on with a new request where a connection breaks off.
        """
        failed = 0
        while start < stop:
            begun = start
            try:
                with self._request(start, stop) as response:
                    for block in response.iter_content(STREAM_BYTES):
                        block = block[: stop - start]
                        start += len(block)
                        self.fetched += len(block)
                        yield block
                if start == stop:
                    return
                reason = f"the connection ended at byte {start} of {stop}"
            except requests.RequestException as error:
                reason = str(error) or type(error).__name__
            failed = 1 if start > begun else failed + 1
            if failed > self.retries:
                raise UnreachableError(f"{reason} ({failed} attempts without a new byte)")
            wait = min(self.pause * 2 ** (failed - 1), MAX_PAUSE)
            log.info("%s: %s; trying again in %.3g s", self.address, reason, wait)
            time.sleep(wait)

    def _block(self, number):
        if number not in self._blocks:
            start = number * BLOCK
            stop = min(start + BLOCK, self.size)
            self._blocks[number] = b"".join(self.stream(start, stop))
        return self._blocks[number]

    def _request(self, start, stop):
        """A response to the range; also keeps or compares size and version."""
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        response = self._session.get(self.address, headers=headers, stream=True, timeout=TIMEOUT)
        try:
            self._judge(response, start)
        except BaseException:
            response.close()
            raise
        return response

    def _judge(self, response, start):
        status = response.status_code
        if status == 200:
            raise NoRangesError("the server has no byte ranges")
        if status in FINAL_STATUS:
            raise UnreachableError(f"HTTP {status} {response.reason}")
        if status != 206:
            raise requests.RequestException(f"HTTP {status} {response.reason}")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != start:
            raise NoRangesError(f"the server answers with other ranges ({response.headers})")
        size = int(match[2])
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if self.size is None:
            self.size, self.version = size, version
        elif (size, version) != (self.size, self.version):
            raise UnreachableError("the file changed on the server while it was read")
