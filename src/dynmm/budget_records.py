"""A gate's `metrics.json` holds its results at budgets too: one record for each."""


def budget_name(unit, asked):
    """A budget in words, as it stands in the `point` of a record: "share 0.68"."""
    return f"{unit} {asked}"


def with_budgets(record):
    """The records of a metrics file: the model as it was trained, then at each budget.

    Args:
        record: contents of the file; of a dynamic model `budgets` may list what differs there.

    Returns:
        List of records without `budgets`. One at a budget has the cost as `budget` in its `point`,
        such as "share 0.68", and a `family`: the curve of budgets that it is a point of.
    """
    own = {key: value for key, value in record.items() if key != "budgets"}
    found = [own]
    for entry in record.get("budgets", []):
        asked = budget_name(entry["budget"]["unit"], entry["budget"]["asked"])
        family = own.get("family") or f"DynMM, one gate (λ {own['point']['lambda']})"
        found.append(own | entry | {"family": family, "point": own["point"] | {"budget": asked}})
    return found
