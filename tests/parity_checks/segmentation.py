"""Parity of the segmentation networks, their gate and its temperature with the authors' code."""

import ast

import numpy as np
import torch

from dynmm.models.gate_relaxation import relax_gate, temperature_at

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


HANDLERS = {"diffsoftmax": check_gate_relaxation, "exp_decay_temp": check_temperature}
