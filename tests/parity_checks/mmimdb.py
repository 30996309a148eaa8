"""Parity of the MM-IMDB experts, their gate and the F1 scores with the authors' code.

The state-dict keys of a record tell which network it is and all its sizes.
"""

import numpy as np
import torch
import torch.nn.functional as F

import fixture_rules as rules
from dynmm.metrics.multilabel import f1_scores, predicted_labels
from dynmm.models.experts.dynamic import DynamicExperts
from dynmm.models.experts.mlp_gate import MlpGate
from dynmm.models.experts.mmimdb import (
    EarlyFusionExpert,
    ImageExpert,
    LateFusionExpert,
    LowRankTensorFusionExpert,
    MatrixInteractionExpert,
    TextExpert,
)
from dynmm.training.resource_term import expert_costs, resource_term

TOLERANCE = 1e-4
POOL = 2
LAMBDA = 0.1  # of the records' total loss
MODES = {"hard": "straight_through", "soft": "soft"}
DYNAMIC_PREFIXES = {
    "text_encoder.": "experts.text.0.",
    "text_head.": "experts.text.1.",
    "branch3.": "experts.fusion.",
    "gate.": "gate.",
}


def check_imdb(record, folder):
    """A record of one expert, or of the dynamic network if it has a gate."""
    torch.manual_seed(0)
    if any(key.startswith("gate.") for key, _ in record["keys"]):
        return _check_dynamic(record)
    return _check_expert(record)


def check_f1(record, folder):
    """F1 scores and the number of predictions per label."""
    logits, true = np.array(record["logits"], np.float32), np.array(record["true"])
    scores = f1_scores(logits, true)
    counts = predicted_labels(logits).sum(axis=0)
    return [
        ("micro_f1", abs(scores["micro_f1"] - record["f1_micro"]), 1e-12),
        ("macro_f1", abs(scores["macro_f1"] - record["f1_macro"]), 1e-12),
        ("predictions", float(np.abs(counts - record["pred_sum_per_label"]).max()), 0.0),
    ]


def _check_expert(record):
    inputs = _inputs(record)
    shapes = dict(record["keys"] + record.get("extra_keys", []))
    expert = expert_of(shapes, _sizes(inputs))
    _load(expert, {key: (key, shape) for key, shape in shapes.items()})
    expert.eval()
    found = {}
    with torch.no_grad():
        if hasattr(expert, "fuse"):
            encoded = expert.encode(inputs) if hasattr(expert, "encode") else inputs
            found["fused"] = expert.fuse(encoded)
        found["logits"] = expert(inputs)
    return [
        (name, _compare(expected, name, found[name]), TOLERANCE)
        for name, expected in record["outputs"].items()
    ]


def _check_dynamic(record):
    inputs = _inputs(record)
    shapes = {key: shape for key, shape in record["keys"] if our_key(key)}
    model = dynamic_of(shapes, _sizes(inputs)).eval()
    _load(model, {our_key(key): (key, shape) for key, shape in shapes.items()})
    temperature = record["constructor"]["temp"]
    costs = expert_costs([1.0] * len(model.experts), "authors")
    rule = record["target"]
    target = torch.from_numpy((rules.rng(rule["rng"]).standard_normal(rule["shape"]) > 1.0) * 1.0)
    found, gradients = {}, {}
    for name, mode in MODES.items():
        model.zero_grad()
        result = model(inputs, mode, temperature)
        cost = resource_term(result.weights, costs)
        total = F.binary_cross_entropy_with_logits(result.outputs, target.float()) + LAMBDA * cost
        total.backward()
        gradients |= {f"{name}:{key}": p.grad for key, p in model.named_parameters()}
        found |= {
            "gate_logits": result.gate_logits,
            "branch1_logits": result.expert_outputs[:, 0],
            "branch2_logits": result.expert_outputs[:, 1],
            f"{name}_weight": result.weights,
            f"{name}_logits": result.outputs,
            f"{name}_loss": cost.reshape(1),
            f"{name}_total_loss": total.reshape(1),
        }
    found["infer"] = model.infer(inputs).outputs
    cases = [
        (name, _compare(expected, name, found[name]), TOLERANCE)
        for name, expected in record["outputs"].items()
    ]
    hard = record["outputs"]["hard_logits"]
    cases.append(("infer", _compare(hard, "hard_logits", found["infer"]), TOLERANCE))
    for name, expected in record.get("gradients", {}).items():
        mode, key = name.split(":", 1)
        gradient = gradients[f"{mode}:{our_key(key)}"]
        cases.append((f"grad:{name}", _compare(expected, name, gradient), TOLERANCE))
    return cases


def dynamic_of(shapes, sizes):
    """The dynamic network that has these parameters."""
    fusion = _stripped(shapes, "branch3.")
    text = {f"0.{k}": v for k, v in _stripped(shapes, "text_encoder.").items()}
    text |= {f"1.{k}": v for k, v in _stripped(shapes, "text_head.").items()}
    gate = MlpGate(sizes, shapes["gate.fc2.weight"][0], shapes["gate.fc.weight"][0])
    experts = {"text": expert_of(text, {"text": sizes["text"]}), "fusion": expert_of(fusion, sizes)}
    return DynamicExperts(experts, gate)


def our_key(key):
    """Our name of a parameter; None for the image branch, which their network never calls."""
    for theirs, ours in DYNAMIC_PREFIXES.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return None


def expert_of(shapes, sizes, **more):
    """The expert that has these parameters; `more` are options that shapes do not tell."""
    if "0.fc.weight" in shapes:
        cls = TextExpert if "text" in sizes else ImageExpert
        hidden, features = shapes["0.fc.weight"][0], shapes["0.fc2.weight"][0]
        outputs, head_hidden = shapes["1.fc2.weight"]
        return cls(sizes, outputs, hidden, features, head_hidden)
    if "head.op1.lin.weight" in shapes:
        hidden = [shapes[f"head.{name}.lin.weight"][0] // POOL for name in ("op1", "op3")]
        return EarlyFusionExpert(sizes, shapes["head.hid2val.weight"][0], *hidden)
    options = {
        "text_hidden": shapes["encoders.0.op1.lin.weight"][0] // POOL,
        "image_hidden": shapes["encoders.1.op1.lin.weight"][0] // POOL,
        "features": shapes["encoders.0.op3.lin.weight"][0] // POOL,
    }
    outputs = shapes["head.fc.weight"][0]
    if "fuse.W" in shapes:
        return MatrixInteractionExpert(sizes, outputs, fused=shapes["fuse.W"][2], **options)
    if "fuse.fusion_weights" in shapes:
        rank, fused = shapes["fuse.fusion_weights"][1], shapes["fuse.fusion_bias"][1]
        return LowRankTensorFusionExpert(sizes, outputs, fused=fused, rank=rank, **options, **more)
    return LateFusionExpert(sizes, outputs, **options)


def _load(model, names):
    """Fill the model by the rule; `names` maps our key to their key and shape."""
    weights = {
        ours: torch.from_numpy(np.asarray(rules.tensor_for(theirs, shape)))
        for ours, (theirs, shape) in names.items()
    }
    model.load_state_dict(weights, strict=True)


def _inputs(record):
    return {
        item["name"]: torch.from_numpy(rules.input_for(item["rng"], item["shape"]))
        for item in record["inputs"]
    }


def _sizes(inputs):
    return {name: tensor.shape[1] for name, tensor in inputs.items()}


def _stripped(shapes, prefix):
    return {k.removeprefix(prefix): v for k, v in shapes.items() if k.startswith(prefix)}


def _compare(expected, name, tensor):
    case = expected.get("positions_rng", name).removeprefix("positions:")
    return rules.compare(expected, case, tensor.detach().numpy())


HANDLERS = {"imdb_.*": check_imdb, "f1.*": check_f1}
