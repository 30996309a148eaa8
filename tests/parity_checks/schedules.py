"""Parity of what happens over a whole run: learning rates, temperatures, when training ends and
which epoch is kept."""

from types import SimpleNamespace

import torch

from dynmm.models.gate_relaxation import temperature_at
from dynmm.training.gate_schedule import gate_in
from dynmm.training.modality.dynamic import OBJECTIVE, DynamicTraining
from dynmm.training.segmentation.task import SegmentationTask
from parity_checks.segmentation_training import gate_settings
from recorded_training import Scores, course, relative

BOUND = 1e-8
PATIENCE = 7
TO_BEAT = {True: 0.0, False: 10_000.0}  # the authors' first "best so far", of F1 and of a loss


def check_early_stopping(record, folder):
    """How many epochs, and which were kept, for given scores."""
    cases = []
    for place, case in enumerate(record["cases"]):
        higher = "higher is better" in case["score"]
        task = Scores(case["scores"], higher)
        cases += _course(f"{place}:{case['name']}", task, case, to_beat=TO_BEAT[higher])
    return cases


def check_dynamic_validation(record, folder):
    """As `check_early_stopping`, of the objective that DynamicTraining computes."""
    cases = []
    for place, case in enumerate(record["cases"]):
        task = _Objective(case)
        for epoch, expected in enumerate(case["validation_loss"]):
            deviation = relative(task.score(epoch), expected)
            cases.append((f"{place}:loss{epoch}", deviation, 1e-5))  # recorded to 5 digits
        cases += _course(str(place), task, case, to_beat=TO_BEAT[False])
    return cases


def check_segmentation_best(record, folder):
    """Which epochs are validated and kept; the record counts epochs from 0."""
    cases = []
    for place, case in enumerate(record["cases"]):
        task, scores = Scores(case["scores"], True), case["scores"]
        _, kept = course(task, epochs=len(scores), validate_every=case["eval_every"], to_beat=0.0)
        expected = [epoch + 1 for epoch in case["saved_epochs"]]
        seen = list(range(0, len(scores), case["eval_every"]))
        cases += [
            (f"{place}:kept", float(kept != expected), 0.0),
            (f"{place}:best", float(kept[-1] != case["best_epoch"] + 1), 0.0),
            (f"{place}:validated", float(task.seen != seen), 0.0),
            (f"{place}:miou", abs(scores[kept[-1] - 1] - case["best_miou"]), 0.0),
        ]
    return cases


def check_one_cycle(record, folder):
    """Learning rate and momentum of each epoch; ours also has a cycle where theirs fails."""
    cases = []
    for run in record["runs"]:
        name = f"{run['epochs']} epochs, batch {run['batch_size']}"
        rates, momenta = _cycle(run)
        if "error" in run:
            cases.append((f"{name}:peak", relative(max(rates), run["lr"]), 0.1))
            continue
        pairs = [("rate", rates, run["learning_rate"]), ("momentum", momenta, run["momentum"])]
        for key, found, expected in pairs:
            deviations = [relative(f, e) for f, e in zip(found, expected, strict=True)]
            cases.append((f"{name}:{key}", max(deviations), BOUND))
    return cases


def check_temperature(record, folder):
    """The temperature and the kind of gate of each epoch."""
    cases = []
    for place, run in enumerate(record["runs"]):
        start, end, epochs = run["temp"], run["end_temp"], run["epoch_hard"]
        deviations = [
            relative(temperature_at(epoch, start, end, epochs), expected)
            for epoch, expected in enumerate(run["temperature"])
        ]
        cases.append((f"{place}:temperature", max(deviations), BOUND))
        settings = gate_settings({**run, "baseline": False})
        found = [gate_in(epoch, settings) for epoch in range(run["epochs"])]
        expected = [
            "straight_through" if kind == "hard" else kind
            for kind, count in run["gate"]
            for _ in range(count)
        ]
        cases.append((f"{place}:gate", float(found != expected), 0.0))
    return cases


def _course(name, task, case, **settings):
    scores = getattr(task, "scores", case.get("validation_loss"))
    done, kept = course(task, epochs=len(scores), patience=PATIENCE, **settings)
    best = kept[-1] if kept else None
    return [
        (f"{name}:epochs", float(done != case["epochs_done"]), 0.0),
        (f"{name}:kept", float(kept != case["saved_epochs"]), 0.0),
        (f"{name}:best", float(best != case["best_epoch"]), 0.0),
    ]


class _Objective(Scores):
    """The score of DynamicTraining for given task losses and mean weights of the last expert."""

    def __init__(self, case):
        super().__init__(case["task_loss"], higher_is_better=False)
        self.case = case
        settings = {
            "learning_rate": 0.1,
            "weight_decay": 0.0,
            "cost_convention": "authors",
            "resource_weight": case["lossw"],
            "temperature": [1.0, 1.0],
            "epochs": 1,
            "mode": "soft",
            "inference": "hard",
            "validation_gate": "training",
            "select_by": OBJECTIVE,
        }
        model = torch.nn.Module()
        model.gate, model.constant_experts = torch.nn.Linear(1, 2), False
        task = SimpleNamespace(
            score_name="loss", higher_is_better=False, loss=lambda outputs, targets: outputs.mean()
        )
        split = SimpleNamespace(targets=None)
        split.to = lambda device: split
        self.training = DynamicTraining(
            "x",
            task,
            model,
            settings,
            [1.0, 2.0],
            train=split,
            validation=split,
            seed=0,
            device=torch.device("cpu"),
        )

    def score(self, epoch):
        weight = self.case["expert_weight"][epoch]
        found = [
            torch.tensor([[self.case["task_loss"][epoch]]], dtype=torch.float64),
            torch.tensor([[1 - weight, weight]], dtype=torch.float64),
        ]
        self.training.on_validation = lambda predict: found
        return self.training.score(epoch)


def _cycle(run):
    model = torch.nn.Linear(1, 1)
    settings = {
        "epochs": run["epochs"],
        "batch_size": run["batch_size"],
        "learning_rate": run["lr"],
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "precision": "float32",
        "channels_last": False,
    }
    task = SegmentationTask(
        "x",
        model,
        "static",
        settings,
        class_weights=torch.ones(40),
        path_madds=None,
        train_batches=None,
        validation_batches=None,
        validation_labels=None,
        device=torch.device("cpu"),
    )
    rates, momenta = [], []
    for _ in range(run["epochs"]):
        (group,) = task.optimizer.param_groups
        rates.append(group["lr"])
        momenta.append(group["momentum"])
        task.optimizer.step()
        task.scheduler.step()
    return rates, momenta


HANDLERS = {
    "schedule_early_stopping.*": check_early_stopping,
    "schedule_dynamic_validation.*": check_dynamic_validation,
    "schedule_segmentation_best.*": check_segmentation_best,
    "schedule_one_cycle.*": check_one_cycle,
    "schedule_temperature.*": check_temperature,
}
