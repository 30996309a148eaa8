"""Prepared arrays appear whole; one process at a time prepares a folder."""

import shutil
import signal
import subprocess
import sys
import time

from dynmm.data.manifest import MANIFEST
from dynmm.locks import try_lock
from training_programs import ENVIRONMENT

PREPARE = """
import logging, os, signal, sys, time
import numpy as np
from dynmm.data import prepared_folder as folders
from dynmm.stop_signals import Stopped, listen

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
listen()
try:
    with folders.prepared_folder(sys.argv[1]) as folder:
        for name in ("a", "b"):
            np.save(folder / f"{name}.npy", [1])
        folders.write_manifest(folder, {"arrays": {}})
        print("prepared", *sorted(os.listdir(folder)), flush=True)
        BODY
except Stopped as error:
    sys.exit(128 + error.number)
"""
WHOLE = ["a.npy", "b.npy", MANIFEST]


def prepare(out, body="pass"):
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PREPARE.replace("BODY", body), out],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_second_process_waits_and_then_prepares_itself(tmp_path):
    """What the first has written so far is neither removed nor published by the second."""
    out, partial = tmp_path / "prepared", tmp_path / ".prepared.partial"
    first = try_lock(partial / "lock")
    (partial / "a.npy").write_text("half")
    second = prepare(out)
    assert second.stdout.readline() == f"another process prepares {out}: waiting for it\n"
    time.sleep(0.6)
    assert names(partial) == ["a.npy", "lock"] and not out.exists()
    shutil.rmtree(partial)
    first.close()
    second.communicate()
    assert second.returncode == 0
    assert names(out) == WHOLE and names(tmp_path) == ["prepared"]


def test_what_a_killed_process_left_is_not_published(tmp_path):
    killed = prepare(tmp_path / "prepared", "time.sleep(600)")
    assert killed.stdout.readline() == f"prepared a.npy b.npy lock {MANIFEST}\n"
    killed.kill()
    killed.communicate()
    (tmp_path / ".prepared.partial" / "c.npy").write_text("of other settings")
    assert names(tmp_path) == [".prepared.partial"]
    assert prepare(tmp_path / "prepared").wait() == 0
    assert names(tmp_path / "prepared") == WHOLE and names(tmp_path) == ["prepared"]


def test_a_process_that_is_told_to_stop_leaves_nothing(tmp_path):
    stopped = prepare(tmp_path / "prepared", "time.sleep(600)")
    stopped.stdout.readline()
    stopped.send_signal(signal.SIGTERM)
    stopped.communicate()
    assert stopped.returncode == 128 + signal.SIGTERM and names(tmp_path) == []


def test_a_signal_does_not_break_the_publication_off(tmp_path):
    body = """replace = os.replace
        def signalled(*paths):
            os.kill(os.getpid(), signal.SIGTERM)
            replace(*paths)
        os.replace = signalled"""
    process = prepare(tmp_path / "prepared", body)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert names(tmp_path / "prepared") == WHOLE and names(tmp_path) == ["prepared"]
