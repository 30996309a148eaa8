"""Signals that ask a program to stop: when they raise, what they break off, how it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training_programs import ENVIRONMENT

TERM, USR1 = signal.SIGTERM, signal.SIGUSR1
PROGRAM = """
import atexit, errno, multiprocessing, os, signal, time
from argparse import Namespace
from dynmm import program, stop_signals
from dynmm.errors import InputError
from dynmm.stop_signals import Stopped, deferred, immediate, requested

def ready():
    print("ready", flush=True)

def wait(condition=lambda: False):
    ready()
    while not condition():
        time.sleep(0.01)

def main(arguments):
{body}

program.run(main, Namespace(log=None))
"""


def start(body):
    """A program with this main function, once it has said `ready`."""
    lines = [f"    {line}" for line in body.strip().splitlines()]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body="\n".join(lines))],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def end(process, *numbers, pause=0.05):
    """Send it signals one after the other; its exit code, what it printed and what it said."""
    for number in numbers:
        process.send_signal(number)
        time.sleep(pause)
    printed, said = process.communicate()
    return process.returncode, printed, said


@pytest.mark.parametrize("number", [TERM, USR1])
def test_a_program_that_is_told_to_stop_says_so_and_how_to_go_on(number):
    code, _, said = end(start("wait()"), number)
    assert code == 128 + number
    assert said.strip() == (
        f"stopped by {number.name}: what is done is stored, the same command goes on there"
    )


def test_a_second_signal_breaks_no_ending_off():
    """Clusters send them twice; SIGTERM may follow SIGUSR1."""
    body = """
try:
    wait()
finally:
    time.sleep(0.3)
    print("tidied")
"""
    code, printed, _ = end(start(body), USR1, TERM, TERM)
    assert (code, printed) == (128 + USR1, "tidied\n")


def test_a_signal_that_was_lost_can_be_sent_again():
    body = """
stop_signals.ENDING_SECONDS = 0.2
try:
    wait()
except BaseException:  # as in a callback, whose errors nobody gets
    pass
wait()
"""
    code, *_ = end(start(body), TERM, TERM, pause=0.4)
    assert code == 128 + TERM


def test_what_catches_every_exception_does_not_catch_it():
    body = """
while True:
    try:
        wait()
    except Exception:
        pass
"""
    assert end(start(body), TERM)[0] == 128 + TERM


def test_an_error_that_a_library_makes_of_it_is_the_signal():
    body = """
try:
    wait()
except Stopped:
    raise ValueError("could not determine the shape")
"""
    code, _, said = end(start(body), TERM)
    assert code == 128 + TERM and said.startswith("stopped by SIGTERM")


@pytest.mark.parametrize("error", ["OSError(errno.ENOSPC, 'no')", "RuntimeError('unwritten')"])
def test_a_checkpoint_that_could_not_be_written_is_not_called_stored(error):
    body = f"""
with deferred():
    wait(requested)
    raise {error}
"""
    code, _, said = end(start(body), TERM)
    assert code == 1 and said.startswith("error: ") and "stored" not in said


def test_deferred_it_raises_at_the_end_of_the_outermost_block():
    body = """
with deferred():
    with deferred():
        wait(requested)
    print("inner")
print("outer")
"""
    assert end(start(body), TERM)[:2] == (128 + TERM, "inner\n")


def test_within_deferred_a_block_can_be_open_to_it():
    body = """
with deferred():
    try:
        with immediate():
            wait()
    finally:
        time.sleep(0.2)  # a second signal comes
        print("tidied")
"""
    assert end(start(body), TERM, TERM)[:2] == (128 + TERM, "tidied\n")


def test_one_that_comes_when_all_is_done_changes_nothing():
    body = """
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
ready()
"""
    assert end(start(body))[::2] == (0, "")


CHILD = """
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
child.start()
print(child.pid, flush=True)
"""


def child_of(process):
    return Path("/proc", process.stdout.readline().strip())


@pytest.mark.parametrize("ending", ["wait()", "raise InputError('bad')", "return"])
def test_what_it_forked_lives_as_long_as_it_needs_it_and_no_longer(ending):
    """As processes that load batches: a cluster's signal reaches them, too."""
    process = start(f"ready()\n{CHILD}\n{ending}")
    child = child_of(process)
    if ending == "wait()":
        assert process.stdout.readline() == "ready\n"
        for number in (TERM, USR1):
            os.kill(int(child.name), number)
        time.sleep(0.2)
        assert (child / "stat").read_text().rpartition(") ")[2][0] != "Z"  # ended, not waited for
    ended = time.monotonic()
    code, *_ = end(process, *([TERM] if ending == "wait()" else []))
    assert time.monotonic() - ended < 30
    assert code == {"wait()": 128 + TERM, "return": 0}.get(ending, 1)
    assert not child.exists()
