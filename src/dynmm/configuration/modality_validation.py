"""What a schema cannot say of the configuration of MM-IMDB and CMU-MOSEI."""

from dynmm.budget_records import budget_name
from dynmm.configuration.grid import (
    BUDGET,
    all_points,
    grid_points,
    inference_mode,
    spelled,
    temperatures,
)
from dynmm.configuration.modality import (
    ROWS,
    budgets_of,
    has_constant_experts,
    reads_stored_train,
    row_fits,
)
from dynmm.errors import InputError
from dynmm.vocabulary import CROSS_FITTED, DYNAMIC

REGRET = "regret"  # a mode that learns from the losses of experts that stay as they are


def check_modality(section, key):
    """Refuse experts under the gate that are not configured, and values of the grid given twice.

    Corrupted samples and cross-fitted experts do not go together: what these say is stored.

    Args:
        section: the task's section of a configuration that fits the schema.
        key: the section's name.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    if DYNAMIC in section["experts"]:
        raise refused(f"{key}.experts.{DYNAMIC}", DYNAMIC, "another name: dynamic models have this")
    for place, expert in enumerate(section["dynamic"]["experts"]):
        if expert not in section["experts"]:
            expected = f"one of {', '.join(section['experts'])}"
            raise refused(f"{key}.dynamic.experts.{place}", expert, expected)
    dynamic = section["dynamic"]
    to_beat = dynamic["to_beat"]
    if dynamic["select_by"] == "objective" and to_beat is not None and to_beat <= 0:
        expected = "above 0, or null: a lower objective is better, and none is below 0"
        raise refused(f"{key}.dynamic.to_beat", to_beat, expected)
    for word, values in section["grid"].items():
        _check_different(values, f"{key}.grid.{word}")
    for point in all_points(section):
        try:
            temperatures(point["tau"])
        except ValueError:
            raise refused(f"{key}: tau", point["tau"], "above 0, as 1 or 1..0.001") from None
        if point["mode"] == REGRET and not has_constant_experts(point):
            expected = "true or cross_fitted with mode regret, which trains no expert"
            raise refused(f"{key}: freeze of {words(point)}", point["freeze"], expected)
        if point["freeze"] == CROSS_FITTED and not reads_stored_train(section, point):
            raise refused(
                f"{key}: augmentation of {words(point)}",
                "noise or missing modalities",
                f"none with freeze {CROSS_FITTED}, whose gates learn from stored outputs",
                "A gate of `gates` can have a `dynamic: {augmentation: ...}` of its own.",
            )
    _check_budgets(section, key)


def refused(key, found, expected, fix=None):
    """The InputError of a bad configuration."""
    return InputError("bad configuration", key=key, found=found, expected=expected, fix=fix)


def _check_budgets(section, key):
    """A budget needs a gate that chooses, and in a table a row that names one point."""
    for row, wanted in section.get(ROWS[key], {}).items():
        if BUDGET not in wanted:
            continue
        path = f"{key}.{ROWS[key]}.{row}"
        if "share" in wanted:
            raise refused(f"{path}.share", wanted["share"], "nothing beside a budget")
        fitting = [point for point in grid_points(section) if row_fits(point, wanted)]
        if len(fitting) != 1:
            example = words((fitting or grid_points(section))[0])
            expected = f"settings of exactly one point of the grid, such as {example}"
            raise refused(path, f"settings of {len(fitting)} points", expected)
    for point in all_points(section):
        if inference_mode(point) == "soft" and (budgets := budgets_of(section, key, point)):
            raise refused(
                f"{key}: budget of {words(point)}",
                budget_name(*next(iter(budgets[0].items()))),
                "a gate that chooses: soft gates run every expert",
            )


def words(point):
    """A point in one line."""
    return ", ".join(f"{key} {value}" for key, value in point.items())


def _check_different(values, key):
    seen = {}
    for value in values:
        text = spelled(value)
        same = _number(text)
        if same in seen:
            expected = "values that differ as numbers: each names a folder of its own"
            raise refused(key, f"{seen[same]} and {text}", expected)
        seen[same] = text


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text
