"""Points of the grid of dynamic models, spelled as the user typed them."""

import itertools

KEYS = ("lambda", "tau", "mode", "freeze")
SCHEDULE = ".."  # "1..0.001": from the first epoch's temperature to the last


def grid_points(section):
    """Every point of a task's grid and of its single `points`, each once, in that order.

    Args:
        section: the task's section of the configuration.

    Returns:
        List of dicts of texts: lambda, tau, mode, freeze (a word).
    """
    grid = section["grid"]
    crossed = itertools.product(*(grid[key] for key in KEYS))
    points = [dict(zip(KEYS, map(spelled, values), strict=True)) for values in crossed]
    points += [{key: spelled(point[key]) for key in KEYS} for point in section["points"]]
    return [point for place, point in enumerate(points) if point not in points[:place]]


def spelled(value):
    """A value as it stands in paths: YAML's text of it, quotes keep any spelling ("0.10")."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def point_path(point):
    """The folder of a point, such as "lambda~0.1/tau~1/mode~soft/freeze~true"."""
    return "/".join(f"{key}~{point[key]}" for key in KEYS)


def temperatures(tau):
    """(first, last) temperature of a spelled tau: "1" or "1..0.001".

    Raises:
        ValueError: it is neither, or not above 0.
    """
    first, _, last = tau.partition(SCHEDULE)
    result = float(first), float(last or first)
    if not all(0 < value < float("inf") for value in result):
        raise ValueError(f"temperature {tau}")
    return result


def inference_mode(point):
    """How a point's gate chooses in inference: "hard", or "soft" where it never becomes hard.

    The paper's inference is hard, but for DynMM-d of Table 1, trained and used with soft weights.
    A soft gate under an annealed temperature ends as good as hard and is used hard.
    """
    first, last = temperatures(point["tau"])
    return "soft" if point["mode"] == "soft" and first == last else "hard"
