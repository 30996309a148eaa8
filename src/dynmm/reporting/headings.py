"""How scores and experts are called in print, with the units of tables and figures."""

from typing import NamedTuple

TIMES = "\N{MULTIPLICATION SIGN}"
MEGA, GIGA = 1e-6, 1e-9  # factors from stored multiply-adds


class Score(NamedTuple):
    """A score in print: heading with its unit, factor from the stored unit, decimals."""

    heading: str
    scale: float
    decimals: int


SCORES = {
    "miou": Score("mIoU (%)", 100, 1),
    "micro_f1": Score("micro F1 (%)", 100, 2),
    "macro_f1": Score("macro F1 (%)", 100, 2),
    "acc2": Score("accuracy (%)", 100, 2),
    "acc2_nonzero": Score("accuracy, zeros left out (%)", 100, 2),
    "mae": Score("MAE", 1, 3),
    "pearson_r": Score("Pearson r", 1, 3),
    "loss": Score("loss", 1, 3),
}
EXPERTS = {
    "image": "Image",
    "video": "Video",
    "audio": "Audio",
    "text": "Text",
    "early_fusion": "Early fusion",
    "late_fusion": "Late fusion",
    "lrtf": "LRTF",
    "mi_matrix": "MI-Matrix",
    "early_fusion_gru": "Early fusion (GRU)",
    "late_fusion_gru": "Late fusion (GRU)",
}
RUNS = {
    "rgb": "ESANet, RGB only",
    "esanet": "ESANet",
    "stage1": "DynMM (Stage I)",
    "dynmm_a": "DynMM-a",
    "dynmm_b": "DynMM-b",
}


def score(name):
    """The `Score` of a name in metrics.json; an unknown one is printed as it is stored."""
    return SCORES.get(name, Score(name, 1, 3))


def expert_title(name, model=None, width=1):
    """The printed name of an expert; one that a user added is printed as the user named it.

    One that is narrower or wider than its options say goes by its registered model and the factor.
    """
    if width == 1:
        return EXPERTS.get(name, name)
    return f"{EXPERTS.get(model, model)}, width {TIMES} {width:g}"


def run_title(name, titles=None):
    """The printed name of a run of the segmentation networks.

    Args:
        name: of the run.
        titles: run -> title, of the runs that the configuration gives one.
    """
    return (titles or {}).get(name) or RUNS.get(name, name)
