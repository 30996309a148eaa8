"""Parity of the segmentation trainings: three epochs of one step each, in float64.

Everything follows from the record. The gate's kinds (`--epoch-ini`, `--epoch-hard`) become one
schedule of the run; Stage I gets the paths that the authors' code drew.
"""

import re
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F

import fixture_rules as rules
from dynmm.models.gate_relaxation import temperature_at
from dynmm.models.segmentation import dynamic_esanet
from dynmm.models.segmentation.build import build_segmentation
from dynmm.training.gate_schedule import gate_in
from dynmm.training.segmentation import task as segmentation
from parity_checks.segmentation import network_of
from recorded_training import Recorder, compare_updates, float64, load_weights, relative

CPU = torch.device("cpu")
SCALES = (1, 8, 16, 32)


def check_training(record, folder):
    """Every case of a record: each a training of its own, from the same weights."""
    with float64():
        return [
            (f"{name}:{label}", deviation, bound)
            for name, case in record["cases"].items()
            for label, deviation, bound in _check_case(record, case)
        ]


def _check_case(record, case):
    arguments, steps = case["arguments"], case["steps"]
    model = build_segmentation(
        "dynamic", network_of(record["constructor"]), record["constructor"]["num_classes"]
    )
    names = {key: (key, shape) for key, shape in record["keys"]}
    load_weights(model.double(), names, _factors(record))
    task = _task(record, case, model)
    recorder, seen = Recorder(task, model), {"losses": [], "weights": []}
    drawn = iter([step.get("paths") for step in steps])

    def given_paths(batch, paths, generator=None, device=None):
        return F.one_hot(torch.tensor(next(drawn)), paths).float()

    def keep(module, inputs, outputs):
        seen["weights"].append(outputs[1].detach())

    one_scale = segmentation.cross_entropy_2d

    def keep_loss(*given):
        loss = one_scale(*given)
        seen["losses"].append(loss.item())
        return loss

    handle = model.register_forward_hook(keep)
    with (
        mock.patch.object(dynamic_esanet, "random_paths", given_paths),
        mock.patch.object(segmentation, "cross_entropy_2d", keep_loss),
    ):
        updates = recorder.train(epochs=len(steps), seed=0)
    handle.remove()
    bounds = case["tolerance_float64"]
    cases = [
        *recorder.compare(steps, bounds),
        *compare_updates(updates, case["updates"], bounds["updates"]),
    ]
    losses = np.array(seen["losses"]).reshape(len(steps), len(SCALES))
    for place, step in enumerate(steps):
        deviation = np.abs(losses[place] / np.array(step["losses"]) - 1).max()
        cases.append((f"step{place}:losses", float(deviation), bounds["losses"]))
        if "gate_weights" in step:
            difference = seen["weights"][place].numpy() - np.array(step["gate_weights"])
            cases.append((f"step{place}:gate_weights", np.abs(difference).max(), 1e-6))
        if step["random"]:
            kind = "random"
        elif arguments["baseline"]:
            kind = "static"
        else:
            kind = "straight_through" if step["hard"] else "soft"
            temperature = task.epoch_values(place)["temperature"]
            deviation = relative(temperature, step["temperature"])
            cases.append((f"step{place}:temperature", deviation, 1e-8))
        cases.append((f"step{place}:gate", float(gate_in(place, task.settings) != kind), 0.0))
    return cases


def _task(record, case, model):
    arguments = case["arguments"]
    settings = {
        "epochs": arguments["epochs"],
        "batch_size": arguments["batch_size"],
        # as given on the command line: ours is scaled by the batch like theirs
        "learning_rate": float(re.search(r"--lr (\S+)", case["command"])[1]),
        "momentum": arguments["momentum"],
        "weight_decay": arguments["weight_decay"],
        "cost_convention": "authors",
        "resource_weight": arguments["loss_ratio"],
        "gumbel": False,
        "precision": "float32",
        "channels_last": False,
        **gate_settings(arguments),
    }
    task = segmentation.SegmentationTask(
        "x",
        model,
        "dynamic",
        settings,
        class_weights=torch.tensor(record["class_weights"], dtype=torch.float32),
        path_madds=record["depth_enc_flop_G"],
        train_batches=lambda epoch, start=0: [_batch(record["batches"][epoch])],
        validation_batches=None,
        validation_labels=None,
        device=CPU,
    )
    task.score = lambda epoch: 1.0
    hard_from = arguments["epoch_hard"]
    if 0 < hard_from < len(case["steps"]):
        # theirs goes on falling below its end under the hard gate, ours stays there
        task._temperature = lambda epoch: temperature_at(
            epoch, arguments["temp"], arguments["end_temp"], hard_from
        )
    return task


def gate_settings(arguments):
    """Settings of the gate over a run, from the authors' arguments."""
    if arguments["baseline"]:
        return {"gate": "static", "temperature": [1.0, 1.0]}
    first, hard = arguments["epoch_ini"], arguments["epoch_hard"]
    kinds = [
        ("random", first),
        ("soft", hard - first),
        ("straight_through", arguments["epochs"] - max(first, hard)),
    ]
    start, end = arguments["temp"], arguments["end_temp"]
    return {
        "gate": [[kind, epochs] for kind, epochs in kinds if epochs > 0],
        "temperature": [start, end if hard else start],
        "anneal_epochs": hard or None,
    }


def _batch(rule):
    images = {
        item["name"]: torch.from_numpy(rules.input_for(item["rng"], item["shape"])).double()
        for item in rule["inputs"]
    }
    uniform = rules.rng(rule["labels"]["rng"]).uniform(size=rule["labels"]["shape"])
    label = np.floor(41 * uniform**2).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    labels = [torch.from_numpy(label[:, ::rate, ::rate].copy()) for rate in SCALES]
    return {**images, "labels": labels}


def _factors(record):
    """Key -> factor: the first pattern that matches a whole key counts."""
    found = {}
    for key, _ in record["keys"]:
        for pattern, factor in record.get("weight_factors", []):
            if re.fullmatch(pattern, key):
                found[key] = np.float32(factor)
                break
    return found


HANDLERS = {"train_nyu_.*": check_training}
