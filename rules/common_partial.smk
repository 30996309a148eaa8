# What partial reports share: of which results each is made, and what lacks.
# Needs: common.smk, common_modality.smk, common_current.smk.
# Makes: no files. Nothing is looked at before a partial report is asked for.

import collections

from dynmm.configuration.grid import HARD, inference_mode, title_in_grid
from dynmm.reporting.gaps import Gaps, Lacking, counted, lacking
from dynmm.vocabulary import NYUV2

# a result of one model and seed: its task, the model's key, the seed
RESULT = re.compile(r"results/[^/]+/(\w+)/\w+/(.+)/seed~?(\d+)(?:\.\w+|/[^/]+)")
OF_GRID = "lambda~"
STUDY = Lacking("the routing study")


def results_behind(report):
    """The results of a complete report: a file of each model and seed."""
    tasks = modality_reports.TABLES | {"figure5": "mosei"}
    tasks |= {figure: task for figure, (task, *_) in modality_reports.TRADEOFFS.items()}
    tasks |= {f"routing_{task}": task for task in MODALITY_TASKS}
    swept = {"figure6": noise_sweeps()}
    swept |= {f"robustness_{task}": feature_sweeps(task) for task in MODALITY_TASKS}
    swept |= {"robustness": list(itertools.chain(*swept.values()))}
    if report in tasks:
        return modality_results(tasks[report], "metrics.json")
    if report in swept:
        return swept[report]
    if report == "figure7":
        return [_below(NYUV2, "predicted_frames.npz")]
    if report == "nyuv2_history":
        runs = trained_runs(config["nyuv2"]["runs"])
        return segmentation_results("models/{run}/seed{seed}/history.csv", runs)
    return segmentation_results("metrics/{run}/seed{seed}/metrics.json")


@functools.cache
def results_found(report):
    """Those of `results_behind` of which the report can be made today."""
    return [r for r in results_behind(report) if all(map(is_current, _files_read(r, report)))]


def _files_read(result, report):
    """What a report reads of a result."""
    if report == "figure5":
        return [result, _beside(result, "predictions.npz")]
    return _studied_files(result) if report.startswith("routing_") else [result]


def _studied_files(result):
    """What the routing study reads of a result: a gate's choices, and all paths under it."""
    if not _is_gate(result):
        return [result]
    task, key, seed = _model_of(result)
    if task == NYUV2:
        owner = weights_owner(config[NYUV2]["runs"], key)
        places = (f"metrics/{owner}/seed{seed}/metrics.json", f"routing/{owner}/seed{seed}.npz")
        return [result, *(_below(task, place) for place in places)]
    names = ["metrics.json"]
    if modality.has_constant_experts(points_of(task)[key]):
        names += ["predictions.npz", "outputs_validation.npy"]
    under = [
        _below(task, f"experts/{expert}/seed{seed}/{name}")
        for expert in config[task]["dynamic"]["experts"]
        for name in names
    ]
    return [result, _beside(result, "predictions.npz"), *under]


def _is_gate(result):
    """Whether a result is of a gate that chooses one path for a sample."""
    task, key, _ = _model_of(result)
    if task == NYUV2:
        return weights_owner(config[NYUV2]["runs"], key) in routing.gated_runs(config)
    return "~" in key and inference_mode(points_of(task)[key]) == HARD


def _model_of(result):
    """Task, key and seed of the model behind a result; None for what is of several models."""
    match = RESULT.fullmatch(result)
    return match and (match[1], match[2], int(match[3]))


def _task_of(report):
    """The task of a routing report."""
    return report.removeprefix("routing_")


def _below(task, name):
    return str(Path("results") / config["preset"] / task / name)


def _beside(result, name):
    return str(Path(result).with_name(name))


def can_be_made(report):
    """Whether what is there is enough for a report."""
    found = results_found(report)
    if report.startswith("routing_"):
        return study_of(_task_of(report)) is not None
    if report == "figure5" or report in modality_reports.TRADEOFFS:
        return any(_model_of(result)[1].startswith(OF_GRID) for result in found)
    return bool(found)


@functools.cache
def study_of(task):
    """The routing study of a task, or the one that can be made of what is there, if any."""
    whole = _below(task, "routing.json")
    if is_current(whole):
        return os.path.abspath(whole)
    counts = [_below(task, f"madds/{kind}.json") for kind in ("static", "dynamic")]
    possible = any(map(_is_gate, results_found(f"routing_{task}")))
    possible &= task != NYUV2 or all(map(is_current, counts))
    return _below(task, "partial/routing.json") if possible else None


def results_missing(report):
    """Those of `results_behind` that are not in `results_found`."""
    found = set(results_found(report))
    return [result for result in results_behind(report) if result not in found]


def models_lacking(report):
    """The models whose results lack in a report, and the routing study where its gains lack."""
    models = lacking(_described(result, report) for result in results_missing(report))
    task = routing.TABLES.get(report)
    return models + ([STUDY] if task and study_of(task) is None else [])


def _described(result, report):
    """Name in print and seed of a result that lacks, and whether it is there but out of date."""
    stale = Path(result).exists() and not is_current(result)
    if _model_of(result) is None:
        return Path(result).stem.replace("_", " "), None, stale
    task, key, seed = _model_of(result)
    name = title_in_grid(config[task], points_of(task)[key]) if "~" in key else key
    return f"{name} on {task}" if report == "robustness" else name, seed, stale


def words_of(report):
    """How many results a report has, of how many, and what lacks."""
    numbers = len(results_found(report)), len(results_behind(report))
    return counted(*numbers, models_lacking(report))


def gaps_in(report):
    """What the program of a partial report has to know of its gaps."""
    whole = "Partial" if models_lacking(report) else "Complete"
    missing, modes = collections.Counter(), set()
    for task, key, _ in filter(None, map(_model_of, results_missing(report))):
        if key.startswith(OF_GRID):
            modes.add(inference_mode(points_of(task)[key]))
        elif "~" not in key:
            missing[key] += 1
    return Gaps(f"{whole}: {words_of(report)}.", len(config["seeds"]), dict(missing), sorted(modes))


def of_report(pattern, files):
    """Input function: files of a partial report, whose name is `pattern` with the wildcards.

    By its whole path a file is made by no rule, so nothing behind it is planned.
    """

    @or_stop
    def found(wildcards):
        return [os.path.abspath(file) for file in files(_filled(pattern, wildcards))]

    return found


def with_gaps(rule, pattern):
    """Param: the slice of a report's rule, and how complete the report is."""

    def whole(wildcards):
        given = rule.params.config
        given = given(wildcards) if callable(given) else given
        return as_json(json.loads(given) | gaps_in(_filled(pattern, wildcards)).entry())

    return whole


def _filled(pattern, wildcards):
    return pattern.format(**dict(wildcards.items()))


def source(pattern):
    """Input function: a file that is there, by its whole path, as in `of_report`."""
    return lambda wildcards: os.path.abspath(_filled(pattern, wildcards))


def predictions_found(report):
    """What lies beside the metrics of a report and is read with them."""
    beside = (_beside(result, "predictions.npz") for result in results_found(report))
    return [file for file in beside if is_current(file)]


def validation_found(report):
    """What the experts under frozen gates say of the validation split."""
    return [file for file in stored_validation(_task_of(report)) if is_current(file)]


def forced_paths_found(report):
    """The forced paths under the gates of a report, without those of budgets: they have none."""
    return [
        _below(NYUV2, f"routing/{run}/seed{seed}.npz")
        for _, run, seed in map(_model_of, results_found(report))
        if run in routing.gated_runs(config)
    ]


def sweeps_found(task):
    """Function of a report: its noise sweeps of one task."""
    return lambda report: [r for r in results_found(report) if _model_of(r)[0] == task]


@or_stop
def partial_study(wildcards):
    """Input function: the routing study of a task or of a table that shows gains, if there is one."""
    task = wildcards.get("task", None) or routing.TABLES.get(wildcards.table)
    return (task and study_of(task)) or []


@or_stop
def partial_reports(wildcards):
    """Input function: every partial report that can be made; says on the terminal what lacks."""
    return _partial_reports()


@functools.cache
def _partial_reports():
    folder, files = f"reports/{config['preset']}/partial", []
    print(f"Tables and figures of what is there, in {folder}:", file=sys.stderr)
    for forms, names in SHOWN.items():
        for name in names:
            if can_be_made(name):
                files += [f"{folder}/{name}.{form}" for form in forms]
                print(f"  {name}: {words_of(name)}", file=sys.stderr)
            else:
                print(f"  {name} is not made: {words_of(name)}", file=sys.stderr)
    return files
