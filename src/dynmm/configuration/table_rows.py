"""Which points of the grid the rows of Tables 1 and 2, and Figure 5, can show."""

from dynmm.budget_records import budget_name
from dynmm.configuration.grid import (
    BUDGET,
    SHARE,
    all_points,
    grid_points,
    inference_mode,
    words,
)
from dynmm.configuration.modality import ROWS, budgets_of, row_fits
from dynmm.configuration.refusal import refused


def check_rows(section, key):
    """Refuse rows that no point of the grid fits, or more than one, and budgets without a choice.

    Args:
        section: a modality task's section of a configuration that fits the schema.
        key: the section's name.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    named = section.get(ROWS[key], {})
    for row, wanted in named.items():
        _check_row(section, f"{key}.{ROWS[key]}.{row}", wanted)
    _check_budgets(section, key)
    if "figure5" in section:
        _check_figure(section, f"{key}.figure5.row", named)


def _check_row(section, path, wanted):
    for word in (BUDGET, "lambda"):
        if SHARE in wanted and word in wanted:
            beside = "a budget" if word == BUDGET else "a lambda"
            raise refused(f"{path}.{SHARE}", wanted[SHARE], f"nothing beside {beside}")
    points = grid_points(section)
    fitting = [point for point in points if row_fits(point, wanted)]
    if not fitting or (len(fitting) > 1 and SHARE not in wanted):
        expected = f"settings of exactly one point, such as {words((fitting or points)[0])}"
        raise refused(path, f"settings of {len(fitting)} points of the grid", expected)


def _check_budgets(section, key):
    for point in all_points(section):
        if inference_mode(point) == "soft" and (budgets := budgets_of(section, key, point)):
            raise refused(
                f"{key}: budget of {words(point)}",
                budget_name(*next(iter(budgets[0].items()))),
                "a gate that chooses: soft gates run every expert",
            )


def _check_figure(section, path, named):
    """A row that config does not name takes the hard gate whose share is nearest to the paper's."""
    row = section["figure5"]["row"]
    hard = any(inference_mode(point) == "hard" for point in grid_points(section))
    if row not in named and not hard:
        raise refused(path, f"{row}, and no hard gate in the grid", "a row that table2 names")
