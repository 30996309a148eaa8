"""Requests that are made again: what ends an attempt, what ends an address, how long to wait."""

import contextlib
import logging
import re
import threading
import time

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

TIMEOUT = (20, 60)  # seconds to connect, and between two bytes
LEAST_RATE, WINDOW = 1000, 60  # bytes a second, and over how many seconds: less is no transfer
MAX_PAUSE = 60
MAX_ASKED_PAUSE = 600  # longer than a server may ask us to stay away (Retry-After)
# a client's mistake, which a retry repeats; 408 and 429 ask for one, 416 is of ranges
FINAL_STATUS = set(range(400, 500)) - {408, 416, 429}
log = logging.getLogger(__name__)


class AddressError(Exception):
    """This address will not do, whatever is tried again."""


class AttemptError(Exception):
    """The attempt came to nothing or broke off.

    Args:
        reason: in words.
        asked: seconds that the server asks to wait.
    """

    def __init__(self, reason, asked=0.0):
        super().__init__(reason)
        self.asked = asked


class Attempts:
    """Counts attempts at one address that brought nothing, and waits before the next one.

    Args:
        address: for the log.
        retries: how many in a row may fail.
        pause: seconds before the first retry, doubled for each further one.
    """

    def __init__(self, address, retries, pause):
        self.address, self.retries, self.pause = address, retries, pause
        self._failed, self._since = 0, time.monotonic()

    def failed(self, error, count):
        """An attempt ended with an error after `count` new bytes: wait, or give up.

        Bytes slower than `LEAST_RATE` count for nothing: a server that sends one and hangs up, over
        and over, is not waited for.

        Raises:
            AddressError: too many attempts in a row, or the server asks for too long a pause.
        """
        seconds = max(time.monotonic() - self._since, 1.0)
        self._failed = 1 if count >= LEAST_RATE * seconds else self._failed + 1
        self._since = time.monotonic()
        reason = words(error)
        asked = getattr(error, "asked", 0.0)
        if asked > MAX_ASKED_PAUSE:
            raise AddressError(f"{reason}; it asks to come back in {asked:.0f} s") from error
        if self._failed > self.retries:
            raise AddressError(f"{reason} ({self._failed} attempts without progress)") from error
        wait = max(min(self.pause * 2 ** (self._failed - 1), MAX_PAUSE), asked)
        log.info("%s: %s; trying again in %.3g s", self.address, reason, wait)
        time.sleep(wait)


@contextlib.contextmanager
def answer(address, headers, session=requests):
    """The answer to a GET: of status 200, 206 or 416, with its body not yet read.

    Raises:
        AddressError: a status that stays, a packed body, or no address that can be asked.
        AttemptError: another status.
        requests.RequestException: no answer.
    """
    # compressed transfer would make lengths and ranges those of another file
    headers = {**headers, "Accept-Encoding": "identity"}
    try:
        response = session.get(address, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.RequestException:
        raise
    except ValueError as error:  # requests' own for an address that it cannot read
        raise AddressError(error) from error
    with response:
        status = response.status_code
        if status in FINAL_STATUS:
            raise AddressError(f"HTTP {status} {response.reason}")
        if status not in (200, 206, 416):
            raise AttemptError(f"HTTP {status} {response.reason}", asked_pause(response))
        packed = response.headers.get("Content-Encoding", "identity")
        if packed != "identity":
            raise AddressError(f"sends the file packed ({packed})")
        yield response


def body(response, size):
    """Yield the bytes of an answer as they come, `size` at a time at most.

    Raises:
        AttemptError: the connection broke off, or less than `LEAST_RATE` came for `WINDOW` seconds.
    """
    since, count = time.monotonic(), 0
    try:
        while block := response.raw.read1(size, decode_content=False):
            yield block
            count += len(block)
            seconds = time.monotonic() - since
            if seconds >= WINDOW:
                if count < LEAST_RATE * seconds:
                    raise AttemptError(f"timeout: {count} bytes in {seconds:.0f} s")
                since, count = time.monotonic(), 0
    except (HTTPError, OSError) as error:  # of urllib3 and of the socket
        raise AttemptError(f"the connection broke off ({type(error).__name__})") from error


@contextlib.contextmanager
def least_rate():
    """Yield an event for who transfers otherwise, and a function to tell it the bytes so far.

    The event is set, to cancel the transfer, once less than `LEAST_RATE` came for `WINDOW` seconds.
    """
    cancel, done, ended = threading.Event(), [0], threading.Event()

    def watch():
        before = 0
        while not ended.wait(WINDOW):
            if done[0] - before < LEAST_RATE * WINDOW:
                return cancel.set()
            before = done[0]

    def tell(count, _=None):
        done[0] = count

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield cancel, tell
    finally:
        ended.set()
        watcher.join()


def version_of(response):
    """What tells one version of a file from another, fit for If-Range: its strong tag or date."""
    tag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if tag.startswith("W/") else tag


def content_range(response):
    """(start, whole length or None) of a partial answer, None where it names no range."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    return match and (int(match[1]), None if match[2] == "*" else int(match[2]))


def asked_pause(response):
    """Seconds of the Retry-After header, a number or a date; 0 where there is none."""
    text = None if response is None else response.headers.get("Retry-After")
    try:
        return float(Retry().parse_retry_after(text)) if text else 0.0
    except (InvalidHeader, OverflowError):
        return 0.0


def words(error):
    """What went wrong, without the layers of requests and urllib3 around it."""
    cause = error.args[0] if error.args else None
    return str(getattr(cause, "reason", error)).rpartition("): ")[2] or type(error).__name__
