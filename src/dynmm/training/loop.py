"""The training loop of every task: epochs, best weights, history, resuming."""

import contextlib
import logging
import math
import sys
import time
from dataclasses import dataclass
from typing import Protocol

import torch
from tqdm import tqdm

from dynmm.errors import InputError
from dynmm.stop_signals import Stopped, deferred, immediate, requested
from dynmm.training.progress import Partial, Progress, better, out_of_patience, report

log = logging.getLogger("dynmm.training")


class TrainingTask(Protocol):
    """What a task gives to the loop."""

    name: str
    model: torch.nn.Module
    device: torch.device
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None  # stepped once an epoch
    score_name: str
    higher_is_better: bool
    validates_in_training_mode: bool  # False but for the authors' unimodal trainings

    def train_batches(self, epoch: int, start: int = 0):
        """The batches of an epoch (from 0), from the batch `start` on.

        They depend on the seed and the epoch alone. Torch's global generator is drawn from before
        the first batch, or not at all.
        """

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


def fit(task, checkpoints, settings):
    """Train until the last epoch or until patience runs out; go on where a checkpoint left off.

    Every epoch starts from a seed of its own, and a checkpoint within one holds the states of the
    generators, so a run that was killed anywhere and started again ends, on a CPU, with the numbers
    of an uninterrupted one. SIGTERM and SIGUSR1 leave a checkpoint after the step at hand.

    Args:
        task: a `TrainingTask`.
        checkpoints: the `Checkpoints` of the run.
        settings: `LoopSettings`.

    Returns:
        `Progress` at the end, and name and SHA-256 of the best weights (`Checkpoints.store_best`).

    Raises:
        InputError: the loss is not finite (epoch, step and learning rate are named), or no epoch
            had a score that can be the best.
        Stopped: a signal came; a checkpoint holds all that was done.
    """
    with deferred():  # a step that is broken off would leave half a state
        run = _Run(task, checkpoints, settings)
        progress = run.progress
        while progress.epoch < settings.epochs and not out_of_patience(progress, settings):
            run.epoch()
    if progress.best_epoch is None:
        raise InputError(
            f"{task.name}: no epoch of {progress.epoch} can be the best",
            key=task.score_name,
            found=", ".join(str(row["score"]) for row in progress.history[-3:]) + " in the end",
            expected="a finite score"
            + (f" better than {settings.to_beat:g}" if settings.to_beat is not None else ""),
            fix="Change the learning rate or the number of epochs.",
        )
    return progress, checkpoints.store_best(progress.best_epoch, run.best)


def epoch_seed(seed, epoch):
    """A seed for one epoch of one run, far from its neighbours'."""
    return (seed * 1_000_003 + epoch * 7919 + 1) % (2**63)


class _Run:
    """A task, where it stands, and its checkpoints."""

    def __init__(self, task, checkpoints, settings):
        self.task, self.checkpoints, self.settings = task, checkpoints, settings
        self.scaler = torch.amp.GradScaler(enabled=settings.loss_scaling)
        self.progress, self.partial = Progress(), None
        self.best = None  # best weights that no checkpoint has yet
        self._since = None  # when this process began with the epoch
        self._resume()

    def epoch(self):
        """Train and validate one epoch, or what is left of it."""
        task, progress, settings = self.task, self.progress, self.settings
        epoch, self._since = progress.epoch, time.perf_counter()
        partial = self.partial = self.partial or Partial()
        torch.manual_seed(epoch_seed(settings.seed, epoch))
        row = {"epoch": epoch + 1, "learning_rate": task.optimizer.param_groups[0]["lr"]}
        row.update(task.epoch_values(epoch))
        task.model.train()
        self._train(epoch, partial)
        row.update({f"{k}_loss": value / partial.steps for k, value in partial.sums.items()})
        before = _generators()
        try:
            row.update(score_name=task.score_name, score=_validate(task, epoch, settings))
        except Stopped:
            self._save(before)  # it is validated anew, from the numbers it began with
            raise
        row["seconds"] = self._spent()
        if torch.cuda.is_available():
            row["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
        if task.scheduler is not None:
            task.scheduler.step()
        if better(row["score"], progress.best_score, task.higher_is_better, settings.to_beat):
            progress.best_score, progress.best_epoch = row["score"], epoch + 1
            self.best = _copied(task.model)
        progress.history.append(row)
        progress.epoch, self.partial = epoch + 1, None
        report(task, row, settings, progress)
        self._pause()

    def _train(self, epoch, partial):
        """The steps of an epoch that are left."""
        saved = partial.generators
        batches = tqdm(
            self.task.train_batches(epoch, partial.steps),
            desc=f"{self.task.name} epoch {epoch + 1}/{self.settings.epochs}",
            initial=partial.steps,
            disable=not sys.stderr.isatty(),
            leave=False,
        )
        for batch in batches:
            if saved:
                saved = _set_generators(saved)
            self._step(batch, epoch, partial)
            self._pause()
        if saved:  # nothing was left but to validate
            _set_generators(saved)
        if not partial.steps:
            raise InputError(
                "an epoch has no batch", expected="at least one", fix="Lower batch_size."
            )

    def _step(self, batch, epoch, partial):
        task, scaler = self.task, self.scaler
        task.optimizer.zero_grad(set_to_none=True)
        losses = task.losses(batch, epoch)
        total = losses["total"]
        if not math.isfinite(total.item()):
            raise InputError(
                f"the loss is {total.item()}",
                key=f"epoch {epoch + 1}, step {partial.steps + 1}, "
                f"learning rate {task.optimizer.param_groups[0]['lr']:.3g}",
                expected="a finite loss",
                fix="Lower the learning rate, or look at the input of this step.",
            )
        scaler.scale(total).backward()
        if self.settings.clip_norm is not None:
            scaler.unscale_(task.optimizer)
            torch.nn.utils.clip_grad_norm_(task.model.parameters(), self.settings.clip_norm)
        scaler.step(task.optimizer)
        scaler.update()
        for name, value in losses.items():
            partial.sums[name] = partial.sums.get(name, 0.0) + value.item()
        partial.steps += 1

    def _pause(self):
        """Between two steps: save where it is time or a signal came, which then ends the run."""
        if self.checkpoints.due() or requested():
            self._save()
        if requested():
            raise Stopped(requested())

    def _save(self, generators=None):
        task, progress, partial = self.task, self.progress, self.partial
        if partial is not None:
            partial.generators = generators or _generators()
            partial.seconds, self._since = self._spent(), time.perf_counter()
        state = {
            "model": task.model.state_dict(),
            "optimizer": task.optimizer.state_dict(),
            "scheduler": task.scheduler.state_dict() if task.scheduler is not None else None,
            "scaler": self.scaler.state_dict(),
            "progress": vars(progress),
            "partial": None if partial is None else vars(partial),
        }
        with deferred():
            self.checkpoints.save(state, progress.best_epoch, self.best)
        self.best = None

    def _spent(self):
        """Seconds spent on the epoch at hand, by earlier processes too."""
        return self.partial.seconds + time.perf_counter() - self._since

    def _resume(self):
        state = self.checkpoints.load()
        if state is None:
            return
        task = self.task
        task.model.load_state_dict(state["model"])
        task.optimizer.load_state_dict(state["optimizer"])
        if task.scheduler is not None:
            task.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])
        self.progress = Progress(**state["progress"])
        self.partial = Partial(**state["partial"]) if state["partial"] else None
        within = f" and {self.partial.steps} steps" if self.partial else ""
        log.info("%s: resuming after epoch %d%s", task.name, self.progress.epoch, within)


def _generators():
    """States of torch's global generators: the CPU's and that of the device in use."""
    devices = [torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *devices]


def _set_generators(states):
    """Set what `_generators` gave; returns an empty list."""
    torch.set_rng_state(states[0])
    if len(states) > 1 and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(states[1])
    return []


def _copied(model):
    return {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}


def _validate(task, epoch, settings):
    """The score after an epoch; None where it is not finite or not due.

    A signal ends it at once, unless the networks change in it.
    """
    if epoch % settings.validate_every:
        return None
    task.model.train(task.validates_in_training_mode)
    with contextlib.nullcontext() if task.validates_in_training_mode else immediate():
        score = float(task.score(epoch))
    return score if math.isfinite(score) else None
