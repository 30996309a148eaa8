"""SIGTERM and SIGUSR1: a process that is told to stop stores what it has, and ends.

A cluster sends them some time before it kills: SIGTERM when a job is cancelled or out of time,
SIGUSR1 earlier where the job asks for it.
"""

import contextlib
import os
import signal

STOPPING = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(Exception):  # noqa: N818 (it is no error)
    """The process was told to stop.

    Args:
        number: of the signal.
    """

    def __init__(self, number):
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}")


class _Listener:
    def __init__(self):
        self.received, self.deferring = None, False

    def __call__(self, number, frame):
        self.received = number
        if not self.deferring:
            raise Stopped(number)


_listener = _Listener()


def listen():
    """From now on raise `Stopped` where one of the signals arrives, unless they are `deferred`.

    Processes forked later, such as those that load batches, end by SIGTERM and ignore SIGUSR1: a
    cluster sends it to every process of a job.
    """
    for number in STOPPING:
        signal.signal(number, _listener)


@contextlib.contextmanager
def deferred():
    """Inside, a signal raises nothing: `requested` tells of it."""
    before, _listener.deferring = _listener.deferring, True
    try:
        yield
    finally:
        _listener.deferring = before


@contextlib.contextmanager
def immediate():
    """Inside, a signal raises `Stopped` at once, within `deferred` too; one that waits as well."""
    before, _listener.deferring = _listener.deferring, False
    try:
        if _listener.received is not None:
            raise Stopped(_listener.received)
        yield
    finally:
        _listener.deferring = before


def requested():
    """The signal that has arrived, or None."""
    return _listener.received


def _default_in_child():
    if signal.getsignal(signal.SIGTERM) is _listener:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


os.register_at_fork(after_in_child=_default_in_child)
