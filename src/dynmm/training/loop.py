"""The training loop of every task: epochs, best weights, history, resuming."""

import logging
import math
import sys
import time
from dataclasses import dataclass, field
from typing import Protocol

import torch
from tqdm import tqdm

from dynmm.errors import InputError

log = logging.getLogger("dynmm.training")


class TrainingTask(Protocol):
    """What a task gives to the loop."""

    name: str
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None  # stepped once an epoch
    score_name: str
    higher_is_better: bool
    validates_in_training_mode: bool  # False but for the authors' unimodal trainings

    def train_batches(self, epoch: int):
        """The batches of an epoch (from 0); they depend on the seed and the epoch alone."""

    def losses(self, batch, epoch: int) -> dict:
        """Scalar tensors of one batch: `total` is minimised, the others are recorded."""

    def score(self, epoch: int) -> float:
        """The validation score of the model as it is."""

    def epoch_values(self, epoch: int) -> dict:
        """Numbers to record with the epoch, such as the temperature."""


@dataclass
class LoopSettings:
    """How long and how carefully to train.

    Args:
        epochs: number of epochs at most.
        seed: every epoch's random numbers follow from the seed and the epoch.
        patience: stop after more than this many epochs without a better score (None: never).
        patience_from: epochs from which patience counts; before, nothing stops.
        to_beat: the score that the first best epoch has to beat (None: none; the authors: an F1 or
            mean IoU of 0, a loss of 10,000).
        validate_every: epochs between two validations; the first epoch has one.
        clip_norm: largest norm of the gradient (None: no clipping).
        loss_scaling: scale the loss for float16 autocast.
    """

    epochs: int
    seed: int
    patience: int | None = None
    patience_from: int = 0
    to_beat: float | None = None
    validate_every: int = 1
    clip_norm: float | None = None
    loss_scaling: bool = False


@dataclass
class Progress:
    """Where a run stands at the end of an epoch."""

    epoch: int = 0  # epochs done
    best_epoch: int | None = None  # counted from 1
    best_score: float | None = None
    history: list = field(default_factory=list)


def fit(task, directory, settings):
    """Train until the last epoch or until patience runs out; resume where a kill left off.

    Every epoch starts from a seed of its own, and its end is stored atomically, so a run that was
    killed anywhere and started again ends with the numbers of an uninterrupted one.

    Args:
        task: a `TrainingTask`.
        directory: a `RunDirectory`; its best weights are what the run leaves behind.
        settings: `LoopSettings`.

    Returns:
        `Progress` at the end.

    Raises:
        InputError: the loss is not finite (epoch, step and learning rate are named), or no epoch
            had a score that can be the best.
    """
    scaler = torch.amp.GradScaler(enabled=settings.loss_scaling)
    progress = _resume(task, directory, scaler)
    while progress.epoch < settings.epochs and not _out_of_patience(progress, settings):
        epoch, started = progress.epoch, time.perf_counter()
        torch.manual_seed(epoch_seed(settings.seed, epoch))
        row = {"epoch": epoch + 1, "learning_rate": task.optimizer.param_groups[0]["lr"]}
        row.update(task.epoch_values(epoch))
        task.model.train()
        row.update(_train_epoch(task, epoch, settings, scaler))
        row.update(score_name=task.score_name, score=_validate(task, epoch, settings))
        row["seconds"] = time.perf_counter() - started
        if torch.cuda.is_available():
            row["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
        if task.scheduler is not None:
            task.scheduler.step()
        if _better(row["score"], progress.best_score, task.higher_is_better, settings.to_beat):
            progress.best_score, progress.best_epoch = row["score"], epoch + 1
            directory.save_best(task.model.state_dict())
        progress.history.append(row)
        progress.epoch = epoch + 1
        directory.save_state(_state(task, progress, scaler))
        _report(task, row, settings, progress)
    if progress.best_epoch is None:
        raise InputError(
            f"{task.name}: no epoch of {progress.epoch} can be the best",
            key=task.score_name,
            found=", ".join(str(row["score"]) for row in progress.history[-3:]) + " in the end",
            expected="a finite score"
            + (f" better than {settings.to_beat:g}" if settings.to_beat is not None else ""),
            fix="Change the learning rate or the number of epochs.",
        )
    return progress


def epoch_seed(seed, epoch):
    """A seed for one epoch of one run, far from its neighbours'."""
    return (seed * 1_000_003 + epoch * 7919 + 1) % (2**63)


def _train_epoch(task, epoch, settings, scaler):
    """One pass over the training batches; returns the mean of each loss."""
    sums, steps = {}, 0
    batches = tqdm(
        task.train_batches(epoch),
        desc=f"{task.name} epoch {epoch + 1}/{settings.epochs}",
        disable=not sys.stderr.isatty(),
        leave=False,
    )
    for step, batch in enumerate(batches):
        task.optimizer.zero_grad(set_to_none=True)
        losses = task.losses(batch, epoch)
        total = losses["total"]
        if not math.isfinite(total.item()):
            raise InputError(
                f"the loss is {total.item()}",
                key=f"epoch {epoch + 1}, step {step + 1}, "
                f"learning rate {task.optimizer.param_groups[0]['lr']:.3g}",
                expected="a finite loss",
                fix="Lower the learning rate, or look at the input of this step.",
            )
        scaler.scale(total).backward()
        if settings.clip_norm is not None:
            scaler.unscale_(task.optimizer)
            torch.nn.utils.clip_grad_norm_(task.model.parameters(), settings.clip_norm)
        scaler.step(task.optimizer)
        scaler.update()
        steps += 1
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.item()
    if not steps:
        raise InputError("an epoch has no batch", expected="at least one", fix="Lower batch_size.")
    return {f"{name}_loss": value / steps for name, value in sums.items()}


def _validate(task, epoch, settings):
    """The score after an epoch; None where it is not finite or not due."""
    if epoch % settings.validate_every:
        return None
    task.model.train(task.validates_in_training_mode)
    score = float(task.score(epoch))
    return score if math.isfinite(score) else None


def _better(score, best, higher_is_better, to_beat):
    if score is None:
        return False
    best = to_beat if best is None else best
    return best is None or (score > best if higher_is_better else score < best)


def _out_of_patience(progress, settings):
    if settings.patience is None:
        return False
    counted_from = max(progress.best_epoch or 0, settings.patience_from)
    return progress.epoch - counted_from > settings.patience


def _state(task, progress, scaler):
    return {
        "model": task.model.state_dict(),
        "optimizer": task.optimizer.state_dict(),
        "scheduler": task.scheduler.state_dict() if task.scheduler is not None else None,
        "scaler": scaler.state_dict(),
        "progress": vars(progress),
    }


def _resume(task, directory, scaler):
    state = directory.load_state()
    if state is None:
        return Progress()
    task.model.load_state_dict(state["model"])
    task.optimizer.load_state_dict(state["optimizer"])
    if task.scheduler is not None:
        task.scheduler.load_state_dict(state["scheduler"])
    scaler.load_state_dict(state["scaler"])
    progress = Progress(**state["progress"])
    log.info("%s: resuming after epoch %d", task.name, progress.epoch)
    return progress


def _report(task, row, settings, progress):
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
