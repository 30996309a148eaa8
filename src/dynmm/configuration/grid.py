"""Points of the grid of dynamic models, spelled as the user typed them, and gates with a name."""

import itertools

KEYS = ("lambda", "tau", "mode", "freeze")
LARGEST_LAMBDA = 1e6
TEMPERATURES = (1e-6, 1e6)  # beyond these logits over them are no float32
SCHEDULE = ".."  # "1..0.001": from the first epoch's temperature to the last
SEPARATOR = "/"  # of the parts of a point's folder
GATE = "gate"  # of a point that has a name in `gates`, beside the other keys
SHARE = "share"  # of the last expert, by which a row may ask for a point
INFERENCE, SOFT, HARD = "inference", "soft", "hard"
# of the folders of points: short, since Snakemake goes through it for every file of every job
FOLDERS = "|".join([SEPARATOR.join(f"{key}~[^/]+" for key in KEYS), f"{GATE}~[^/]+"])
BUDGET = "budget"  # of a point whose gate was set to a cost after its training


def grid_points(section):
    """Every point of a task's grid and of its single `points`, each once, in that order.

    Args:
        section: the task's section of the configuration.

    Returns:
        List of dicts of texts: lambda, tau, mode, freeze (a word).
    """
    grid = section["grid"]
    crossed = itertools.product(*(grid[key] for key in KEYS))
    points = [tuple(map(spelled, values)) for values in crossed]
    points += [tuple(spelled(point[key]) for key in KEYS) for point in section["points"]]
    return [dict(zip(KEYS, values, strict=True)) for values in dict.fromkeys(points)]


def named_gates(section):
    """The points of `gates`: their name under the key `gate`, and what a point of the grid has."""
    return [
        {GATE: name} | {key: spelled(gate[key]) for key in KEYS}
        for name, gate in section["gates"].items()
    ]


def all_points(section):
    """What is trained over the experts: `grid_points`, then `named_gates`."""
    return grid_points(section) + named_gates(section)


def spelled(value):
    """A value as it stands in paths: YAML's text of it, quotes keep any spelling ("0.10")."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def point_path(point):
    """A point's folder: "lambda~0.1/tau~1/mode~soft/freeze~true", or "gate~<name>"."""
    keys = (GATE,) if GATE in point else KEYS
    return SEPARATOR.join(f"{key}~{point[key]}" for key in keys)


def points_by_folder(section):
    """Folder -> point, of all points of a task: the inverse of `point_path`."""
    return {point_path(point): point for point in all_points(section)}


def words(point):
    """A point in one line: "lambda 0.1, tau 1, mode soft, freeze true"."""
    return ", ".join(f"{key} {value}" for key, value in point.items())


def title_in_grid(section, point):
    """What tells a point from the others of its task: "lambda 0.1, mode soft", or "gate <name>"."""
    if GATE in point:
        return f"{GATE} {point[GATE]}"
    points = grid_points(section)
    varied = [key for key in KEYS if len({other[key] for other in points}) > 1] or KEYS[:1]
    return ", ".join(f"{key} {point[key]}" for key in varied)


def row_settings(wanted):
    """The settings of grid points that a row of Table 1 or 2 asks for.

    Args:
        wanted: what config says of the row. Without `inference` and `mode`, points whose gates stay
            soft are left out; a share of the last expert is no setting.
    """
    settings = {key: value for key, value in wanted.items() if key != SHARE}
    if not {"mode", INFERENCE} & set(settings):
        settings[INFERENCE] = HARD
    return settings


def fits(point, wanted):
    """Whether a point has the wanted settings, compared as typed or as numbers.

    Beside the keys of a point, `inference` (soft or hard) is one.
    """
    found = {**point, INFERENCE: inference_mode(point)}
    return all(name in found and _same(found[name], value) for name, value in wanted.items())


def temperatures(tau):
    """(first, last) temperature of a spelled tau: "1" or "1..0.001".

    Raises:
        ValueError: it is neither, or out of `TEMPERATURES`.
    """
    first, _, last = tau.partition(SCHEDULE)
    result = float(first), float(last or first)
    least, most = TEMPERATURES
    if not all(least <= value <= most for value in result):
        raise ValueError(f"temperature {tau}")
    return result


def inference_mode(point):
    """How a point's gate chooses in inference: "hard", or "soft" where it never becomes hard.

    The paper's inference is hard, but for DynMM-d of Table 1, trained and used with soft weights.
    A soft gate under an annealed temperature ends as good as hard and is used hard.
    """
    first, last = temperatures(point["tau"])
    return SOFT if point["mode"] == SOFT and first == last else HARD


def _same(first, second):
    first, second = spelled(first), spelled(second)
    try:
        return float(first) == float(second)
    except ValueError:
        return first == second
