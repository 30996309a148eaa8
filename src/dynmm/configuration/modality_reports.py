"""Slices of the configuration for Tables 1 and 2, Figures 4 and 5 and the sweep on MOSEI."""

from dynmm.configuration.modality import TABLES

TRADEOFFS = {  # figure -> task, whether it has panels of scores, whether it has one of shares
    "figure4a": ("mmimdb", True, False),
    "figure4b": ("mmimdb", False, True),
    "mosei_tradeoff": ("mosei", True, True),
}
SENTENCES_TABLE = "table2"


def table(config, name):
    """What Table 1 or 2 shows beside the metrics: its grid points, and whose data ours is."""
    task = TABLES[name]
    return {
        "points": config[task].get(name, {}),
        "paper_data": config["data"][task]["paper_data"],
    }


def tradeoff(config, figure):
    """Which panels a figure of the sweep has."""
    task, has_scores, has_shares = TRADEOFFS[figure]
    scores = config[task]["tradeoff"]["scores"] if has_scores else []
    return {"scores": scores, "shares": has_shares}


def sentences(config):
    """Which review Figure 5 shows, of which model: a row of Table 2 and the first seed."""
    section = config["mosei"]
    named = section.get(SENTENCES_TABLE, {})
    return {**section["figure5"], "points": named, "seed": config["seeds"][0]}
