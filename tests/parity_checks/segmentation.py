"""Parity of the segmentation networks, their gate and its temperature with the authors' code."""

import ast
import re

import numpy as np
import torch

import fixture_rules as rules
from dynmm.models.gate_relaxation import relax_gate, temperature_at
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.dynamic_esanet import PATHS
from dynmm.training.resource_term import path_costs, resource_term

EVAL, TRAIN = 1e-4, 2e-2


def check_gate_relaxation(record, folder):
    cases = []
    for index, case in enumerate(record["cases"]):
        name = f"{index}:{case['name']}:tau{case['tau']}"
        logits = torch.tensor(case["logits"], requires_grad=True)
        mode = "straight_through" if case["hard"] else "soft"
        weights = relax_gate(logits, case["tau"], mode)
        (weights * torch.tensor(case["v"])).sum().backward()
        for kind, got in (("value", weights.detach()), ("grad_of_sum_value_times_v", logits.grad)):
            stored = np.array(case[kind])
            scale = max(np.abs(stored).max(), 1e-6)
            cases.append(
                (f"{name}:{kind}", float(np.abs(got.numpy() - stored).max() / scale), EVAL)
            )
    return cases


def check_temperature(record, folder):
    cases = []
    for arguments, values in record["values"].items():
        start, end, epochs = ast.literal_eval(arguments)
        for epoch, stored in values.items():
            got = temperature_at(int(epoch), start, end, epochs)
            cases.append((f"{arguments}:{epoch}", abs(got - stored) / stored, 1e-12))
    return cases


def check_network(record, folder):
    """Every stored output of a segmentation network; sizes, paths and keys come from the record."""
    arguments = record["constructor"]
    model = build_segmentation("dynamic", network_of(arguments), arguments["num_classes"])
    rules.load_rule_weights(model, keys=record["keys"])
    model.eval()
    images = {
        entry["name"]: torch.from_numpy(rules.input_for(entry["rng"], entry["shape"]))
        for entry in record["inputs"]
    }
    computed, cases = _Outputs(model, images, record), []
    # training mode last: it changes batch norm's averages
    for name in sorted(record["outputs"], key=lambda name: name.startswith("train_")):
        stored = record["outputs"][name]
        tolerance = TRAIN if name.startswith("train_") else EVAL
        for label, value in computed.of(name):
            cases.append((label, rules.compare(stored, name, value.numpy()), tolerance))
    return cases


def network_of(arguments):
    """The config's network block for a fixture's constructor arguments."""
    fixed = {
        "activation": "relu",
        "encoder_decoder_fusion": "add",
        "context_module": "ppm",
        "upsampling": "learned-3x3-zeropad",
    }
    other = {key: arguments[key] for key, value in fixed.items() if arguments[key] != value}
    if other or arguments["encoder_rgb"] != arguments["encoder_depth"]:
        raise ValueError(f"not a network of the paper: {other or 'two kinds of encoder'}")
    return {
        "encoder": arguments["encoder_rgb"],
        "block": arguments["encoder_block"],
        "channels_decoder": arguments["channels_decoder"],
        "nr_decoder_blocks": arguments["nr_decoder_blocks"],
        "fusion": arguments["fuse_depth_in_rgb_encoder"],
        "height": arguments["height"],
        "width": arguments["width"],
        "pretrained": "none",
    }


class _Outputs:
    """Computes what a fixture's output name stands for; each forward pass is run once."""

    def __init__(self, model, images, record):
        self.model, self.images, self.record = model, images, record
        self.temperature = record["constructor"]["temp"]
        self.passes = {}

    @torch.no_grad()
    def of(self, name):
        """[(case, tensor)]: hard paths are computed twice, with and without skipping."""
        gate, _, what = name.partition("_")
        if gate == "train":
            self.model.train()
            outputs, weights = self.forward("soft", self.temperature)
            self.model.eval()
            if what == "loss_flop":
                return [(name, self.cost(weights))]
            return [(name, outputs[("full", "down8", "down16", "down32").index(what)])]
        if name == "gate_logits":
            return [(name, self.model.gate_logits(**self.images))]
        if gate == "gate":
            features = self.model.first_stage(**self.images)
            return [(name, features[("gate_in_rgb", "gate_in_depth").index(name)])]
        if match := re.fullmatch(r"path(\d)", name):
            return self.on_paths(name, [int(match[1])] * len(self.images["rgb"]))
        if match := re.fullmatch(r"mixed_path((?:_\d)+)", name):
            return self.on_paths(name, [int(path) for path in match[1][1:].split("_")])
        mode = {"baseline": "static", "hard": "straight_through", "soft": "soft"}[gate]
        if what.startswith("weight_tau"):
            return [(name, self.forward(mode, float(what.removeprefix("weight_tau")))[1])]
        logits, weights = self.forward(mode, self.temperature)
        if what:
            return [(name, {"weight": weights, "loss": self.cost(weights)}[what])]
        if gate == "hard":
            return [(name, logits), (f"{name}, skipping", self.model.infer(**self.images)[0])]
        return [(name, logits)]

    def forward(self, mode, temperature):
        key = (mode, temperature, self.model.training)
        if key not in self.passes:
            self.passes[key] = self.model(**self.images, mode=mode, temperature=temperature)
        return self.passes[key]

    def on_paths(self, name, paths):
        paths = torch.tensor(paths)
        weights = torch.nn.functional.one_hot(paths, PATHS).float()
        everything, _ = self.model(**self.images, weights=weights)
        skipping, _ = self.model.infer(**self.images, paths=paths)
        return [(name, everything), (f"{name}, skipping", skipping)]

    def cost(self, weights):
        costs = torch.tensor(self.record["depth_enc_flop_G"])
        return resource_term(weights, path_costs(costs, "authors")).reshape(1)


HANDLERS = {
    "diffsoftmax": check_gate_relaxation,
    "exp_decay_temp": check_temperature,
    r"nyu_(?!prep).*": check_network,
}
