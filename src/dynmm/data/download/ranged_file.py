"""A remote file read by byte ranges over HTTP, as a Python file object."""

import io

import requests

from dynmm.data.download.patience import (
    AddressError,
    AttemptError,
    Attempts,
    answer,
    body,
    content_range,
)

BLOCK = 1 << 16  # an HDF5 file's metadata are small pieces far apart


class NoRangesError(Exception):
    """The server sends whole files only."""


class RangedFile(io.RawIOBase):
    """Read-only and seekable; keeps the blocks that it has read.

    Args:
        address: of the file.
        retries: attempts in a row without progress before giving up.
        pause: seconds before the first such retry, doubled for each further one.

    Attributes:
        size: length of the file in bytes.
        version: its entity tag or date, if the server tells, to know a changed file by.
        fetched: bytes that came so far.

    Raises:
        NoRangesError: the server ignores the Range header.
        AddressError: no answer, an error that lasts, or a file that changed meanwhile.
    """

    def __init__(self, address, retries=5, pause=1.0):
        self.address, self.retries, self.pause = address, retries, pause
        self.size, self.version, self.fetched = None, None, 0
        self._session = requests.Session()
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
        attempts = Attempts(self.address, self.retries, self.pause)
        while start < stop:
            begun = start
            try:
                headers = {"Range": f"bytes={start}-{stop - 1}"}
                with answer(self.address, headers, self._session) as response:
                    self._judge(response, start)
                    for block in body(response, BLOCK):
                        block = block[: stop - start]
                        start += len(block)
                        self.fetched += len(block)
                        yield block
                if start < stop:
                    raise AttemptError(f"the connection ended at byte {start} of {stop}")
            except (AttemptError, requests.RequestException) as error:
                attempts.failed(error, start - begun)

    def _block(self, number):
        if number not in self._blocks:
            start = number * BLOCK
            stop = min(start + BLOCK, self.size)
            self._blocks[number] = b"".join(self.stream(start, stop))
        return self._blocks[number]

    def _judge(self, response, start):
        """Keep size and version, or compare them with those that were kept."""
        if response.status_code == 200:
            raise NoRangesError("the server has no byte ranges")
        found = content_range(response)
        if found is None or found[0] != start or found[1] is None:
            raise NoRangesError(f"the server answers with other ranges ({dict(response.headers)})")
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if self.size is None:
            self.size, self.version = found[1], version
        elif (found[1], version) != (self.size, self.version):
            raise AddressError("the file changed on the server while it was read")
