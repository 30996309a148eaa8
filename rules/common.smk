# What the rules share: the checked configuration, code and config slices as params, resources.
# Needs: config (merged by Snakemake), config/presets/, workflow/schemas/config.schema.yaml, src/dynmm.
# Makes: no files. Runs again at the start of every cluster job: no torch, no network, no writing.

import fcntl
import functools
import json
import os
import re
import signal
import sys
from pathlib import Path

BASE = Path(workflow.basedir)
SOURCE_ROOT = BASE / "src"
sys.path.insert(0, str(SOURCE_ROOT))

from dynmm import execution
from dynmm.code_closure import code_hash, joint_closure
from dynmm.configuration import robustness, routing, segmentation
from dynmm.configuration.presets import with_preset
from dynmm.configuration.runs import run_seeds, shown_runs, trained_runs, weights_owner
from dynmm.configuration.selection import SELECTING, selection
from dynmm.configuration.strict_yaml import read_yaml
from dynmm.configuration.validation import validate
from dynmm.errors import InputError, did_you_mean
from dynmm.gpu_presence import gpu_in_sight
from dynmm.kept_checksums import LARGE, kept_sha256, prepared_from

# jobs find programs and package from any folder and in any environment, and this very Python where
# none is activated
os.environ.update(
    DYNMM_SCRIPTS=os.path.relpath(BASE / "workflow" / "scripts"),
    PYTHONPATH=str(SOURCE_ROOT),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
)


# a cluster sends this to every process of a job before it kills: programs store what they have and
# end, and the Snakemake above them must live until then
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
# bash before 5.1 stays between Snakemake and a program: it waits for it where a signal comes to both
# (programs do not inherit the trap)
shell.prefix("trap : TERM USR1; set -euo pipefail; ")

EARLY = 10  # priority of what may refuse data or settings: it comes before any training


def stop(message):
    """End with one message on the terminal, in place of Snakemake's report of an exception."""
    raise SystemExit(f"error: {message}")


def or_stop(input_function):
    """Decorator of input functions that look at files: what they raise ends the process.

    Snakemake would take the outputs that are there for finished, and say that nothing is to be done.
    """

    @functools.wraps(input_function)
    def stopping(wildcards):
        try:
            return input_function(wildcards)
        except Exception as error:
            stop(f"{input_function.__name__}: {type(error).__name__}: {error}")

    return stopping


def complete_config():
    """Lay config over the preset it names, in place; stop with one message where it is bad.

    A cluster job runs the Snakefile again with the same files and values given, and comes to the
    same configuration.
    """
    schema = BASE / "workflow" / "schemas" / "config.schema.yaml"
    try:
        for file in workflow.configfiles:
            read_yaml(file, "a configuration")  # Snakemake takes the last of two equal keys
        whole = with_preset(config, BASE / "config" / "presets")
        validate(whole, read_yaml(schema, "the schema of the configuration"))
    except InputError as error:
        stop(error)
    config.clear()
    config.update(whole)


def code_of(program):
    """Param: a hash of what workflow/scripts/`program`.py and the modules that it imports do."""
    return lambda wildcards: _hash_of(program)


@functools.cache
def _hash_of(program, *modules):
    files = [BASE / "workflow" / "scripts" / f"{program}.py", *modules]
    return code_hash(joint_closure(files, SOURCE_ROOT))


def as_json(config_slice):
    """A config slice as the one param through which a job sees it.

    Snakemake takes `{word` in a param for a wildcard: in a text such a brace is written as an escape.
    """
    return re.sub(r"\{(?=\s*\w)", r"\\u007b", json.dumps(config_slice, sort_keys=True))


def one_of(names):
    """Wildcard constraint: exactly one of these names (none at all matches nothing)."""
    return "|".join(map(re.escape, names)) or "(?!)"


def threads_of(rule_name):
    """Threads of a job, from config."""
    return config["resources"][rule_name]["threads"]


def growing(mem_mb, runtime):
    """Resources of a job: MB and minutes; a further attempt asks for half and for once as much more."""
    return {
        "mem_mb": lambda wildcards, attempt: round(mem_mb * 1.5 ** (attempt - 1)),
        "runtime": lambda wildcards, attempt: runtime * attempt,
    }


def resources_of(rule_name):
    """Resources of a job, from config: as `growing`, and GPUs where the rule may use one.

    No GPU is asked for where jobs run on this machine and it has none. A cap such as
    `--resources gpu=1` counts jobs whatever the machine has: CPU trainings would wait for each
    other. On a cluster this machine is not where jobs run.
    """
    asked = config["resources"][rule_name]
    gpus = {}
    if "gpu" in asked:
        gpus["gpu"] = lambda wildcards: (
            0 if _computes_here() and not gpu_in_sight() else asked["gpu"]
        )
    return growing(asked["mem_mb"], asked["runtime"]) | gpus


def _computes_here():
    return workflow.local_exec and not workflow.dryrun


@functools.cache
def datasets():
    """Addresses and checksums of the raw files: task -> entry of config/datasets.yaml."""
    return read_yaml(BASE / "config" / "datasets.yaml", "the list of data sets")


def raw_source(task, name):
    """What config/datasets.yaml says of a task's data set and of one of its files."""
    entry = datasets()[task]
    return entry | {"files": {name: entry["files"][name]}}


def own(path):
    """A file of the workflow itself, by its way from the working folder.

    So its name stays the same where both folders are moved.
    """
    return os.path.relpath(BASE / path)


def raw_dir(task):
    """The folder of a task's raw files: in the working folder, or one that the workflow brings."""
    folder = Path(config["data"][task]["raw_dir"])
    brought = not os.path.exists(folder) and os.path.exists(BASE / folder)
    return Path(own(folder)) if brought else folder


def raw_path(task, name):
    """Where a raw file of a task lies."""
    return str(raw_dir(task) / name)


def missing_raw_files():
    """(task, file) of every raw file that is not there and may be fetched."""
    return [
        (task, name)
        for task, settings in config["data"].items()
        if settings["download"]
        for name in datasets()[task]["files"]
        if not os.path.exists(raw_path(task, name))
    ]


def raw_file(task, name):
    """Input function: a raw file; where nothing will fetch it, the message says what to do."""

    @or_stop
    def path_of(wildcards):
        path = raw_path(task, name)
        if not os.path.exists(path) and not config["data"][task]["download"]:
            stop(
                f"a raw file is missing: {path}. Put it there, point data.{task}.raw_dir at the "
                f"folder that holds it, or set data.{task}.download to true."
            )
        return ancient(path) if _newer_alone(task, path) else path

    return path_of


def _newer_alone(task, path):
    """Whether a large raw file has a newer time stamp and the bytes that were prepared."""
    manifest = Path("results", config["preset"], task, "prepared", "manifest.json")
    if not (os.path.exists(manifest) and os.path.exists(path)):
        return False
    found = Path(path).stat()
    newer = found.st_size > LARGE and found.st_mtime > manifest.stat().st_mtime
    return newer and prepared_from(manifest, path)


def reports_of(name, **values):
    """Tables or figures of the preset, and the same where everyone looks: directly in reports/."""
    names = expand(name, **values)
    return [f"reports/{folder}{n}" for folder in (f"{config['preset']}/", "") for n in names]


def imagenet_weights(wildcards):
    """Input function: ImageNet weights that the encoders of a run start from; nothing for most."""
    name = segmentation.imagenet_file(config, wildcards.run)
    if name is None:
        return []
    if name in datasets()["imagenet"]["files"]:
        # its name says what it holds, and the training compares: a time stamp says nothing
        return ancient(raw_file("imagenet", name)(wildcards))
    if not Path(raw_path("imagenet", name)).exists():
        stop(
            f"ImageNet weights are missing: {raw_path('imagenet', name)}. Fetch that file from "
            f"{segmentation.ESANET_PAGE}, or set nyuv2.network.pretrained to none."
        )
    return raw_path("imagenet", name)


def paper_label(wildcards):
    """Report label of a table or figure: its number in the paper, or its name where it has none."""
    name = wildcards.get("table", None) or wildcards.figure
    number = re.fullmatch(r"(table|figure)(\d\w*)", name)
    return {"paper": f"{number[1].title()} {number[2]}" if number else name.replace("_", " ")}


@or_stop
def segmentation_weights(wildcards):
    """What stands for a run's weights: training.json beside them, or the released file itself."""
    return weights_of_run(wildcards.run, wildcards.seed)


def weights_of_run(run, seed):
    """As `segmentation_weights`, of the preset in config."""
    run = weights_owner(config["nyuv2"]["runs"], run)
    if "weights" in config["nyuv2"]["runs"][run]:
        return _released_weights(run)
    folder = Path("results") / config["preset"] / "nyuv2" / "models" / run / f"seed{seed}"
    return str(folder / "training.json")


@or_stop
def init_weights(wildcards):
    """What stands for the weights that a run starts from, of the same seed; nothing for most."""
    runs = config["nyuv2"]["runs"]
    start = runs[wildcards.run].get("init_from")
    if start is None:
        return []
    if "weights" in runs[start]:
        return _released_weights(start)
    return f"results/{{preset}}/nyuv2/models/{start}/seed{{seed}}/training.json"


def _released_weights(run):
    path = config["nyuv2"]["runs"][run]["weights"]
    if not os.path.exists(path):
        stop(
            f"released weights are missing: {path}. Put them there, or name another file in "
            f"nyuv2.runs.{run}.weights (docs/workflow.md says where the authors' lie)."
        )
    return ancient(path)  # `released_digest` tells whether it is another


def released_digest(run):
    """Param: the SHA-256 of a run's released weights; None for those trained here."""
    runs = config["nyuv2"]["runs"]
    owner = weights_owner(runs, run) if run is not None else None
    given = owner is not None and "weights" in runs[owner]
    return kept_sha256(_released_weights(owner)) if given else None


def segmentation_madds(wildcards):
    """The counted multiply-adds of a run's network: of its kind, or its own."""
    counted = segmentation.counted_as(config["nyuv2"]["runs"], wildcards.run)
    return f"results/{{preset}}/nyuv2/madds/{counted}.json"


def segmentation_results(pattern, runs=None):
    """A file below results/<preset>/nyuv2/ for every run that is shown (or those in `runs`)."""
    folder = Path("results") / config["preset"] / "nyuv2"
    return [
        str(folder / pattern.format(run=run, seed=seed))
        for run, seed in run_seeds(config, "nyuv2")
        if runs is None or run in runs
    ]


def selection_file(task):
    """What says that the data hold the frames or the review that config names, if it names any."""
    named = selection(config, task)
    return f"results/{config['preset']}/{task}/selection.json" if named else []


def noise_sweeps():
    """The noise sweeps of NYU Depth V2: every model and seed."""
    return segmentation_results("noise/{run}/seed{seed}.csv", config["nyuv2"]["noise"]["models"])


def start_of_run():
    """In the process that the user started: keep others out, look at raw files, say what trains where."""
    if workflow.remote_exec or workflow.subprocess_exec:
        return
    _hold_folder()
    if not workflow.touch:
        _look_at_raw_files()
    trains = any(job.rule.name.startswith("train_") for job in workflow.dag.needrun_jobs())
    if trains and _computes_here() and not workflow.touch and not gpu_in_sight():
        print("No GPU on this machine: training on the CPU.", file=sys.stderr)


def keep_unfinished():
    """After an error: see to it that the next run plans what this one planned and did not finish.

    Snakemake records a failed job like a finished one and removes its outputs. Where later results
    are there from before it does not miss them, and calls these up to date. Marked as incomplete,
    they are made again.
    """
    if workflow.remote_exec or workflow.subprocess_exec or workflow.dryrun:
        return
    for job in workflow.dag.needrun_jobs():
        workflow.persistence.started(job)


def _look_at_raw_files():
    """Refuse raw files that are about to be prepared and cannot be, before any other job starts."""
    planned = {job.rule.name for job in workflow.dag.needrun_jobs()}
    for task, settings in config["data"].items():
        files = datasets()[task]["files"]
        there = all(os.path.exists(raw_path(task, name)) for name in files)
        if f"prepare_{task}" not in planned or not there:
            continue  # a file that is fetched first is looked at by its own job
        published = {
            name: entry["bytes"] if settings["paper_data"] else None
            for name, entry in files.items()
        }
        try:
            from dynmm.raw_check import check_raw_files

            check_raw_files(task, raw_dir(task), published, config[task].get("prepare"))
        except InputError as error:
            stop(error)
        except ModuleNotFoundError as error:
            print(f"prepare_{task} will look at its raw files: {error}.", file=sys.stderr)


def _hold_folder():
    """Lock the folder for the life of this process; the kernel unlocks it after any kind of end.

    Snakemake's own lock outlives SIGKILL, so profiles/default turns it off (nolock).
    """
    global _folder_lock
    _folder_lock = open(Path(".snakemake") / "dynmm.lock", "w")
    try:
        fcntl.flock(_folder_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stop("another snakemake is running in this folder: wait for it, or stop it")


complete_config()
# in the environment and not in params: no result follows from how a job is executed
os.environ[execution.VARIABLE] = as_json(config["execution"])
