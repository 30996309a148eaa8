"""Which device a job computes on, in processes of their own, and the record of its numerics."""

import json
import multiprocessing
import os
from types import SimpleNamespace

import pytest
import torch

from dynmm import device as device_module
from dynmm.device import acquire_device, numerics
from dynmm.errors import InputError
from dynmm.gpu_presence import gpu_in_sight

PROCESSES = multiprocessing.get_context("fork")
PATIENCE, SHORT = 60, 0.5  # seconds: for an answer, and to be sure that there is none
NAMES = ("CUDA_VISIBLE_DEVICES", "DYNMM_FAKE_GPU", "CUBLAS_WORKSPACE_CONFIG", "XDG_RUNTIME_DIR")
no_gpu = pytest.mark.skipif(gpu_in_sight(), reason="this machine has a GPU")
a_gpu = pytest.mark.skipif(not gpu_in_sight(), reason="no GPU on this machine")


class Job:
    """A process that runs a function under some environment and then lives on."""

    def __init__(self, function, environment):
        self.end, other = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=self._run, args=(other, function, environment))
        self.process.start()

    @staticmethod
    def _run(pipe, function, environment):
        for name in (*NAMES, *(name for name in os.environ if name.startswith("SLURM_"))):
            os.environ.pop(name, None)
        os.environ.update(environment)
        try:
            pipe.send(function())
        except InputError as error:
            pipe.send(error)
        pipe.recv()

    def answer(self, seconds=PATIENCE):
        return self.end.recv() if self.end.poll(seconds) else None

    def kill(self):
        self.process.kill()
        self.process.join()


@pytest.fixture
def job(tmp_path):
    """Start a job that acquires a device, or does as `function` says."""
    running = []

    def start(function=None, **environment):
        running.append(Job(function or (lambda: leased(tmp_path)), environment))
        return running[-1]

    yield start
    for each in running:
        each.kill()


def leased(folder, **more):
    """Acquire a device: its type, and which lock this process holds."""
    device = acquire_device(lock_directory=folder, poll_seconds=0.05, **more)
    held = device_module.lease.__globals__["_held"]
    return device.type, *held


def test_jobs_share_the_gpus_that_the_user_lists(job):
    two = {"DYNMM_FAKE_GPU": "4", "CUDA_VISIBLE_DEVICES": "1,3"}
    first = job(**two)
    assert first.answer() == ("cpu", "GPU-fake-1")
    assert job(**two).answer() == ("cpu", "GPU-fake-3")
    third = job(**two)
    assert third.answer(SHORT) is None
    assert job(DYNMM_FAKE_GPU="4").answer() == ("cpu", "GPU-fake-0")
    first.kill()
    assert third.answer() == ("cpu", "GPU-fake-1")


def test_one_listed_gpu_is_leased_but_not_under_slurm(job):
    one = {"DYNMM_FAKE_GPU": "1", "CUDA_VISIBLE_DEVICES": "0"}
    assert job(**one).answer() == ("cpu", "GPU-fake-0")
    assert job(**one).answer(SHORT) is None
    assert job(**one, SLURM_JOB_ID="7").answer() == ("cpu",)


def test_parts_of_a_gpu_are_leased_and_cuda_is_shown_one_alone(job, tmp_path):
    def visible():
        device = leased(tmp_path)
        return *device, os.environ["CUDA_VISIBLE_DEVICES"]

    parts = {"DYNMM_FAKE_GPU": "1", "CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b"}
    assert job(visible, **parts).answer() == ("cpu", "MIG-a", "MIG-a")
    assert job(visible, **parts).answer() == ("cpu", "MIG-b", "MIG-b")
    assert job(**parts).answer(SHORT) is None


@pytest.mark.parametrize("hidden", ["", "-1", "NoDevFiles"])
def test_hidden_gpus_mean_the_cpu_and_no_lease(job, hidden):
    assert job(DYNMM_FAKE_GPU="1", CUDA_VISIBLE_DEVICES=hidden).answer() == ("cpu",)
    assert job(CUDA_VISIBLE_DEVICES=hidden, SLURM_JOB_ID="7").answer() == ("cpu",)


@pytest.mark.parametrize(
    "assigned",
    [
        {"CUDA_VISIBLE_DEVICES": "99"},
        {"CUDA_VISIBLE_DEVICES": "cuda:0"},
        {"CUDA_VISIBLE_DEVICES": "GPU-00000000-0000-0000-0000-000000000000", "SLURM_JOB_ID": "7"},
        pytest.param({"SLURM_JOB_GPUS": "0", "SLURM_JOB_ID": "7"}, marks=no_gpu),
    ],
)
def test_an_assigned_gpu_that_cannot_be_used_stops_the_job(job, assigned):
    message = str(job(**assigned).answer())
    assert message.startswith("the GPU of this job cannot be used; key: CUDA_VISIBLE_DEVICES=")
    assert assigned.get("CUDA_VISIBLE_DEVICES", "(unset)") in message
    assert "found: " in message and message.endswith("=-1 to compute on the CPU.")


@no_gpu
def test_without_a_gpu_jobs_compute_on_the_cpu(job):
    assert job().answer() == ("cpu",)


def test_a_gpu_is_named_by_its_uuid_whatever_its_number(monkeypatch):
    """Stands for CUDA, which numbers the GPUs that it is shown from zero."""
    machine = [SimpleNamespace(uuid=f"uuid-{index}") for index in range(4)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(shown))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: shown[index])
    shown = machine
    assert device_module._names(torch, None)[3] == "GPU-uuid-3"
    shown = machine[3:]
    assert device_module._names(torch, ["3"]) == ["GPU-uuid-3"]
    assert device_module._names(torch, ["MIG-x"]) == ["MIG-x"]


def _flags():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.mark.parametrize(
    ("given", "workspace"),
    [({}, ":4096:8"), ({"CUBLAS_WORKSPACE_CONFIG": ":16:8"}, ":16:8"),
     ({"CUBLAS_WORKSPACE_CONFIG": ":0:0"}, ":4096:8")],
)  # fmt: skip
def test_deterministic_sets_every_switch_of_torch(job, tmp_path, given, workspace):
    def flags():
        torch.backends.cudnn.benchmark = True
        leased(tmp_path, deterministic=True)
        return _flags(), numerics(torch.device("cpu"))["deterministic"]

    assert job(flags, CUDA_VISIBLE_DEVICES="", **given).answer() == (
        (True, True, False, workspace),
        True,
    )


def test_without_it_they_stay_as_they_are(job, tmp_path):
    flags = job(lambda: leased(tmp_path) and _flags(), CUDA_VISIBLE_DEVICES="").answer()
    assert flags == (False, False, False, None)


def test_numerics_of_the_cpu_name_the_processor():
    record = numerics(torch.device("cpu"))
    assert json.loads(json.dumps(record)) == record
    assert set(record) == {"device", "instructions", "threads", "deterministic"}
    assert record["threads"] == torch.get_num_threads()
    assert record["deterministic"] is False
    with open("/proc/cpuinfo") as lines:
        assert any(record["device"] in line for line in lines)


@a_gpu
def test_a_gpu_is_leased_recorded_and_deterministic_where_asked(job, tmp_path):
    def train():
        device = acquire_device(deterministic=True, lock_directory=tmp_path)
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(3, 8, 3, device=device)
        images = torch.randn(16, 3, 64, 64, device=device)
        layer(images).relu().mean().backward()
        return numerics(device), layer.weight.grad.cpu().tolist()

    first = job(train)
    record, gradient = first.answer()
    assert set(record) >= {"cuda", "cudnn", "tf32"} and record["deterministic"] is True
    assert json.loads(json.dumps(record)) == record
    first.kill()
    assert job(train).answer() == (record, gradient)
