"""Files that appear whole or not at all, and what killed writes leave."""

import os
import signal
import subprocess
import sys
import time

import h5py
import pytest

from dynmm.files import atomic_path, link_or_copy, write_text
from training_programs import ENVIRONMENT

WRITER = """
import sys, time
from dynmm.files import atomic_path
with atomic_path(sys.argv[1]) as path:
    path.write_text("half")
    print(path, flush=True)
    {then}
    sys.stdin.readline()
"""


def writer(path, then="pass"):
    """A process in the middle of writing a file, and its temporary path."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(then=then), path],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, process.stdout.readline().strip()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["metrics.json", "a[1]*.b.csv", "bare"])
def test_what_a_killed_write_left_is_removed_by_the_next(tmp_path, name):
    path = tmp_path / name
    for other in (f".{name}.notes", ".other.a1b2c3d4.json"):
        (tmp_path / other).write_text("mine")
    killed, left = writer(path)
    killed.kill()
    killed.communicate()
    assert os.path.exists(left) and not path.exists()
    write_text(path, "whole")
    assert not os.path.exists(left) and path.read_text() == "whole"
    assert len(names(tmp_path)) == 3


def test_two_at_once_leave_each_other_alone(tmp_path):
    path = tmp_path / "record.json"
    first, temporary = writer(path)
    write_text(path, "second")
    assert path.read_text() == "second" and os.path.exists(temporary)
    first.communicate("go on\n")
    assert first.returncode == 0 and path.read_text() == "half"
    assert names(tmp_path) == ["record.json"]


def test_what_a_killed_writer_forked_does_not_keep_its_remains(tmp_path):
    fork = "import os; child = os.fork(); child or time.sleep(600); print(child, flush=True)"
    path = tmp_path / "record.json"
    killed, left = writer(path, fork.replace("; ", "\n    "))
    child = int(killed.stdout.readline())
    try:
        time.sleep(0.1)  # the child closes what it does not keep
        killed.kill()
        killed.wait()
        write_text(path, "whole")
        assert not os.path.exists(left)
    finally:
        os.kill(child, signal.SIGKILL)
        killed.communicate()


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    write_text(tmp_path / "a.json", "before")
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a.json") as path:
        path.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a.json").read_text() == "before" and names(tmp_path) == ["a.json"]


def test_hdf5_files_are_written_so_too(tmp_path):
    with atomic_path(tmp_path / "a.hdf5") as path:
        with h5py.File(path, "w", locking=False) as file:
            file["values"] = [1, 2]
        with h5py.File(path) as file:  # and looked at before they are published
            assert file["values"][1] == 2
    assert names(tmp_path) == ["a.hdf5"]


def test_a_second_name_takes_the_place_of_another_file(tmp_path):
    write_text(tmp_path / "a", "new")
    write_text(tmp_path / "b", "old")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").samefile(tmp_path / "a") and names(tmp_path) == ["a", "b"]
