"""Where a training stands: epochs done, the best so far, whether to go on; said every epoch."""

import logging
from dataclasses import dataclass, field

log = logging.getLogger("dynmm.training")


@dataclass
class Progress:
    """Where a run stands."""

    epoch: int = 0  # epochs done
    best_epoch: int | None = None  # counted from 1
    best_score: float | None = None
    history: list = field(default_factory=list)


@dataclass
class Partial:
    """Where a run stands within an epoch."""

    steps: int = 0  # done
    sums: dict = field(default_factory=dict)  # of each loss over them
    seconds: float = 0.0  # spent on them up to the checkpoint
    generators: list = field(default_factory=list)  # states of torch's, to go on with


def better(score, best, higher_is_better, to_beat):
    """Whether a score (None: there is none) is a new best; the first has to beat `to_beat`."""
    if score is None:
        return False
    best = to_beat if best is None else best
    return best is None or (score > best if higher_is_better else score < best)


def out_of_patience(progress, settings):
    """Whether the last epochs brought nothing for so long that training ends; `LoopSettings`."""
    if settings.patience is None:
        return False
    counted_from = max(progress.best_epoch or 0, settings.patience_from)
    return progress.epoch - counted_from > settings.patience


def report(task, row, settings, progress):
    """Log an epoch: its row of the history, and how long the rest will take."""
    left = (settings.epochs - progress.epoch) * row["seconds"]
    log.info(
        "%s: epoch %d/%d, loss %.4f, %s %s (best %s), %.1f s, about %s left",
        task.name,
        row["epoch"],
        settings.epochs,
        row["total_loss"],
        task.score_name,
        _shown(row["score"]),
        _shown(progress.best_score),
        row["seconds"],
        f"{left / 3600:.1f} h" if left > 5400 else f"{left / 60:.1f} min",
    )


def _shown(score):
    return "none" if score is None else f"{score:.4f}"
