"""Short trainings through the project's own loop, and how far they are from a fixture's record.

The records hold the authors' numbers in float64 (fixtures/README.md). Everything here computes in
float64 too, so that the bounds can be tight.
"""

import contextlib
import tempfile
from pathlib import Path
from unittest import mock

import torch

import fixture_rules as rules
from dynmm.errors import InputError
from dynmm.training import loop
from dynmm.training.checkpoints import Checkpoints
from dynmm.training.run_directory import RunDirectory

STEP = ("task", "resource", "total", "grad_norm", "grad_norm_at_step", "learning_rate", "momentum")
KIND = {  # whose tolerance a recorded number has
    "grad_norm": "grad_norm",
    "grad_norm_at_step": "grad_norm",
}


@contextlib.contextmanager
def float64():
    """Inside, torch makes float64 tensors."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def load_weights(model, names, factors=()):
    """Fill a float64 model by the fixtures' rule.

    Args:
        model: the module.
        names: our key -> (their key, shape).
        factors: their key -> factor, applied in float32.
    """
    factors = dict(factors)
    values = {}
    for ours, (theirs, shape) in names.items():
        value = torch.from_numpy(rules.tensor_for(theirs, shape))
        values[ours] = value * factors[theirs] if theirs in factors else value
    model.load_state_dict(values, strict=True)
    return model


def without_dropout(model):
    """The model with p = 0 in every dropout, as the records were made."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return model


class Recorder:
    """Trains a task with `loop.fit` and keeps what each step did.

    Args:
        task: a `TrainingTask`.
        network: the module whose changes are wanted.
    """

    def __init__(self, task, network):
        self.task, self.network = task, network
        self.steps, self._norm = [], None

    def train(self, **settings):
        """Run `fit` over `settings` of `LoopSettings`; returns each tensor's change."""
        before = {key: value.clone() for key, value in self.network.state_dict().items()}
        losses, clip = self.task.losses, torch.nn.utils.clip_grad_norm_

        def record_losses(batch, epoch):
            found = losses(batch, epoch)
            step = {name: value.item() for name, value in found.items()}
            step.setdefault("task", step["total"])
            step.setdefault("resource", 0.0)
            self.steps.append(step | self.task.epoch_values(epoch))
            return found

        def record_clip(*arguments, **options):
            self._norm = clip(*arguments, **options)
            return self._norm

        def record_step(optimizer, *_):
            group = optimizer.param_groups[0]
            norms = [
                p.grad.norm()
                for g in optimizer.param_groups
                for p in g["params"]
                if p.grad is not None
            ]
            at_step = float(torch.stack(norms).norm())
            self.steps[-1] |= {
                "grad_norm": at_step if self._norm is None else float(self._norm),
                "grad_norm_at_step": at_step,
                "learning_rate": group["lr"],
                **{key: group[key] for key in ("momentum", "nesterov") if key in group},
                "weight_decay": group["weight_decay"],
            }

        self.task.losses = record_losses
        handle = self.task.optimizer.register_step_pre_hook(record_step)
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(torch.nn.utils, "clip_grad_norm_", record_clip),
        ):
            checkpoints = RunDirectory(folder, "0" * 64, {}).checkpoints
            loop.fit(self.task, checkpoints, loop.LoopSettings(**settings))
        handle.remove()
        return {key: value - before[key] for key, value in self.network.state_dict().items()}

    def compare(self, expected, tolerance):
        """[(name, deviation, bound)] of the recorded steps against those of a fixture."""
        if len(self.steps) != len(expected):
            raise ValueError(f"{len(self.steps)} steps, {len(expected)} recorded")
        cases = []
        for place, (found, stored) in enumerate(zip(self.steps, expected, strict=True)):
            for name in STEP:
                if name in stored:
                    bound = tolerance[KIND.get(name, "losses")]
                    cases.append(
                        (f"step{place}:{name}", relative(found[name], stored[name]), bound)
                    )
            for name in ("nesterov", "weight_decay"):
                if name in stored:
                    cases.append((f"step{place}:{name}", float(found[name] != stored[name]), 0.0))
        return cases


def relative(value, expected):
    """Relative deviation; absolute where 0 is expected."""
    return abs(value - expected) / (abs(expected) or 1.0)


def compare_updates(updates, expected, tolerance):
    """[(name, deviation, bound)] of changes of tensors, by the authors' keys.

    Args:
        updates: their key -> change of the tensor.
        expected: their key -> stored summary.
        tolerance: a bound, or one a key.
    """
    cases = []
    for key, stored in expected.items():
        bound = tolerance[key] if isinstance(tolerance, dict) else tolerance
        case = stored.get("positions_rng", key).removeprefix("positions:")
        cases.append((f"update:{key}", rules.compare(stored, case, updates[key].numpy()), bound))
    return cases


class Scores:
    """A `TrainingTask` that trains one number and has given validation scores (None: NaN)."""

    name = "scores"
    scheduler = None
    validates_in_training_mode = False

    def __init__(self, scores, higher_is_better):
        self.scores, self.higher_is_better = scores, higher_is_better
        self.score_name = "score"
        self.model = torch.nn.Linear(1, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.seen = []

    def train_batches(self, epoch, start=0):
        return [epoch]

    def losses(self, batch, epoch):
        return {"total": self.model.weight.square().sum()}

    def score(self, epoch):
        self.seen.append(epoch)
        score = self.scores[epoch]
        return float("nan") if score is None else score

    def epoch_values(self, epoch):
        return {}


def course(task, **settings):
    """(epochs done, epochs whose weights were kept) of a run, both counted from 1."""
    kept, done = [], []

    class Recording(Checkpoints):
        def save(self, state, best_epoch, best):
            if best is not None:
                kept.append(best_epoch)
            if state["partial"] is None:
                done.append(state["progress"]["epoch"])

        def store_best(self, epoch, tensors):
            assert epoch == kept[-1]

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InputError):
        loop.fit(
            task, Recording(Path(folder), 0, lambda: None), loop.LoopSettings(seed=0, **settings)
        )
    return len(done), kept
