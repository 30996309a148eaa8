"""A real SLURM of one node in a private folder, for tests: slurm-wlm and munge, as root."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
GPUS = (
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
)  # counted and handed out as GPUs; nothing computes on them
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/task_prolog
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=32000 Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# what each task of a job finds in its environment, for the tests to read
TASK_PROLOG = """#!/bin/sh
printf '%s\\n' "${{CUDA_VISIBLE_DEVICES-unset}}" >> {folder}/visible.$SLURM_JOB_ID
"""
# Snakemake's job step takes SLURM_CONF out of the environment of its srun
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


def lacking():
    """Why no cluster can be made here; None where one can."""
    if os.getuid() != 0:
        return "a SLURM for tests is started by root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"apt-get install slurm-wlm munge: no {missing[0]}" if missing else None


class Cluster:
    """The daemons of the cluster; use it as a context.

    Args:
        folder: a folder of its own.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SLURM")},
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]]),
        }

    def __enter__(self):
        folder, host = self.folder, socket.gethostname().partition(".")[0]
        for name in ("state", "spool", "munge", "bin"):
            (folder / name).mkdir(parents=True)
        for path in (folder, folder / "munge"):
            path.chmod(0o755)
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        names = {"folder": folder, "host": host, "ports": _free_ports(2), "gpus": len(GPUS)}
        (folder / "slurm.conf").write_text(CONFIGURATION.format(**names))
        (folder / "gres.conf").write_text("".join(f"Name=gpu File={path}\n" for path in GPUS))
        unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        (folder / "cgroup.conf").write_text(
            "CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes\n"
            if unified
            else "CgroupPlugin=cgroup/v1\nCgroupAutomount=yes\n"
        )
        _script(folder / "task_prolog", TASK_PROLOG.format(folder=folder))
        _script(folder / "bin/srun", SRUN.format(folder=folder, srun=shutil.which("srun")))
        munge = folder / "munge"
        self._start("munged", "--force", *(f"--{name}={munge / file}" for name, file in (
            ("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"),
            ("seed-file", "seed"),
        )))  # fmt: skip
        self._start("slurmctld", "-c")
        self._start("slurmd", "-c")
        self.wait(lambda: self.run("sinfo", "-h", "-o", "%T").strip() == "idle", 60)
        return self

    def __exit__(self, *_):
        self.run("scancel", "--user=root", "--signal=KILL", "--full")
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            path = self.folder / name
            if path.exists():
                pid = int(path.read_text())
                os.kill(pid, signal.SIGTERM)
                self.wait(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 30)

    def run(self, *command):
        """Output of one of SLURM's commands."""
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{command}: {result.stderr}"
        return result.stdout

    def jobs(self):
        """What `scontrol` tells of each job so far, the oldest first: key -> value."""
        lines = self.run("scontrol", "-o", "show", "jobs").splitlines()
        jobs = [
            dict(word.partition("=")[::2] for word in line.split() if "=" in word)
            for line in lines
            if line.startswith("JobId=")
        ]
        return sorted(jobs, key=lambda job: int(job["JobId"]))

    def visible(self, job):
        """CUDA_VISIBLE_DEVICES of the last task of a job, "unset" where it had none."""
        return (self.folder / f"visible.{job['JobId']}").read_text().split()[-1]

    @staticmethod
    def wait(condition, seconds=300):
        """Wait until a condition holds, and give its value."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, "timed out"
            time.sleep(0.1)
        return value

    def _start(self, *command):
        subprocess.run(command, env=self.environment, check=True, capture_output=True)


def _script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def _free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
