"""The routing study of both modality-level tasks from what real evaluations stored."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dynmm.data.manifest import read_manifest
from dynmm.errors import InputError
from dynmm.evaluation.modality.budgets import BudgetedGate
from dynmm.models.experts.dynamic_build import dynamic_from, trained_part
from dynmm.models.weights import save_weights
from dynmm.tasks import load_gating, load_routing, load_task
from modality_runs import EXPERTS, GATES, prepared
from training_programs import training_of

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
DESCRIBED = {"preset": "p", "content": "made up", "paper_data": False, "select_on": "validation"}
LOADING = {"batch_size": 4, "by_length": True}
STUDY = {"draws": 200, "bootstrap": 200, "feature_madds_m": {"image": 2}}
BUDGETS = [{"share": 0.5}, {"share": 0}]
NAMES = ["text", "both"]
SEEDS = (0, 1)


def program(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def evaluate(folder, task, name, manifest, seed, config, weights, experts=()):
    folder.mkdir(parents=True, exist_ok=True)
    arguments = SimpleNamespace(
        config=config,
        task=task,
        name=name,
        prepared=manifest,
        training=[
            training_of(path, epochs=1 + place) for place, path in enumerate([weights, *experts])
        ],
        folds=[],
        seed=seed,
        metrics=folder / "metrics.json",
        predictions=folder / "predictions.npz",
    )
    program("evaluate_modality").main(arguments)
    return folder


def dynamic_config(task, weight, freeze, inference="hard", mode="straight_through"):
    point = {"lambda": weight, "tau": "1", "mode": mode, "freeze": str(freeze).lower()}
    return {
        "experts": EXPERTS[task],
        "gate": GATES[task],
        "evaluation": LOADING,
        "point": point,
        "budgets": BUDGETS if inference == "hard" and freeze else [],
        "freeze": freeze,
        "inference": inference,
        "temperature": 1.0,
        **DESCRIBED,
    }


@pytest.fixture(scope="module", params=["mmimdb", "mosei"])
def study(request, tmp_path_factory):
    """A task's folder, its manifest and the folders of everything that was evaluated in it."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    manifest, task = prepared(name, root), load_task(name)
    load_gating(name)
    stored = read_manifest(manifest.parent, name)
    sizes, outputs = stored["input_sizes"], task.outputs(stored)
    folders = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        model = dynamic_from(name, dynamic_config(name, "0", True), sizes, outputs)
        weights = []
        for entry, expert in zip(EXPERTS[name], model.experts.values(), strict=True):
            folder = root / "experts" / entry["name"] / f"seed{seed}"
            weights.append(folder / "weights.safetensors")
            folder.mkdir(parents=True)
            save_weights(expert, weights[-1])
            config = {"expert": entry, "evaluation": LOADING, **DESCRIBED}
            folders.append(
                evaluate(folder, name, entry["name"], manifest, seed, config, weights[-1])
            )
            validation = task.open(manifest.parent, task.splits[1])
            rng = np.random.default_rng(seed)
            np.save(
                folder / "outputs_validation.npy",
                rng.normal(size=validation.targets.shape).astype(np.float32),
            )
        for weight, freeze, inference in (
            ("0.1", True, "hard"),
            ("0.2", False, "hard"),
            ("0", True, "soft"),
        ):
            folder = root / "dynamic" / f"{weight}-{freeze}-{inference}" / f"seed~{seed}"
            folder.mkdir(parents=True)
            model.constant_experts = freeze
            if not freeze:  # the experts move on with the gate
                for parameter in model.experts.parameters():
                    parameter.data += 0.3 * torch.randn_like(parameter)
            save_weights(trained_part(model), folder / "weights.safetensors")
            mode = "soft" if inference == "soft" else "straight_through"
            config = dynamic_config(name, weight, freeze, inference, mode)
            file = folder / "weights.safetensors"
            folders.append(evaluate(folder, name, "dynmm", manifest, seed, config, file, weights))
    return SimpleNamespace(name=name, root=root, manifest=manifest, folders=folders)


def run(study, out, **changes):
    arguments = SimpleNamespace(
        config=STUDY,
        task=study.name,
        prepared=study.manifest,
        metrics=[folder / "metrics.json" for folder in study.folders],
        predictions=[folder / "predictions.npz" for folder in study.folders],
        validation=sorted(study.root.glob("experts/*/*/outputs_validation.npy")),
        out=out,
    )
    vars(arguments).update(changes)
    program("evaluate_routing").main(arguments)
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def found(study):
    return run(study, study.root / "routing.json")


def stored(study, part):
    (folder,) = [f for f in study.folders if part in str(f) and f.name in ("seed~0", "seed0")]
    record = json.loads((folder / "metrics.json").read_text())
    return record, dict(np.load(folder / "predictions.npz"))


def test_experts_that_trained_with_the_gate_are_stored_with_it(study):
    _, frozen = stored(study, "0.1-True")
    assert "expert_outputs" not in frozen
    _, own = stored(study, "0.2-False")
    rows = np.arange(len(own["chosen"]))
    assert own["expert_outputs"][rows, own["chosen"]] == pytest.approx(own["outputs"], abs=1e-5)
    splits = read_manifest(study.manifest.parent, study.name)["splits"]
    _, validation, _ = splits
    assert own["validation_expert_outputs"].shape[:2] == (splits[validation], 2)


def test_what_went_into_a_model_is_told(study):
    expert, _ = stored(study, "experts/text")
    assert expert["epochs"] == {"own": 1, "in_all": 1}
    assert (expert["model"], expert["width"]) == ("text", 1) and "family" not in expert
    dynamic, _ = stored(study, "0.1-True")
    assert dynamic["epochs"] == {"own": 1, "in_all": 1 + 2 + 3}
    assert "width" not in dynamic


def test_gates_over_frozen_experts_share_a_group_and_others_have_their_own(study, found):
    routing = load_routing(study.name)
    assert list(found["scores"]) == list(routing.SCORES)
    assert found["paths"] == NAMES and found["draws"] == 200
    for by_score in found["scores"].values():
        frozen, own = by_score["groups"]
        assert [point["point"].get("budget") for point in frozen["points"]] == [
            None,
            "share 0.5",
            "share 0",
        ]
        assert {point["point"]["lambda"] for point in frozen["points"]} == {"0.1"}
        assert [point["point"]["lambda"] for point in own["points"]] == ["0.2"]
        assert own["points"][0]["family"] == "tau 1, mode straight_through, freeze false"
        assert len(frozen["fixed"]) == 2 and own["fixed"] == []
        assert [row["seed"] for row in frozen["points"][0]["seeds"]] == list(SEEDS)


def test_scores_and_costs_are_those_of_the_evaluations(study, found):
    for part, place in (("0.1-True", 0), ("0.2-False", 1)):
        record, predictions = stored(study, part)
        for score, by_score in found["scores"].items():
            row = by_score["groups"][place]["points"][0]["seeds"][0]
            assert row["gate"] == pytest.approx(record["metrics"][score])
            madds = record["madds"]["complete"]
            assert row["costs"]["total"]["gate"] == pytest.approx(madds["total"])
            share = predictions["chosen"].mean()
            cost = madds["experts"]
            assert row["costs"]["total"]["cascade"] == pytest.approx(
                cost["text"] + share * cost["both"]
            )
    for name, path in zip(NAMES, found["scores"][score]["groups"][0]["fixed"], strict=True):
        record, _ = stored(study, f"experts/{name}")
        assert path[0]["score"] == pytest.approx(record["metrics"][score])
        assert path[0]["costs"]["total"] == record["madds"]["complete"]["total"]


def test_a_gate_may_lack_a_seed(study, found, tmp_path):
    """Its seed alone is left out: the paths under all gates are those of any that has the seed."""
    (seed_1,) = (f for f in study.folders if "0.1-True" in str(f) and f.name == "seed~1")
    folder = shutil.copytree(seed_1, tmp_path / "dynamic" / "0.05" / "seed~1")
    record = json.loads((folder / "metrics.json").read_text())
    record["point"]["lambda"] = "0.05"
    (folder / "metrics.json").write_text(json.dumps(record))
    folders = [folder, *study.folders]
    several = run(
        study,
        tmp_path / "routing.json",
        metrics=[one / "metrics.json" for one in folders],
        predictions=[one / "predictions.npz" for one in folders],
    )
    for score, by_score in several["scores"].items():
        group, whole = by_score["groups"][0], found["scores"][score]["groups"][0]
        short, *points = [p for p in group["points"] if "budget" not in p["point"]]
        assert [row["seed"] for row in short["seeds"]] == [1]
        assert points == [p for p in whole["points"] if "budget" not in p["point"]]
        assert [[row["seed"] for row in path] for path in group["fixed"]] == [list(SEEDS)] * 2
        assert (
            group["fixed"] == whole["fixed"]
            and group["curves"]["random"] == whole["curves"]["random"]
        )


def test_a_gate_at_a_budget_is_the_same_gate_with_other_choices(study, found):
    record, predictions = stored(study, "0.1-True")
    task, (half, none) = load_task(study.name), record["budgets"]
    samples = len(predictions["chosen"])
    validation = task.open(study.manifest.parent, task.splits[1])
    step = 1 / len(validation)  # an odd number of samples has no half
    assert half["budget"]["on_validation"] == pytest.approx(0.5, abs=0.51 * step)
    offsets = np.array(half["budget"]["offsets"])
    assert offsets[0] == 0
    chosen = (predictions["gate_logits"] - offsets).argmax(1)
    assert half["budget"]["on_test"] == pytest.approx(chosen.mean())
    assert half["expert_shares"]["both"] == pytest.approx(chosen.mean())
    assert none["budget"]["on_validation"] == 0
    assert none["budget"]["offsets"][1] > offsets[1]
    for score, by_score in found["scores"].items():
        trained, at_half, at_none = by_score["groups"][0]["points"]
        assert at_half["family"] == at_none["family"] == "DynMM, one gate (λ 0.1)"
        row = at_half["seeds"][0]
        assert row["shares"] == pytest.approx([1 - chosen.mean(), chosen.mean()])
        assert row["gate"] == pytest.approx(half["metrics"][score])
        assert row["auc"] == pytest.approx(trained["seeds"][0]["auc"]), "an offset ranks alike"
        assert row["costs"]["total"]["gate"] == pytest.approx(half["madds"]["complete"]["total"])
    assert samples == record["samples"]


@pytest.mark.parametrize("unit", ["madds_m", "ms"])
def test_other_units_of_a_budget_count_the_gate(study, unit):
    config = dynamic_config(study.name, "0.1", True)
    manifest, task = read_manifest(study.manifest.parent, study.name), load_task(study.name)
    splits = [task.open(study.manifest.parent, part) for part in task.splits[1:]]
    model = dynamic_from(study.name, config, manifest["input_sizes"], task.outputs(manifest)).eval()
    gate = BudgetedGate(model, task, *splits, LOADING, torch.device("cpu"), [1e6, 5e6, 0.5e6])
    if unit == "madds_m":
        cheap, dear = 1.5, 5.5
    else:  # measured once: the gate on every sample, and each expert
        cheap, dear = sorted(gate._costs("ms"))
    _, found = gate.run({unit: (cheap + dear) / 2})
    step = (dear - cheap) / len(splits[0])
    assert found["on_validation"] == pytest.approx((cheap + dear) / 2, abs=0.51 * step)
    assert found["unit"] == unit
    if unit == "madds_m":
        assert cheap <= found["on_test"] <= dear
    with pytest.raises(InputError, match="budget"):
        gate.run({unit: 2 * dear})


def test_the_static_networks_are_the_experts_and_the_soft_gate(study, found):
    assert [(entry["run"], entry["point"] is None) for entry in found["static"]] == [
        ("text", True),
        ("both", True),
        ("dynmm", False),
    ]
    record, _ = stored(study, "0-True-soft")
    row = found["static"][2]["seeds"][0]
    assert row["costs"]["total"] == record["madds"]["complete"]["total"]
    for score in found["scores"]:
        assert row["scores"][score] == record["metrics"][score]


def test_features_from_raw_are_paid_by_those_that_read_them(study, found):
    (row, *_) = next(iter(found["scores"].values()))["groups"][0]["points"][0]["seeds"]
    costs = row["costs"]
    if study.name == "mosei":
        assert "image" not in study.manifest.read_text() and costs["from_raw"] == costs["total"]
        return
    extra = {
        policy: costs["from_raw"][policy] - costs["total"][policy] for policy in costs["total"]
    }
    share = row["shares"][1]
    image = 2e6  # the text expert reads none; gate, oracle and router read both for every film
    assert extra == pytest.approx(
        {
            "gate": image,
            "oracle": image,
            "linear": image,
            "random": share * image,
            "cascade": share * image,
        }
    )
    (text, both, _) = (entry["seeds"][0]["costs"] for entry in found["static"])
    assert text["from_raw"] == text["total"] and both["from_raw"] == both["total"] + image


def test_the_router_is_fitted_on_the_validation_split(study, found, tmp_path):
    """Other outputs there change nothing but its choices."""
    other = tmp_path / "experts"
    files = []
    for path in sorted(study.root.glob("experts/*/*/outputs_validation.npy")):
        np.save(path.with_name("kept.npy"), np.load(path))
        np.save(path, -3 * np.load(path) + 1)
        files.append(path)
    try:
        changed = run(study, other.with_suffix(".json"))
    finally:
        for path in files:
            path.with_name("kept.npy").replace(path)
    for score in found["scores"]:
        before, after = (
            one["scores"][score]["groups"][0]["points"][0]["seeds"][0] for one in (found, changed)
        )
        assert {k: v for k, v in before.items() if k != "linear"} == {
            k: v for k, v in after.items() if k != "linear"
        }


def test_without_feature_costs_there_is_no_such_column(study, tmp_path):
    bare = run(study, tmp_path / "routing.json", config={**STUDY, "feature_madds_m": {}})
    (row, *_) = next(iter(bare["scores"].values()))["groups"][0]["points"][0]["seeds"]
    assert list(row["costs"]) == ["total"]


def test_predictions_of_other_experts_are_refused(study, tmp_path):
    """A gate whose experts moved on, without their outputs: the stored ones are not under it."""
    folder = next(f for f in study.folders if "0.2-False" in str(f))
    path = folder / "predictions.npz"
    kept = path.read_bytes()
    arrays = dict(np.load(path))
    del arrays["expert_outputs"]
    np.savez(path, **arrays)
    try:
        with pytest.raises(InputError, match="not those under the gate"):
            run(study, tmp_path / "routing.json")
        arrays["ids"] = arrays["ids"][::-1]
        np.savez(path, **arrays)
        with pytest.raises(InputError, match="other samples"):
            run(study, tmp_path / "routing.json")
    finally:
        path.write_bytes(kept)


def test_a_missing_file_is_named(study, tmp_path):
    with pytest.raises(InputError, match=r"missing; file: .*outputs_validation\.npy"):
        run(study, tmp_path / "routing.json", validation=[])
