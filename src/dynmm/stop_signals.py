"""SIGTERM, SIGUSR1, SIGINT: a process that is told to stop stores what it has, and ends.

A cluster sends two of them some time before it kills: SIGTERM when a job is cancelled or out of
time, SIGUSR1 earlier where the job asks for it. It may send them twice, by two ways. SIGINT is a
user's Ctrl-C.
"""

import contextlib
import ctypes
import os
import signal
import time

STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
_PR_SET_PDEATHSIG = 1
ENDING_SECONDS = 10  # a process that was told to stop has ended by then


class Stopped(BaseException):
    """The process was told to stop; what goes on after an Exception does not go on after this.

    Args:
        number: of the signal.
    """

    def __init__(self, number):
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}")


class _Listener:
    def __init__(self):
        self.received, self.since = None, 0.0
        self.deferring, self.raised = False, False
        self.process = self.prctl = None

    def __call__(self, number, frame):
        if self.received is None:
            self.received, self.since = number, time.monotonic()
        elif time.monotonic() - self.since < ENDING_SECONDS:
            return  # it is ending, and must not be broken off
        if not self.deferring:
            self.raised = True
            raise Stopped(self.received)


_listener = _Listener()


def listen():
    """From now on raise `Stopped` where one of the signals arrives, unless they are `deferred`.

    A second one raises nothing for ten seconds. To processes forked later, such as those that load
    batches, the signals do nothing: a cluster sends them to every process of a job, and this one
    needs the others until it has stored what it has. It ends them (`program.run`); the kernel does
    where it was killed.
    """
    _listener.process, _listener.prctl = os.getpid(), _prctl()
    for number in STOPPING:
        signal.signal(number, _listener)


def _prctl():
    """Linux's function of this name; elsewhere None."""
    try:
        return ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None


def ignore():
    """From now on do nothing where one of the signals arrives: the process is at its end."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def deferred():
    """Inside, a signal raises nothing: `requested` tells of it. It raises `Stopped` at the end."""
    before, _listener.deferring = _listener.deferring, True
    try:
        yield
    finally:
        _listener.deferring = before
    if _listener.received is not None and not before:
        raise Stopped(_listener.received)


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


def broke_off(error):
    """The signal that an error comes from, or None.

    Libraries in other languages make an error of their own of what a signal raises within them.
    """
    return _listener.received if isinstance(error, Stopped) or _listener.raised else None


def _live_for_the_parent():
    """In a process that was forked: heed no signal, and end where the parent is killed."""
    if signal.getsignal(signal.SIGTERM) is not _listener:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    if _listener.prctl is not None:
        _listener.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != _listener.process:  # it was killed before that
        os._exit(1)
    _listener.process = os.getpid()


os.register_at_fork(after_in_child=_live_for_the_parent)
