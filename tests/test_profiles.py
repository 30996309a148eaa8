"""The profiles are read by Snakemake, and the resources of the jobs follow from config."""

import re
import shlex
import textwrap

import pytest
import yaml

from dynmm.gpu_presence import gpu_in_sight
from workflow_tree import ROOT, SETTINGS, fresh_tree, snakemake

pytestmark = pytest.mark.slow
ASKED = SETTINGS["resources"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return fresh_tree(tmp_path_factory.mktemp("profiles") / "tree")


def resources(tree, *options):
    """Rule -> resources of one of its jobs in a dry run."""
    jobs, rule = {}, None
    for line in snakemake(tree, "--dry-run", *options).stdout.splitlines():
        if match := re.match(r"(?:local)?rule (\w+):$", line):
            rule = match[1]
        elif line.startswith("    resources: "):
            pairs = line.removeprefix("    resources: ").split(", ")
            jobs[rule] = dict(pair.split("=", 1) for pair in pairs)
    return jobs


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_jobs_ask_for_what_config_says(tree, profile):
    jobs = resources(tree, "--workflow-profile", profile)
    for rule, asked in ASKED.items():
        for name in ("mem_mb", "runtime", "gpu"):
            assert jobs[rule].get(name) == (str(asked[name]) if name in asked else None)
    assert all("runtime" in job for rule, job in jobs.items() if rule != "all")


def test_a_further_attempt_on_slurm_asks_for_more_time_and_memory(tree):
    second = resources(tree, "--workflow-profile", "slurm", "--attempt", "2")
    asked = ASKED["train_segmentation"]
    assert second["train_segmentation"]["runtime"] == str(2 * asked["runtime"])
    assert second["train_segmentation"]["mem_mb"] == str(round(1.5 * asked["mem_mb"]))
    assert second["tabulate_segmentation"]["runtime"] == "20"
    assert second["tabulate_segmentation"]["mem_mb"] == "1500"


def test_a_site_s_own_profile_says_where_jobs_go(tree, tmp_path):
    site = {"default-resources": {"slurm_partition": "gpus", "slurm_account": "lab"}}
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(site))
    jobs = resources(tree, "--workflow-profile", "slurm", "--profile", tmp_path)
    assert {job["slurm_partition"] for rule, job in jobs.items()} == {"gpus"}
    assert {job["slurm_account"] for rule, job in jobs.items()} == {"lab"}
    assert all("mem_mb" in job and "runtime" in job for rule, job in jobs.items() if rule != "all")


def test_the_commands_of_the_page_on_clusters_can_be_planned(tree, tmp_path, monkeypatch):
    page = (ROOT / "docs/cluster.md").read_text()
    [site] = re.findall(r"```yaml\n *# ~/\.config/(\S+)\n(.*?)```", page, re.DOTALL)
    profile = tmp_path / site[0]
    profile.parent.mkdir(parents=True)
    profile.write_text(textwrap.dedent(site[1]))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    commands = [shlex.split(line) for line in lines if line.strip().startswith("snakemake ")]
    assert len(commands) == 5
    for command in commands:
        said = snakemake(tree, *command[1:], "--dry-run").stdout
        assert "--unlock" in command or "slurm_partition=gpu, slurm_account=my-group" in said


def test_trainings_are_told_before_their_time_is_up(tree):
    jobs = resources(tree, "--workflow-profile", "slurm")
    told = {rule for rule, job in jobs.items() if job.get("slurm_extra") == "--signal=USR1@120"}
    assert told == {rule for rule in jobs if rule.startswith(("train_", "cross_fit_"))}


def test_profiles_name_no_partition_and_share_what_decides_on_reruns():
    default, slurm = (
        yaml.safe_load((ROOT / f"profiles/{name}/profile.yaml").read_text())
        for name in ("default", "slurm")
    )
    assert default["resources"] == {"gpu": 1}
    assert slurm["executor"] == "slurm" and slurm["retries"] >= 1
    for key in ("max-checksum-file-size", "rerun-incomplete"):
        assert default[key] == slurm[key]
    words = (ROOT / "profiles/slurm/profile.yaml").read_text().splitlines()
    settings = [line for line in words if not line.startswith("#")]
    assert not re.search("partition|account|constraint", "\n".join(settings))


@pytest.mark.parametrize(
    ("devices", "visible", "seen"),
    [
        ([], None, False),
        (["nvidiactl"], None, False),
        (["nvidia0"], None, True),
        (["kfd"], None, True),
        (["nvidia0"], "0", True),
        (["nvidia0"], "", False),
        (["nvidia0"], "-1", False),
    ],
)
def test_a_gpu_is_seen_by_its_device_file_unless_it_is_hidden(tmp_path, devices, visible, seen):
    for name in devices:
        (tmp_path / name).touch()
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert gpu_in_sight(tmp_path, environment) is seen
