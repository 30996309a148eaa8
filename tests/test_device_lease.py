"""Leases on GPUs: real processes, killed holders, and what others put in the way."""

import fcntl
import json
import os
import select
import subprocess
import sys

import pytest

from dynmm import device_lease
from dynmm.device_lease import lease, lock_folder
from dynmm.errors import InputError
from dynmm.gpu_presence import fake_gpus, gpu_in_sight, listed_gpus
from dynmm.locks import try_lock
from training_programs import ENVIRONMENT

HOLD = """
import json, sys, time
from dynmm.device_lease import lease
names = json.loads(sys.argv[1])
print(names[lease(names, poll_seconds=0.05)], flush=True)
time.sleep(600)
"""
PATIENCE, SHORT = 60, 0.5  # seconds: for an answer, and to be sure that there is none
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")


@pytest.fixture
def hold(tmp_path):
    """Start a process that leases one of some GPUs; `answer` reads which."""
    running = []

    def start(*names, code=HOLD):
        environment = ENVIRONMENT | {"TMPDIR": str(tmp_path)}
        environment.pop("XDG_RUNTIME_DIR", None)
        process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(names)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the lock folder of processes of `hold` is; nothing is there yet."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(device_lease.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(device_lease, "_held", {})
    return tmp_path / f"dynmm-gpu-{os.getuid()}"


def answer(process, seconds=PATIENCE):
    """The GPU that a process leased, or None where it still waits."""
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline().strip() if ready else None


def test_each_process_has_a_gpu_of_its_own_and_a_kill_frees_it(hold):
    gpus = ("GPU-a", "MIG-b", "MIG-GPU-c/1/0")  # as the driver and CUDA_VISIBLE_DEVICES spell them
    holders = [hold(*gpus) for _ in gpus]
    taken = {answer(holder): holder for holder in holders}
    assert set(taken) == set(gpus)
    waiting = hold(*gpus)
    assert answer(waiting, SHORT) is None
    taken["MIG-b"].kill()
    assert answer(waiting) == "MIG-b"


def test_one_gpu_is_one_lock_whatever_else_is_listed(hold):
    assert answer(hold("GPU-d")) == "GPU-d"
    assert answer(hold("GPU-a", "GPU-d")) == "GPU-a"
    assert answer(hold("GPU-d", "GPU-e")) == "GPU-e"
    assert answer(hold("GPU-d"), SHORT) is None


def test_a_process_that_asks_again_has_what_it_holds(folder):
    assert lease(["GPU-a", "GPU-b"]) == 0
    assert lease(["GPU-a", "GPU-b"]) == 0
    assert lease(["GPU-b", "GPU-a"]) == 0  # and one that is free comes first as it is listed


def test_what_a_killed_process_forked_does_not_keep_its_gpu(hold):
    fork = "import os\nif not os.fork():\n    print(os.getpid(), flush=True)\ntime.sleep"
    holder = hold("GPU-a", code=HOLD.replace("time.sleep", fork))
    assert answer(holder) == "GPU-a"
    child = int(holder.stdout.readline())
    holder.kill()
    try:
        os.kill(child, 0)  # it lives
        assert answer(hold("GPU-a")) == "GPU-a"
    finally:
        os.kill(child, 9)


def test_a_removed_lock_file_gives_no_second_holder(hold, folder):
    holder = hold("GPU-a")
    assert answer(holder) == "GPU-a"
    waiting = hold("GPU-a")
    assert answer(waiting, SHORT) is None
    (folder / "GPU-a.lock").unlink()
    second = hold("GPU-a")  # which makes the file anew
    assert answer(waiting, SHORT) is None and answer(second, SHORT) is None
    (folder / "GPU-a.lock").unlink()
    folder.rmdir()
    third = hold("GPU-a")
    assert answer(third, SHORT) is None
    holder.kill()
    ready, _, _ = select.select([p.stdout for p in (waiting, second, third)], [], [], PATIENCE)
    assert len(ready) == 1
    select.select([], [], [], SHORT)
    assert select.select([p.stdout for p in (waiting, second, third)], [], [], 0)[0] == ready


def test_the_folder_is_private_and_lies_in_the_user_s_runtime_folder(folder, tmp_path, monkeypatch):
    assert lock_folder() == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)  # as earlier versions made it
    assert lock_folder().stat().st_mode & 0o777 == 0o700
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert lock_folder().parent == runtime
    (tmp_path / "link").symlink_to(runtime)
    for elsewhere in ("link", "missing"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / elsewhere))
        assert lock_folder() == folder


def test_a_link_or_a_file_in_the_folder_s_place_is_refused(folder, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    folder.symlink_to(target)
    with pytest.raises(InputError, match=r"dynmm-gpu.*not this user's|not this user's.*dynmm-gpu"):
        lease(["GPU-a"])
    assert not list(target.iterdir())
    folder.unlink()
    folder.write_text("kept")
    with pytest.raises(InputError, match="not this user's"):
        lease(["GPU-a"])
    assert folder.read_text() == "kept"


@needs_root
def test_another_user_s_folder_is_refused(folder, tmp_path, monkeypatch):
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    with pytest.raises(InputError, match="not this user's"):
        lease(["GPU-a"])
    other = tmp_path / "runtime"
    other.mkdir()
    os.chown(other, 12345, 12345)
    os.chown(folder, 0, 0)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(other))
    assert lock_folder() == folder and not list(other.iterdir())


@pytest.mark.parametrize("plant", ["link", "dangling", "folder", "pipe"])
def test_a_lock_file_that_is_no_plain_file_is_refused_and_its_target_left(tmp_path, plant):
    target, lock = tmp_path / "target", tmp_path / "GPU-a.lock"
    target.write_text("precious")
    if plant == "folder":
        lock.mkdir()
    elif plant == "pipe":
        os.mkfifo(lock)
    else:
        lock.symlink_to(target if plant == "link" else tmp_path / "missing")
    with pytest.raises(InputError, match=r"not a lock file.*GPU-a\.lock"):
        lease(["GPU-a"], tmp_path)
    assert target.read_text() == "precious" and not (tmp_path / "missing").exists()


def test_a_lock_file_removed_while_it_is_taken_is_no_lock(tmp_path, monkeypatch):
    path, flock, removals = tmp_path / "lock", fcntl.flock, iter([True])

    def flock_late(file, how):
        if next(removals, False):
            path.unlink()  # as a process may, between opening and locking
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    with try_lock(path) as file:
        assert os.path.samestat(os.fstat(file.fileno()), path.stat())
        assert try_lock(path) is None


def test_locking_leaves_what_a_file_holds(tmp_path):
    (tmp_path / "lock").write_text("kept")
    with try_lock(tmp_path / "lock"):
        assert try_lock(tmp_path / "lock") is None
    assert (tmp_path / "lock").read_text() == "kept"
    try_lock(tmp_path / "lock").close()


@pytest.mark.parametrize(
    ("visible", "listed"),
    [
        (None, None),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,1", ["0", "1"]),
        ("1, 0", ["1", "0"]),
        ("0,-1,1", ["0"]),
        ("GPU-8932f937,MIG-41b35357", ["GPU-8932f937", "MIG-41b35357"]),
        ("cuda:0", ["cuda:0"]),  # names something: the job that cannot use it says so
    ],
)
def test_the_list_of_allowed_gpus_is_read_as_cuda_reads_it(tmp_path, visible, listed):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert listed_gpus(environment) == listed
    (tmp_path / "nvidia0").touch()
    assert gpu_in_sight(tmp_path, environment) is (listed != [])


def test_pretended_gpus_follow_the_list(tmp_path):
    two = {"DYNMM_FAKE_GPU": "2"}
    assert fake_gpus({}) == []
    assert fake_gpus(two) == ["GPU-fake-0", "GPU-fake-1"]
    assert fake_gpus(two | {"CUDA_VISIBLE_DEVICES": "1,MIG-x"}) == ["GPU-fake-1", "MIG-x"]
    assert gpu_in_sight(tmp_path, two) and not gpu_in_sight(tmp_path, {})
    assert not gpu_in_sight(tmp_path, two | {"CUDA_VISIBLE_DEVICES": "-1"})
