"""Parity of the trainings of MM-IMDB and CMU-MOSEI: steps, updates and validation, in float64.

Everything follows from the record: networks from the shapes of its keys, settings from its
`arguments`. Where the authors' way and ours part, the record's case says which is meant and the
project's own switch is set: frozen experts in training mode (`freeze: authors`), parts of low-rank
fusion that are not trained (`untrained`), networks of one modality validated in training mode.
"""

import re
from types import SimpleNamespace

import torch

import fixture_rules as rules
from dynmm.models.experts.dynamic_build import freeze
from dynmm.tasks import load_task
from dynmm.training.modality.dynamic import OBJECTIVE, DynamicTraining
from dynmm.training.modality.experts import ExpertTraining
from dynmm.training.resource_term import resource_term
from parity_checks import mmimdb, mosei
from recorded_training import (
    Recorder,
    compare_updates,
    float64,
    load_weights,
    relative,
    without_dropout,
)

CPU = torch.device("cpu")
FREEZE = {False: False, True: "authors", "eval": True}
UNTRAINED = {
    "gpu": ("factors", "fusion_weights", "fusion_bias"),
    "cpu": ("factors",),
    "all_trained": (),
}


def check_training(record, folder):
    """Every case of a record: each a training of its own, from the same weights."""
    with float64():
        return [
            (f"{name}:{label}", deviation, bound)
            for name, case in record["cases"].items()
            for label, deviation, bound in _Case(record, case).check()
        ]


class _Case:
    def __init__(self, record, case):
        self.record, self.case, self.arguments = record, case, case["arguments"]
        shapes = dict(case.get("keys", record["keys"]) + case.get("extra_keys", []))
        self.name = "mosei" if "lengths" in record["batches"][0] else "mmimdb"
        self.is_dynamic = any(key.startswith("gate.") for key in shapes)
        self.unimodal = "_uni.py" in record["architecture"]
        self.keys = {self._our_key(k): (k, s) for k, s in shapes.items() if self._our_key(k)}
        self.model = self._build(shapes)

    def check(self):
        task = self._task()
        network = task.dynamic if self.is_dynamic else self.model
        recorder = Recorder(task, network)
        clip = self.arguments.get("clip", self.record["reference_training"]["clip"])
        found = recorder.train(epochs=1, seed=0, clip_norm=clip)
        updates = {theirs: found[ours] for ours, (theirs, _) in self.keys.items()}
        bounds = self.case["tolerance_float64"]
        return [
            *recorder.compare(self.case["steps"], bounds),
            *compare_updates(updates, self.case["updates"], bounds["updates"]),
            *self._validation(task, bounds["losses"]),
            ("optimizer", float(type(task.optimizer).__name__ != self._optimizer()["class"]), 0.0),
        ]

    def _optimizer(self):
        return self.case["optimizer"]

    def _our_key(self, key):
        return self._checks().our_key(key) if self.is_dynamic else key

    def _checks(self):
        return {"mmimdb": mmimdb, "mosei": mosei}[self.name]

    def _build(self, shapes):
        sizes = {i["name"]: i["shape"][-1] for i in self.record["batches"][0]["inputs"]}
        mine = dict(self.keys.values())
        if self.name == "mosei":
            heads = mosei.heads_of(self.record)
            if "0.conv.weight" in shapes:  # of one modality: the one whose size this is
                read = shapes["0.conv.weight"][1]
                sizes = {name: size for name, size in sizes.items() if size == read}
            build = mosei.dynamic_of if self.is_dynamic else mosei.expert_of
            model = build(mine, sizes, heads)
        else:
            if "0.fc.weight" in shapes:
                read = shapes["0.fc.weight"][1]
                sizes = {name: size for name, size in sizes.items() if size == read}
            lrtf = self.arguments.get("lrtf")
            options = {"untrained": UNTRAINED[lrtf]} if lrtf else {}
            build = mmimdb.dynamic_of if self.is_dynamic else mmimdb.expert_of
            model = build(mine, sizes, **options)
        factors = self.arguments.get("weight_factors", self.record.get("weight_factors", {}))
        return load_weights(without_dropout(model.double()), self.keys, factors)

    def _task(self):
        arguments = self.arguments
        settings = {
            "learning_rate": arguments["learning_rate"],
            "weight_decay": arguments["weight_decay"],
            "augmentation": {"noise": None, "missing": 0.0},
            "validation_mode": "train" if self.unimodal else "eval",
        }
        batches = [self._batch(rule) for rule in self.record["batches"]]
        data = {
            "train": _Split(batches),
            "validation": _Split(self._validation_batches()),
            "seed": 0,
            "device": CPU,
        }
        task = _Recorded(load_task(self.name))
        if not self.is_dynamic:
            return ExpertTraining("x", task, self.model, settings, **data)
        settings |= {
            "epochs": 1,
            "cost_convention": "authors",
            "gumbel": False,
            "temperature": [arguments["tau"], arguments["tau"]],
            "resource_weight": arguments["lambda"],
            "mode": "straight_through" if arguments["hard"] else "soft",
            "inference": "hard",
            "validation_gate": "training",
            "select_by": OBJECTIVE,
        }
        freeze(self.model, FREEZE[arguments["freeze"]])
        return DynamicTraining("x", task, self.model, settings, [1.0, 2.0], **data)

    def _validation(self, task, bound):
        """Losses on the validation split, and the macro F1 that the authors' code printed."""
        stored = self.case["validation"]
        targets = task.validation.targets
        with torch.no_grad():
            task.model.train(task.validates_in_training_mode)
            if not self.is_dynamic:
                (outputs,) = task.on_validation(lambda batch: (task._predict(batch),))
                loss = float(task.task.loss(outputs, targets))
                found = {"validation_task_loss": loss, "validation_loss": loss}
            else:
                mode = "soft" if not self.arguments["hard"] else "hard"
                result = []

                def predict(batch):
                    given = task.dynamic.infer(batch["inputs"], mode, self.arguments["tau"])
                    result.append(given.weights)
                    return given.outputs, given.weights

                outputs, weights = task.on_validation(predict)
                found = {
                    "validation_task_loss": float(task.task.loss(outputs, targets)),
                    "validation_expert_weight": float(resource_term(weights, task.costs)),
                    "validation_loss": task.score(0),
                }
        cases = [(name, relative(found[name], value), bound) for name, value in stored.items()]
        printed = re.search(r"f1 macro: ([\d.]+)", " ".join(self.case["printed"]))
        if printed:
            score = load_task(self.name).score(outputs, targets)
            cases.append(("macro_f1", abs(score - float(printed[1])), 6e-4))
        return cases

    def _validation_batches(self):
        batches = []
        for rule in self.record["validation_batches"]:
            batch = self._batch(rule)
            first = rule.get("use_first", len(batch["targets"]))
            batches.append(
                {
                    "inputs": {name: x[:first] for name, x in batch["inputs"].items()},
                    "targets": batch["targets"][:first],
                }
            )
        return batches

    def _batch(self, rule):
        inputs = {}
        for item in rule["inputs"]:
            values = rules.input_for(item["rng"], item["shape"]) * item["scale"]
            inputs[item["name"]] = torch.from_numpy(values.astype("float32")).double()
        if "lengths" in rule:
            inputs["lengths"] = torch.tensor(rule["lengths"])
            for name, x in inputs.items():
                if name != "lengths":
                    valid = torch.arange(x.shape[1]) < inputs["lengths"].unsqueeze(1)
                    inputs[name] = x * valid.unsqueeze(2)
        label = rule["labels"]
        random = rules.rng(label["rng"])
        if self.name == "mosei":
            targets = (random.integers(-9, 10, size=label["shape"]) / 3).astype("float32")
        else:
            targets = random.standard_normal(label["shape"]) > 0.5
        return {"inputs": inputs, "targets": torch.from_numpy(targets).double()}


class _Split:
    """Batches that stand for a split."""

    input_sizes = ()  # no modality is corrupted

    def __init__(self, batches):
        self.parts, start = [], 0
        for batch in batches:
            count = len(batch["targets"])
            self.parts.append({**batch, "index": torch.arange(start, start + count)})
            start += count
        self.targets = torch.cat([batch["targets"] for batch in batches])

    def to(self, device):
        return self


class _Recorded(SimpleNamespace):
    """A task that trains and validates on the batches of the record."""

    def __init__(self, task):
        super().__init__(
            loss=task.loss,
            score=task.score,
            score_name=task.score_name,
            higher_is_better=task.higher_is_better,
            training_batches=lambda split, settings, seed, epoch: split.parts,
            evaluation_batches=lambda split, settings: split.parts,
        )


HANDLERS = {"train_(imdb|mosei)_.*": check_training}
