# What the rules of MM-IMDB and CMU-MOSEI share: their code, their files, the points of their grids.
# Needs: common.smk.
# Makes: no files.

from dynmm.configuration import modality, modality_reports
from dynmm.configuration.grid import FOLDERS, all_points, point_path, points_by_folder
from dynmm.vocabulary import CROSS_FITTED, MODALITY_TASKS, TASKS

MOSEI_RAW, MOSEI_SENTENCES = "mosei_senti_data.pkl", "snippets.tsv"
# a point's folder (`grid.point_path`) and its name in logs
POINT_FOLDER = "results/{preset}/{task}/dynamic/{point}/seed~{seed}"
POINT_NAME = "{point}/seed~{seed}"
COMPACT_FILES = ("snippets.tsv", "vectors.npz", "sample.yaml")


def task_code_of(program, *more, modules=None):
    """Param: as `code_of`, and what the task of the wildcards adds by its modules.

    These are `task.py`, those named in `more`, such as "evaluation", and files of the user that
    register experts and gates, where `modules` is a function of the wildcards that gives them.
    """

    @functools.cache
    def code_for(task, added):
        folder = SOURCE_ROOT / "dynmm" / "tasks" / task
        return _hash_of(program, *(folder / f"{name}.py" for name in ("task", *more)), *added)

    return lambda wildcards: code_for(wildcards.task, tuple(modules(wildcards)) if modules else ())


def modules_of(wildcards):
    """Python files outside the package that register the expert of the wildcards, or all of them."""
    section = config[wildcards.task]
    if "expert" in wildcards.keys():
        return modality.added_modules([section["experts"][wildcards.expert]])
    return modality.added_modules([*section["experts"].values(), section["dynamic"]["gate"]])


def dynamic_modules_of(wildcards):
    """Python files outside the package that register the gate or an expert under it."""
    section = config[wildcards.task]
    experts = [section["experts"][name] for name in section["dynamic"]["experts"]]
    if "point" in wildcards.keys():
        point = point_of(wildcards)
    else:
        point = robustness.noise_point(config, wildcards.task, wildcards.model)
    return modality.added_modules(
        [*experts, *([modality.gate_settings(section, point)] if point else [])]
    )


def expert_files(name):
    """Input function: a file of each expert under the gate, in order, of the same seed."""
    folder = "results/{preset}/{task}/experts"
    return lambda wildcards: [
        f"{folder}/{expert}/seed{{seed}}/{name}"
        for expert in config[wildcards.task]["dynamic"]["experts"]
    ]


def stored_on_validation(wildcards):
    """Stored outputs of the validation split, for points whose experts are constant."""
    constant = modality.has_constant_experts(point_of(wildcards))
    return expert_files("outputs_validation.npy")(wildcards) if constant else []


def stored_on_train(wildcards):
    """Stored outputs of the training split, of the experts or of their folds, expert by expert."""
    point = point_of(wildcards)
    if not modality.reads_stored_train(config[wildcards.task], point):
        return []
    return fold_files(wildcards) or expert_files("outputs_train.npy")(wildcards)


def fold_files(wildcards):
    """What the experts said of the folds that they were trained without, expert by expert."""
    if modality.freezing(point_of(wildcards)) != CROSS_FITTED:
        return []
    folder = "results/{preset}/{task}/experts"
    dynamic = config[wildcards.task]["dynamic"]
    return [
        f"{folder}/{expert}/seed{{seed}}/folds/{fold}.npz"
        for expert in dynamic["experts"]
        for fold in range(dynamic["folds"])
    ]


def point_of(wildcards):
    """The point of the wildcards, its values as the user typed them."""
    points = points_of(wildcards.task)
    if wildcards.point not in points:
        stop(
            InputError(
                f"no such point of {wildcards.task}",
                found=wildcards.point,
                expected="one of its grid, its points or its gates",
                fix=did_you_mean(wildcards.point, points, most=3),
            )
        )
    return points[wildcards.point]


@functools.cache
def points_of(task):
    """Folder -> point, of all points of a task."""
    return points_by_folder(config[task])


def modality_results(task, name):
    """A file of every expert and of every grid point of a task, for every seed."""
    folder, seeds = f"results/{config['preset']}/{task}", config["seeds"]
    experts = [
        f"{folder}/experts/{expert}/seed{seed}/{name}"
        for expert in config[task]["experts"]
        for seed in seeds
    ]
    points = [
        f"{folder}/dynamic/{point}/seed~{seed}/{name}"
        for point in points_of(task)
        for seed in seeds
    ]
    return [*experts, *points]


def stored_validation(task):
    """What the experts under frozen gates say of the validation split, for every seed."""
    section = config[task]
    if not any(map(modality.has_constant_experts, points_of(task).values())):
        return []
    folder = Path("results") / config["preset"] / task / "experts"
    return [
        str(folder / expert / f"seed{seed}" / "outputs_validation.npy")
        for expert in section["dynamic"]["experts"]
        for seed in config["seeds"]
    ]


def routing_numbers(wildcards):
    """Input function: the routing study behind a table, where the table shows gains over random."""
    task = routing.TABLES.get(wildcards.table)
    folder = Path("results") / config["preset"]
    return str(folder / task / "routing.json") if task else []


def given_routing(wildcards, input):
    """Param: the option of a table's program that names the routing study, where there is one."""
    return ["--routing", str(input.routing)] if input.routing else []


def swept_trainings(wildcards):
    """training.json of the expert that the wildcard `model` names, or of a point and its experts."""
    folder = f"results/{wildcards.preset}/{wildcards.task}"
    point = robustness.noise_point(config, wildcards.task, wildcards.model)
    if point is None:
        return [f"{folder}/experts/{wildcards.model}/seed{wildcards.seed}/training.json"]
    own = f"{folder}/dynamic/{point_path(point)}/seed~{wildcards.seed}/training.json"
    return [own, *expert_files("training.json")(wildcards)]


def feature_sweeps(task):
    """The noise sweeps of MM-IMDB or CMU-MOSEI: every model and seed."""
    folder = Path("results") / config["preset"] / task / "noise"
    return [
        str(folder / model / f"seed{seed}.csv")
        for model in robustness.feature_models(config, task)
        for seed in config["seeds"]
    ]


@or_stop
def mosei_raw_files(wildcards):
    """The raw pickle (and its sentences, where there are), or those expanded from the sample."""
    folder = raw_dir("mosei")
    if _is_compact(folder):
        folder = Path("results") / wildcards.preset / "mosei" / "raw"
        return [str(folder / name) for name in (MOSEI_RAW, MOSEI_SENTENCES)]
    sentences = folder / MOSEI_SENTENCES
    return [
        raw_file("mosei", MOSEI_RAW)(wildcards),
        *([str(sentences)] if os.path.exists(sentences) else []),
    ]


def mosei_sample_files(wildcards):
    """The files of the embedded sentiment sample."""
    return [str(raw_dir("mosei") / name) for name in COMPACT_FILES]


def _is_compact(folder):
    """Whether a folder holds the compact form of the sentiment sample, and not the raw form."""
    compact = all(os.path.exists(folder / name) for name in COMPACT_FILES)
    return compact and not os.path.exists(folder / MOSEI_RAW)
