"""Slices of the configuration for the stages of the modality level, MM-IMDB and CMU-MOSEI alike."""

from dynmm.configuration.grid import (
    BUDGET,
    GATE,
    fits,
    inference_mode,
    row_settings,
    temperatures,
)
from dynmm.vocabulary import CROSS_FITTED, VALIDATION

LOADING_KEYS = ("by_length",)  # of the task's section; how samples meet in batches
TABLES = {"table1": "mmimdb", "table2": "mosei"}
ROWS = {task: table for table, task in TABLES.items()}  # the block that names a table's rows


def expert_training(config, task, expert):
    """What the training of an expert follows from, beside its data, seed and code.

    Its own `training` block goes over the one that all experts of the task share.
    """
    section = config[task]
    own = section["experts"][expert]
    return {
        "expert": _settings(own),
        "training": {**section["training"], **own.get("training", {}), **_loading(section)},
    }


def stored_outputs(config, task, expert):
    """What an expert's stored outputs follow from, beside its weights, data and code."""
    section = config[task]
    return {"expert": _settings(section["experts"][expert]), "evaluation": _evaluation(section)}


def expert_evaluation(config, task, expert):
    """What the evaluation of an expert follows from, beside its weights, data and code."""
    return {
        **stored_outputs(config, task, expert),
        **_family(config[task]["experts"], expert),
        **_described(config, task),
    }


def dynamic_training(config, task, point):
    """What the training of a grid point follows from, beside its data, experts, seed and code.

    Args:
        config, task: the whole configuration, and the task's name.
        point: lambda, tau, mode and freeze as texts, of a named gate its name (`grid.all_points`).
    """
    section, dynamic = config[task], _dynamic(config[task], point)
    first, last = temperatures(point["tau"])
    apart = ("experts", "gate", "folds", *(["anneal_epochs"] if first == last else []))
    shared = {k: v for k, v in dynamic.items() if k not in apart}
    return {
        **_networks(section, point),
        "training": {
            **shared,
            "resource_weight": float(point["lambda"]),
            "temperature": [first, last],
            "mode": point["mode"],
            "inference": inference_mode(point),
            "freeze": freezing(point),
            **_loading(section),
        },
    }


def dynamic_evaluation(config, task, point):
    """What the evaluation of a grid point follows from, beside its weights, data and code."""
    section = config[task]
    named = {"title": section["gates"][point[GATE]]["title"]} if GATE in point else {}
    return {
        **_networks(section, point),
        "evaluation": _evaluation(section),
        "point": dict(point),
        **named,
        "budgets": budgets_of(section, task, point),
        "freeze": freezing(point),
        "inference": inference_mode(point),
        "temperature": temperatures(point["tau"])[1],
        **_described(config, task),
    }


def budgets_of(section, task, point):
    """The costs at which a point's gate is evaluated beside its own, as {share: 0.68}.

    Those of a named gate stand with it; those of a grid point with the rows of the table that show
    it at a budget.
    """
    if GATE in point:
        return list(section["gates"][point[GATE]]["budgets"])
    rows = [row for row in section.get(ROWS[task], {}).values() if BUDGET in row]
    found = [row[BUDGET] for row in rows if row_fits(point, row)]
    return [budget for place, budget in enumerate(found) if budget not in found[:place]]


def row_fits(point, row):
    """Whether a row of a table, at a budget or not, may show this point of the grid."""
    settings = {key: value for key, value in row_settings(row).items() if key != BUDGET}
    return GATE not in point and fits(point, settings)


def madds(config, task):
    """What the multiply-adds of a task's networks follow from, beside the sizes of its data."""
    section = config[task]
    return {
        "experts": [_named(section, name) for name in section["experts"]],
        "gate": section["dynamic"]["gate"],
        "under_gate": section["dynamic"]["experts"],
    }


def cross_fitting(config, task, expert):
    """What an expert's cross-fitted outputs follow from, beside data, seed, fold and code."""
    section = config[task]
    return {
        **expert_training(config, task, expert),
        "folds": section["dynamic"]["folds"],
        "evaluation": _evaluation(section),
    }


def freezing(point):
    """How a point treats its experts: True, False, "authors" or "cross_fitted"."""
    return {"true": True, "false": False}.get(point["freeze"], point["freeze"])


def has_constant_experts(point):
    """Whether a point keeps its experts as they were trained alone: their outputs are stored."""
    return freezing(point) in (True, CROSS_FITTED)


def augments(training):
    """Whether a `training` or `dynamic` block has its samples corrupted."""
    chosen = training["augmentation"]
    return chosen["noise"] is not None or chosen["missing"] > 0


def reads_stored_train(section, point):
    """Whether a point learns from stored outputs of the training split, and runs no expert."""
    return has_constant_experts(point) and not augments(_dynamic(section, point))


def added_modules(settings):
    """Python files that experts or gates name, which register classes outside the package."""
    return list(dict.fromkeys(entry["module"] for entry in settings if "module" in entry))


def gate_settings(section, point):
    """Settings of a point's gate: model, options, module."""
    return _dynamic(section, point)["gate"]


def _dynamic(section, point):
    """The block `dynamic` as a point has it: a named gate's own keys go over the shared ones."""
    own = section["gates"][point[GATE]].get("dynamic", {}) if GATE in point else {}
    return {**section["dynamic"], **own}


def _networks(section, point):
    return {
        "experts": [_named(section, name) for name in section["dynamic"]["experts"]],
        "gate": gate_settings(section, point),
    }


def _named(section, expert):
    return {"name": expert, **_settings(section["experts"][expert])}


def _settings(entry):
    return {key: value for key, value in entry.items() if key != "training"}


def _family(experts, name):
    """The curve of the experts that differ from this one in width alone, if there are any."""

    def network(entry):
        return {key: value for key, value in _settings(entry).items() if key != "width"}

    own = experts[name]
    alike = [entry for entry in experts.values() if network(entry) == network(own)]
    if len({entry.get("width", 1) for entry in alike}) == 1:
        return {}
    return {"family": f"{own['model'].replace('_', ' ')} by width"}


def _evaluation(section):
    return {**section["evaluation"], **_loading(section)}


def _loading(section):
    return {key: section[key] for key in LOADING_KEYS if key in section}


def _described(config, task):
    data = config["data"][task]
    return {
        "preset": config["preset"],
        "content": data["content"],
        "paper_data": data["paper_data"],
        "select_on": VALIDATION,
    }
