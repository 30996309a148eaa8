"""The workflow on a real SLURM: resources, jobs that are ended in every way, an orphan's successor.

One story is told once and every test looks at a side of it. Slices of NYU Depth V2 and MM-IMDB run
through `--workflow-profile slurm`, with two trainings beside them that take their time: one is
cancelled and then gets SIGUSR1, the other runs out of time. Then the main process is killed, and
the command is given again while both still train. A third training is interrupted by Ctrl-C.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import mmimdb_files
from nyu_files import write_raw
from slurm_cluster import Cluster, lacking
from workflow_tree import ROOT, configured, copy_workflow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(lacking() is not None, reason=str(lacking())),
]
SLOW = '''
import time
from pathlib import Path

from dynmm.models.experts.mmimdb import TextExpert
from dynmm.models.experts.registry import register_expert


@register_expert("mmimdb", "slow")
class SlowExpert(TextExpert):
    """Takes as many seconds for a step as the file `hold` in the working directory says."""

    def forward(self, inputs):
        if self.training and Path("hold").exists():
            time.sleep(float(Path("hold").read_text()))
        return super().forward(inputs)
'''
SIZES = {"hidden": 8, "features": 6, "head_hidden": 6}
EPOCHS = 300
OVERLAY = {
    "seeds": [0, 1, 2],
    "execution": {"checkpoint_seconds": 0.2},
    "nyuv2": {
        "network": {"height": 64, "width": 64, "channels_decoder": [16, 16, 16]},
        "training": {"batch_size": 3, "select_on": "test"},
        "runs": {
            "esanet": {"training": {"epochs": 1}},
            **dict.fromkeys(("dynmm_b_79", "dynmm_b_45")),  # need frames held out, here are none
        },
    },
    "mmimdb": {
        "prepare": {"splits": mmimdb_files.SPLITS},
        "training": {"epochs": 2, "batch_size": 4},
        "experts": {
            "slow": {
                "model": "slow",
                "module": "slow.py",
                "options": SIZES,
                "training": {"epochs": EPOCHS, "patience": EPOCHS},
            }
        },
        "grid": {"lambda": [0, 0.04, 0.1]},
    },
}
# of a site without accounting; the first look at a job's state after a second
SITE = {
    "slurm-no-account": True,
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 1,
}
# docs/cluster.md has these words
GROUPS = (
    "--groups train_dynamic=gates --group-components gates=6"
    " --resources gpu=1 --set-resource-scopes gpu=local"
)
# one of the trainings is to be killed by its limit, and not warned before as the profile asks
NO_SIGNAL = (
    *("--set-resources", "train_expert:slurm_extra=''"),
    "train_dynamic:slurm_extra='--signal=USR1@120'",
)
POINTS = [f"lambda~{value}/tau~1/mode~straight_through/freeze~true" for value in (0, 0.04, 0.1)]
RESULTS = "results/sample"
SLICES = [
    f"{RESULTS}/nyuv2/metrics/esanet/seed0/metrics.json",
    *(f"{RESULTS}/mmimdb/dynamic/{point}/seed~0/training.json" for point in POINTS),
]
SLOW_TRAININGS = [f"{RESULTS}/mmimdb/experts/slow/seed{seed}/training.json" for seed in range(3)]
SLOWLY, INTERRUPTED = SLOW_TRAININGS[:2], SLOW_TRAININGS[2]


class Workflow:
    """A tree on a cluster.

    Args:
        folder: holds all of it.
        cluster: a running `Cluster`.
    """

    def __init__(self, folder, cluster):
        self.tree, self.cluster, self.output = folder / "tree", cluster, folder / "output"
        copy_workflow(self.tree)
        write_raw(self.tree / "resources/sample/nyuv2")
        movies = self.tree / "resources/sample/mmimdb/multimodal_imdb.hdf5"
        movies.parent.mkdir(parents=True)
        mmimdb_files.write(movies, mmimdb_files.arrays())
        (self.tree / "slow.py").write_text(SLOW)
        (self.tree / "overlay.yaml").write_text(yaml.safe_dump(OVERLAY))
        self.site = folder / "site"
        self.site.mkdir()
        (self.site / "profile.yaml").write_text(yaml.safe_dump(SITE))
        self.running = []

    def start(self, *arguments):
        """Snakemake as a user of the cluster starts it."""
        profiles = ("--workflow-profile", "slurm", "--profile", str(self.site))
        command = [sys.executable, "-m", "snakemake", *arguments, *profiles]
        environment = self.cluster.environment | {"DYNMM_FAKE_GPU": "1", "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        with open(self.output, "a") as output:
            self.running.append(
                subprocess.Popen(
                    [*command, "--configfile", "overlay.yaml", "--latency-wait", "10"],
                    cwd=self.tree,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return self.running[-1]

    def until(self, condition, process=None):
        """Wait for a condition while a process lives."""

        def met():
            assert process is None or process.poll() is None, self.output.read_text()[-5000:]
            return condition()

        return self.cluster.wait(met, 600)

    def jobs(self, rule, part=""):
        """SLURM's jobs of a rule (or group), the oldest first, whose wildcards hold `part`."""
        named = (job for job in self.cluster.jobs() if f"{rule}_" in job["Comment"] + "_")
        return [job for job in named if part in job["Comment"]]

    def slow(self, seed):
        """SLURM's jobs of a slow training."""
        return self.jobs("rule_train_expert", f"slow_{seed}")

    def log(self, seed, kind="log"):
        """The log of a slow training; "" where there is none yet."""
        path = self.tree / f"logs/sample/mmimdb/train_expert/slow.seed{seed}.{kind}"
        return path.read_text() if path.exists() else ""

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    with Cluster(folder / "cluster") as cluster:
        workflow = Workflow(folder, cluster)
        try:
            yield told(workflow)
        finally:
            workflow.stop()


def told(workflow):
    """Everything that happens, and what was seen on the way."""
    attempts, hold = "attempts", workflow.tree / "hold"
    hold.write_text("0.3")

    first = workflow.start(*SLICES, *SLOWLY, *GROUPS.split(), *NO_SIGNAL)
    workflow.until(lambda: "epoch 1/" in workflow.log(0, attempts), first)
    workflow.cluster.run("scancel", workflow.slow(0)[0]["JobId"])
    workflow.until(lambda: "epoch 1/" in workflow.log(1, attempts), first)
    shorter = ("JobId=" + workflow.slow(1)[0]["JobId"], "TimeLimit=1")
    workflow.cluster.run("scontrol", "update", *shorter)
    workflow.until(lambda: workflow.log(0, attempts).count("resuming") == 1, first)
    hold.write_text("3")  # a step that takes longer than processes take to end
    workflow.until(lambda: workflow.slow(0)[-1]["JobState"] == "RUNNING", first)
    workflow.cluster.run("scancel", "--signal=USR1", workflow.slow(0)[1]["JobId"])
    workflow.until(lambda: "stopped by SIGUSR1" in workflow.log(0, attempts), first)
    hold.write_text("0.3")
    workflow.until(lambda: workflow.log(0, attempts).count("resuming") == 2, first)
    workflow.until(lambda: workflow.log(1, attempts).count("resuming") == 1, first)
    workflow.until(lambda: all((workflow.tree / name).exists() for name in SLICES), first)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()

    orphans = [workflow.slow(seed)[-1] for seed in (0, 1)]
    before = [workflow.log(seed, attempts) for seed in (0, 1)]
    unlock = workflow.start("--unlock", *SLOWLY)
    assert unlock.wait() == 0
    second = workflow.start(*SLOWLY, *NO_SIGNAL)
    waiting = "another process trains this run"
    workflow.until(lambda: all(waiting in workflow.log(seed) for seed in (0, 1)), second)
    together = [workflow.slow(seed)[-2:] for seed in (0, 1)]
    hold.unlink()
    ended = second.wait(600)

    hold.write_text("0.3")
    third = workflow.start(INTERRUPTED, *NO_SIGNAL)
    workflow.until(lambda: "epoch 1/" in workflow.log(2), third)
    os.killpg(third.pid, signal.SIGINT)
    third.wait(120)
    return SimpleNamespace(
        workflow=workflow,
        orphans=orphans,
        before=before,
        together=together,
        ended=ended,
        waiting=waiting,
        config=configured(OVERLAY),
    )


def test_jobs_have_the_resources_of_the_configuration(story):
    seen = set()
    for job in story.workflow.cluster.jobs():
        named = (rule for rule in story.config["resources"] if f"rule_{rule}_" in job["Comment"])
        rule = next(named, None)
        if rule is None or "slow" in job["Comment"]:
            continue
        asked = story.config["resources"][rule]
        seen.add(rule)
        assert job["NumCPUs"] == str(asked["threads"])
        assert f"mem={asked['mem_mb']}M" in job["TRES"]
        assert job["TimeLimit"] == f"00:{asked['runtime']:02}:00"
    assert seen == {
        *("prepare_nyuv2", "train_segmentation", "evaluate_segmentation"),
        *("prepare_mmimdb", "train_expert", "store_expert_outputs"),
    }


def test_jobs_see_the_gpu_that_they_were_given_and_others_none(story):
    for job in story.workflow.cluster.jobs():
        visible = story.workflow.cluster.visible(job)
        if "TresPerJob" in job:
            assert job["TresPerJob"] == "gres:gpu:1" and visible.isdecimal()
        else:
            assert visible == "unset"
    [job] = story.workflow.jobs("rule_train_segmentation")
    log = story.workflow.tree / "logs/sample/nyuv2/train_segmentation/esanet.seed0.log"
    visible = story.workflow.cluster.visible(job)
    assert f"GPU-fake-{visible} is pretended" in log.read_text()


def test_the_slices_end_with_their_results(story):
    metrics = json.loads((story.workflow.tree / SLICES[0]).read_text())
    assert 0 <= metrics["metrics"]["miou"] <= 1
    for name in SLICES[1:]:
        assert json.loads((story.workflow.tree / name).read_text())["epochs"] >= 1


def test_grouped_gates_share_one_job_and_one_gpu(story):
    page = (ROOT / "docs/cluster.md").read_text().replace("\\\n", "")
    assert GROUPS in " ".join(page.split())
    [job] = story.workflow.jobs("gates")
    assert job["JobState"] == "COMPLETED" and job["TresPerJob"] == "gres:gpu:1"
    assert not story.workflow.jobs("rule_train_dynamic")


def test_a_cancelled_training_comes_back_with_more_and_resumes(story):
    first, second, *_ = story.workflow.slow(0)
    assert first["JobState"] == "CANCELLED"
    asked = story.config["resources"]["train_expert"]
    assert first["TimeLimit"] == f"00:{asked['runtime']}:00"
    assert second["TimeLimit"] == f"{2 * asked['runtime'] // 60:02}:00:00"
    assert f"mem={round(1.5 * asked['mem_mb'])}M" in second["TRES"]
    assert resumed(story, 0)[0] >= (1, 0)


def test_a_signal_before_the_limit_leaves_time_to_store_everything(story):
    second = story.workflow.slow(0)[1]
    assert second["JobState"] == "FAILED"
    log = story.workflow.log(0, "attempts")
    assert "stopped by SIGUSR1" in log
    assert resumed(story, 0)[1] > resumed(story, 0)[0]
    said = Path(second["StdOut"]).read_text()
    assert f"exit status {128 + signal.SIGUSR1}" in said  # Snakemake outlived the program


def test_a_training_that_ran_out_of_time_comes_back_with_more_and_resumes(story):
    first, second, *_ = story.workflow.slow(1)
    assert first["JobState"] == "TIMEOUT" and second["TimeLimit"] == "01:00:00"
    assert resumed(story, 1)[0] >= (1, 0)


def test_ctrl_c_cancels_the_jobs_and_leaves_what_was_trained(story):
    workflow = story.workflow
    workflow.until(lambda: workflow.slow(2)[-1]["JobState"] == "CANCELLED")
    workflow.until(lambda: "stopped by SIGTERM" in workflow.log(2, "attempts"))
    assert list((workflow.tree / RESULTS / "mmimdb/resume/slow/seed2").glob("*/state-*.json"))


def resumed(story, seed):
    """(epochs, steps) after which a slow training went on, attempt by attempt."""
    lines = story.workflow.log(seed, "attempts").splitlines()
    found = [re.search(r"after epoch (\d+)(?: and (\d+) steps)?", line) for line in lines]
    return [(int(each[1]), int(each[2] or 0)) for each in found if each]


def test_the_successor_of_an_orphan_waits_for_it_and_takes_its_result(story):
    assert story.ended == 0
    for seed, (orphan, successor) in enumerate(story.together):
        assert orphan["JobId"] == story.orphans[seed]["JobId"]
        assert orphan["JobState"] == successor["JobState"] == "RUNNING"
        log = story.workflow.log(seed)
        assert log.count(story.waiting) == 1 and "epoch" not in log
        assert [job["JobState"] for job in story.workflow.slow(seed)[-2:]] == ["COMPLETED"] * 2
        record = json.loads((story.workflow.tree / SLOWLY[seed]).read_text())
        assert record["epochs"] == EPOCHS


def test_no_line_of_any_attempt_is_lost(story):
    for seed in (0, 1):
        log = story.workflow.log(seed, "attempts")
        assert log.startswith(story.before[seed]) and "\0" not in log
        assert f"epoch 1/{EPOCHS}" in log and f"epoch {EPOCHS}/{EPOCHS}" in log
        dated = [line for line in log.splitlines() if line[:4].isdigit()]  # a traceback's are not
        processes = {line.split()[2] for line in dated}
        assert len(processes) == len(story.workflow.slow(seed))
