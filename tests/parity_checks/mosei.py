"""Parity of the CMU-MOSEI data, experts, gate and scores with the authors' code.

The state-dict keys of a record tell which network it is and all its sizes but the heads.
"""

import pickle
import re
import tempfile
from pathlib import Path

import numpy as np
import torch

import fixture_rules as rules
from dynmm.data.mosei.batches import SequenceSplit
from dynmm.data.mosei.prepare import prepare
from dynmm.data.mosei.raw import FILE
from dynmm.metrics.regression import sentiment_scores
from dynmm.models.experts import mosei as mosei_experts
from dynmm.models.experts.dynamic import DynamicExperts
from dynmm.models.experts.transformer_gate import TransformerGate
from dynmm.training.resource_term import expert_costs, resource_term
from dynmm.vocabulary import MOSEI_MODALITIES

TOLERANCE = 1e-4
HEADS = 5  # of every transformer of the authors' code, unless the record says otherwise
UNIMODAL = {
    "vision": mosei_experts.VideoTransformer,
    "audio": mosei_experts.AudioTransformer,
    "text": mosei_experts.TextTransformer,
}
DYNAMIC_PREFIXES = {
    "text_encoder.": "experts.text.0.",
    "text_head.": "experts.text.1.",
    "branch2.": "experts.fusion.",
    "gate.": "gate.",
}


def check_network(record, folder):
    """A record of one expert, or of the dynamic network if it has a gate."""
    torch.manual_seed(0)
    shapes, heads = dict(record["keys"]), heads_of(record)
    if any(key.startswith("gate.") for key in shapes):
        return _check_dynamic(record, shapes, heads)
    first = next(iter(record["cases"].values()))
    expert = expert_of(shapes, _sizes(first), heads)
    rules.load_rule_weights(expert, keys=record["keys"])
    expert.eval()
    with torch.no_grad():
        return [
            (case, _compare(record["outputs"][case], case, expert(_inputs(rule))), TOLERANCE)
            for case, rule in record["cases"].items()
        ]


def check_loader(record, folder):
    """What is left of the tiny raw file, gathered into the batches of the record."""
    cases = []
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary)
        (raw / FILE).write_bytes(pickle.dumps(rules.tiny_mosei(), 4))
        prepare(raw, raw / "prepared", {})
        splits = {
            name: SequenceSplit.open(raw / "prepared", name) for name in ("train", "valid", "test")
        }
        for name, batches in record["batches"].items():
            split = splits.get(name.split("_")[0])
            if split is None:
                continue
            padded_to = 50 if name.endswith("max_pad") else None
            first = 0
            for number, expected in enumerate(batches):
                count = expected["shapes"][0][0]
                rows = expected.get("inds", np.arange(first, first + count))
                batch = split.rows(torch.tensor(np.ravel(rows)))
                first += count
                cases += _check_batch(f"{name}{number}", batch, expected, padded_to)
        sizes = [len(split) for split in splits.values()]
        cases.append(("sizes", float(sizes != record["batches"]["sizes"]), 0.0))
        for name, ids in record["batches"]["ids_after_drop"].items():
            found = [sample.decode().partition("[")[0] for sample in splits[name].ids]
            cases.append((f"ids:{name}", float(found != ids), 0.0))
    return cases


def check_metrics(record, folder):
    """The scores of a list of predictions, by the rules of both code bases."""
    found = sentiment_scores(record["pred"], record["true"])
    expected = {
        "acc2": record["supervised_learning_single_test_L1mean"]["Accuracy"],
        "acc2_nonzero": record["multibench_unimodal_single_test_excluding_zero"]["Accuracy"],
        "mae": record["true_mae"],
        "pearson_r": record["true_pearson_of_scores"],
        "corr_binarised": record["affect_dyn_single_test_L1sum"]["Corr"],
    }
    return [(name, abs(found[name] - value), 1e-7) for name, value in expected.items()]


def _check_batch(name, batch, expected, padded_to):
    inputs = batch["inputs"]
    tensors = [inputs[modality] for modality in MOSEI_MODALITIES]
    shapes = [[len(t), padded_to or t.shape[1], t.shape[2]] for t in tensors]
    cases = [(f"{name}:shapes", float(shapes != expected["shapes"]), 0.0)]
    found = {
        "sums": [t.double().sum().item() for t in tensors],
        "abs_sums": [t.double().abs().sum().item() for t in tensors],
        "per_sample_sums": [t.double().sum((1, 2)).tolist() for t in tensors],
        "first_row": [t[0, 0, :3].tolist() for t in tensors],
        "last_row": [t[-1, -1, :3].tolist() for t in tensors],
        "labels": batch["targets"].tolist(),
        "lengths": [inputs["lengths"].tolist()] * len(tensors),
    }
    for key, values in found.items():
        if key in expected:
            wanted = np.array(expected[key], np.float64)
            scale = max(np.abs(wanted).max(), 1e-12)
            deviation = float(np.abs(np.array(values) - wanted).max() / scale)
            cases.append((f"{name}:{key}", deviation, 1e-6))
    return cases


def _check_dynamic(record, shapes, heads):
    sizes = _sizes(next(iter(record["cases"].values())))
    model = dynamic_of(shapes, sizes, heads).eval()
    weights = {
        our_key(key): torch.from_numpy(rules.tensor_for(key, shape))
        for key, shape in shapes.items()
    }
    model.load_state_dict(weights, strict=True)
    temperature = float(re.search(r"temp=([\d.]+)", record["architecture"]).group(1))
    cases = []
    with torch.no_grad():
        for case, rule in record["cases"].items():
            found = _dynamic_outputs(model, _inputs(rule), temperature)
            for name, expected in record["outputs"][case].items():
                deviation = _compare(expected, f"{case}:{name}", found[name])
                cases.append((f"{case}:{name}", deviation, TOLERANCE))
            hard = record["outputs"][case]["hard_pred"]
            cases.append((f"{case}:infer", _compare(hard, case, found["infer"]), TOLERANCE))
        if "padding_dependence" in record:
            cases += _check_padding(record, model)
    return cases


def _dynamic_outputs(model, inputs, temperature):
    """Every output of a record's case, by name."""
    costs = expert_costs([1.0] * len(model.experts), "authors")
    found = {"infer": model.infer(inputs).outputs}
    for name, mode in (("hard", "straight_through"), ("soft", "soft")):
        result = model(inputs, mode, temperature)
        found |= {
            f"{name}_weight": result.weights,
            f"{name}_pred": result.outputs,
            f"{name}_loss": resource_term(result.weights, costs).reshape(1),
        }
    found["gate_logits"] = result.gate_logits
    found["infer_mode1_pred"] = result.expert_outputs[:, 0]
    found["infer_mode2_pred"] = result.expert_outputs[:, 1]
    found["infer_mode-1_pred"] = result.expert_outputs.mean(dim=1)
    return found


def _check_padding(record, model):
    """One sample in its batch and alone: the authors' readout tells them apart."""
    stored = record["padding_dependence"]
    sample, case = re.match(r"sample (\d+) of (\w+)", stored["note"]).groups()
    together = _inputs(record["cases"][case])
    row = slice(int(sample), int(sample) + 1)
    length = stored["length"]
    alone = {name: x[row] if name == "lengths" else x[row, :length] for name, x in together.items()}
    text = model.experts["text"]
    found = {
        "text_pred_in_batch": text(together)[row],
        "text_pred_alone": text(alone),
        "gate_logits_in_batch": model.gate(together)[row],
        "gate_logits_alone": model.gate(alone),
    }
    cases = []
    for name, tensor in found.items():
        wanted = np.ravel(stored[name])
        deviation = np.abs(tensor.numpy().ravel() - wanted).max() / np.abs(wanted).max()
        cases.append((f"padding:{name}", float(deviation), TOLERANCE))
    return cases


def dynamic_of(shapes, sizes, heads):
    """The dynamic network that has these parameters, reading out as the authors do."""
    text = {f"0.{k}": v for k, v in _stripped(shapes, "text_encoder.").items()}
    text |= {f"1.{k}": v for k, v in _stripped(shapes, "text_head.").items()}
    experts = {
        "text": expert_of(text, {"text": sizes["text"]}, heads),
        "fusion": expert_of(_stripped(shapes, "branch2."), sizes, heads),
    }
    gate = TransformerGate(
        sizes,
        shapes["gate.1.weight"][0],
        width=shapes["gate.0.conv.weight"][0],
        **_transformer(shapes, "gate.0.", heads),
    )
    return DynamicExperts(experts, gate)


def our_key(key):
    """Our name of a parameter of the dynamic network."""
    prefix = next(prefix for prefix in DYNAMIC_PREFIXES if key.startswith(prefix))
    return DYNAMIC_PREFIXES[prefix] + key.removeprefix(prefix)


def expert_of(shapes, sizes, heads):
    """The expert that has these parameters, reading out as the authors do."""
    if "0.conv.weight" in shapes:
        (modality,) = sizes
        return UNIMODAL[modality](
            sizes,
            shapes["1.fc2.weight"][0],
            width=shapes["0.conv.weight"][0],
            hidden=shapes["1.fc.weight"][0],
            **_transformer(shapes, "0.", heads),
        )
    if "head.0.conv.weight" in shapes:
        return mosei_experts.EarlyFusionTransformer(
            sizes,
            shapes["head.1.fc2.weight"][0],
            width=shapes["head.0.conv.weight"][0],
            hidden=shapes["head.1.fc.weight"][0],
            **_transformer(shapes, "head.0.", heads),
        )
    if "encoders.0.conv.weight" in shapes:
        return mosei_experts.LateFusionTransformer(
            sizes,
            shapes["head.fc2.weight"][0],
            widths=[shapes[f"encoders.{i}.conv.weight"][0] for i in range(len(MOSEI_MODALITIES))],
            hidden=shapes["head.fc.weight"][0],
            **_transformer(shapes, "encoders.0.", heads),
        )
    if "head.0.gru.weight_hh_l0" in shapes:
        return mosei_experts.EarlyFusionGru(
            sizes,
            shapes["head.1.fc2.weight"][0],
            width=shapes["head.0.gru.weight_hh_l0"][1],
            hidden=shapes["head.1.fc.weight"][0],
        )
    return mosei_experts.LateFusionGru(
        sizes,
        shapes["head.fc2.weight"][0],
        widths=[shapes[f"encoders.{i}.gru.weight_hh_l0"][1] for i in range(len(MOSEI_MODALITIES))],
        hidden=shapes["head.fc.weight"][0],
    )


def _transformer(shapes, prefix, heads):
    """The options of a transformer with these parameters."""
    layers = {
        k.split("layers.")[1].split(".")[0] for k in _stripped(shapes, prefix) if "layers" in k
    }
    return {
        "heads": heads,
        "layers": len(layers),
        "feedforward": shapes[f"{prefix}transformer.layers.0.linear1.weight"][0],
        "readout": "authors",
    }


def heads_of(record):
    """Attention heads of a record's transformers."""
    found = re.search(r"nhead=(\d+)", f"{record['architecture']} {record.get('constructor')}")
    return int(found.group(1)) if found else HEADS


def _inputs(rule):
    """The inputs of a case: random steps, zeros beyond each length."""
    lengths = torch.tensor(rule["lengths"])
    inputs = {"lengths": lengths}
    for item in rule["inputs"]:
        values = torch.from_numpy(rules.input_for(item["rng"], item["shape"]))
        valid = torch.arange(values.shape[1]) < lengths.unsqueeze(1)
        inputs[item["name"]] = values * valid.unsqueeze(2)
    return inputs


def _sizes(rule):
    return {item["name"]: item["shape"][2] for item in rule["inputs"]}


def _stripped(shapes, prefix):
    return {k.removeprefix(prefix): v for k, v in shapes.items() if k.startswith(prefix)}


def _compare(expected, case, tensor):
    case = expected.get("positions_rng", case).removeprefix("positions:")
    return rules.compare(expected, case, tensor.detach().numpy())


HANDLERS = {
    "mosei_loader.*": check_loader,
    "mosei_metrics.*": check_metrics,
    "mosei_.*": check_network,
}
