"""How far a download is, on a terminal or in a log."""

import logging
import sys
import time

from tqdm import tqdm

LOG_EVERY_SECONDS = 15
log = logging.getLogger(__name__)


class Progress:
    """A bar on a terminal, else a log line every LOG_EVERY_SECONDS; a context manager.

    Args:
        name: of the file.
        start: bytes that are there already.
        total: of the whole file, None where nobody knows.
    """

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
        """Say that so many bytes came."""
        self._done += count
        self._bar.update(count)
        if self._bar.disable and time.monotonic() >= self._next:
            self._next = time.monotonic() + LOG_EVERY_SECONDS
            share = f" ({self._done / self._total:.0%})" if self._total else ""
            log.info("%s: %.1f MB%s", self._name, self._done / 1e6, share)
