"""Noise and missing modalities in training: who is hit, by how much, and that nobody else is."""

import copy
import re

import pytest
import torch
import yaml

import modality_runs as runs
from dynmm.configuration import modality, robustness
from dynmm.configuration.grid import all_points, grid_points
from dynmm.configuration.validation import validate
from dynmm.data.noise import with_noise
from dynmm.models.experts.availability import availability_mask
from dynmm.models.experts.dynamic_build import dynamic_from, gate_from
from dynmm.tasks import load_gating
from dynmm.training.loop import LoopSettings, fit
from dynmm.training.modality.corruption import corrupted
from dynmm.training.modality.dynamic import DynamicTraining, train_dynamic
from dynmm.training.modality.experts import ExpertTraining, open_data, train_expert
from dynmm.training.modality.stored_outputs import save_stored, with_stored
from test_configuration import CONFIG, SCHEMA, changed, refusal
from test_feature_noise import SIZES, split_of
from workflow_tree import ROOT, configured

SAMPLES = 11
NOISE = {"share": 0.5, "level": 2.0}
BOTH = {"noise": NOISE, "missing": 0.4}
OFF = {"noise": None, "missing": 0.0}
SEED = 5


@pytest.fixture(params=["mmimdb", "mosei"])
def split(request):
    return split_of(request.param)


def names_of(split):
    return tuple(split.input_sizes)


def batches_of(split, *parts):
    return [split.rows(torch.tensor(part)) for part in parts]


def samples(split, augmentation, *, parts=None, modalities=None, seed=SEED, epoch=0):
    """Sample -> (modality -> its own values, mask), of one epoch."""
    names = names_of(split)
    batches = batches_of(split, *(parts or [range(SAMPLES)]))
    found = {}
    for batch in corrupted(batches, augmentation, modalities or names, names, seed, epoch):
        inputs = batch["inputs"]
        for row, place in enumerate(batch["index"].tolist()):
            steps = slice(int(inputs["lengths"][row])) if "lengths" in inputs else slice(None)
            values = {name: inputs[name][row, steps] for name in names}
            padding = [inputs[name][row, steps.stop :] for name in names] if steps.stop else []
            assert not any(part.any() for part in padding)
            mask = inputs["available"][row].tolist() if "available" in inputs else None
            found[place] = values, mask
    return found


def hit(split, found, place):
    """Modalities in which a sample differs from what is stored."""
    clean = samples(split, OFF)[place][0]
    return [name for name, x in found[place][0].items() if not torch.equal(x, clean[name])]


def same(first, second):
    return all(
        mask == second[place][1] and all(torch.equal(x, second[place][0][n]) for n, x in v.items())
        for place, (v, mask) in first.items()
    )


def test_without_corruption_the_batches_are_the_same_objects(split):
    batches = batches_of(split, range(4))
    assert next(corrupted(batches, OFF, names_of(split), names_of(split), 0, 0)) is batches[0]


def test_draws_follow_seed_epoch_and_sample_and_no_batch(split):
    found = samples(split, BOTH)
    assert same(found, samples(split, BOTH))
    assert same(found, samples(split, BOTH, parts=[[7, 2], [0, 1, 9, 10], [3, 8, 4, 6, 5]]))
    assert not same(found, samples(split, BOTH, epoch=1))
    assert not same(found, samples(split, BOTH, seed=SEED + 1))


def test_noise_falls_on_one_modality_of_about_its_share_of_samples(split):
    augmentation, names = {"noise": NOISE, "missing": 0.0}, names_of(split)
    counts, epochs = dict.fromkeys(names, 0), 60
    for epoch in range(epochs):
        found = samples(split, augmentation, epoch=epoch)
        for place in found:
            modalities = hit(split, found, place)
            assert len(modalities) <= 1
            for name in modalities:
                counts[name] += 1
    total = epochs * SAMPLES
    assert sum(counts.values()) / total == pytest.approx(NOISE["share"], abs=0.07)
    for count in counts.values():
        assert count / total == pytest.approx(NOISE["share"] / len(names), abs=0.06)


def test_noise_has_a_level_of_its_own_up_to_the_largest_in_units_of_the_sample(split):
    levels = []
    for epoch in range(80):
        found = samples(split, {"noise": {"share": 1.0, "level": 2.0}, "missing": 0.0}, epoch=epoch)
        clean = samples(split, OFF)
        for place, (values, _) in found.items():
            (name,) = hit(split, found, place)
            x = clean[place][0][name]
            levels.append(((values[name] - x) / x.abs().mean()).square().mean().sqrt().item())
    levels = torch.tensor(levels)
    assert levels.mean().item() == pytest.approx(1.0, abs=0.1)  # uniform in [0, 2]
    assert levels.square().mean().item() == pytest.approx(4 / 3, abs=0.2)


def test_the_formula_is_that_of_the_evaluation():
    x, normal = torch.tensor([3.0, -1.0]), torch.tensor([1.0, 2.0])
    assert with_noise(x, 0.5, normal).tolist() == [4.0, 1.0]


def test_a_missing_modality_is_zero_and_named_and_one_is_left(split):
    names, lost, epochs = names_of(split), 0, 60
    for epoch in range(epochs):
        found = samples(split, {"noise": None, "missing": 0.4}, epoch=epoch)
        for place, (values, mask) in found.items():
            gone = [name for name in names if not values[name].any()]
            assert mask == [name not in gone for name in names]
            assert gone == hit(split, found, place) and len(gone) <= 1
            lost += len(gone)
    assert lost / (epochs * SAMPLES) == pytest.approx(0.4, abs=0.07)


def test_each_kind_leaves_the_draws_of_the_other(split):
    both, missing = samples(split, BOTH), samples(split, {"noise": None, "missing": 0.4})
    noise = samples(split, {"noise": NOISE, "missing": 0.0})
    for place, (values, mask) in both.items():
        assert mask == missing[place][1]
        for there, name in zip(mask, names_of(split), strict=True):
            assert torch.equal(values[name], noise[place][0][name] if there else 0 * values[name])


def test_one_modality_is_never_missing_and_gets_noise_alone(split):
    found = samples(split, BOTH, modalities=("text",))
    plain = samples(split, {"noise": NOISE, "missing": 0.0}, modalities=("text",))
    assert same(found, plain)
    assert {name for place in found for name in hit(split, found, place)} == {"text"}


def test_stored_samples_are_left_as_they_are(split):
    before = copy.deepcopy(batches_of(split, range(SAMPLES))[0]["inputs"])
    batch = batches_of(split, range(SAMPLES))[0]
    list(corrupted([batch], BOTH, names_of(split), names_of(split), 0, 0))
    assert all(torch.equal(before[name], batch["inputs"][name]) for name in before)


class Case:
    """Small prepared data of a task and two experts with stored outputs."""

    def __init__(self, name, folder):
        self.task, self.manifest = runs.task_of(name), runs.prepared(name, folder)
        self.networks = {"experts": runs.EXPERTS[name], "gate": runs.GATES[name]}
        self.splits, self.sizes, self.outputs = open_data(self.task, self.manifest)

    def training(self, splits, **changes):
        torch.manual_seed(SEED)
        model = dynamic_from(self.task.name, self.networks, self.sizes, self.outputs)
        data = {"train": splits[0], "validation": splits[1], "seed": SEED, "device": runs.CPU}
        settings = {**runs.POINT, **changes}
        return DynamicTraining("x", self.task, model.freeze_experts(), settings, [1.0, 2.0], **data)


@pytest.fixture(scope="module", params=["mmimdb", "mosei"])
def case(request, tmp_path_factory):
    return Case(request.param, tmp_path_factory.mktemp(request.param))


def test_an_expert_trains_on_other_samples_and_is_validated_on_clean_ones(case, tmp_path):
    losses, first = {}, {}
    for name, augmentation in (("off", OFF), ("both", BOTH), ("again", BOTH)):
        training = {**runs.TRAINING, "augmentation": augmentation, "learning_rate": 1e-12}
        config = {"expert": case.networks["experts"][1], "training": training}
        directory = runs.directory(tmp_path / name)
        run = train_expert("x", case.task, config, case.manifest, SEED, runs.CPU, directory)
        losses[name] = [row["total_loss"] for row in run.history]
        first[name] = run.history[0]["score"]
    assert losses["both"] == losses["again"] != losses["off"]
    if case.task.name == "mosei":  # batch norm's statistics follow the samples of the training
        assert first["both"] == pytest.approx(first["off"], rel=1e-4)


def test_an_expert_feels_what_falls_on_its_own_modalities(case):
    expert = runs.EXPERTS[case.task.name][0]
    model = torch.nn.Linear(2, 2)
    model.modalities = (expert["name"],)
    settings = {**runs.TRAINING, "augmentation": BOTH}
    data = {"train": case.splits[0], "validation": case.splits[1], "seed": 0, "device": runs.CPU}
    training = ExpertTraining("x", case.task, model, settings, **data)
    assert training.corruptible() == (expert["name"],)


def test_a_killed_training_on_corrupted_samples_goes_on_with_the_same_numbers(case, tmp_path):
    found = []
    for epochs in ((4,), (2, 4)):
        directory = runs.directory(tmp_path / str(len(epochs)))
        for until in epochs:
            task = case.training(case.splits, augmentation=BOTH)
            settings = LoopSettings(epochs=until, seed=SEED)
            progress, _ = fit(task, directory.checkpoints, settings)
        found.append(runs.without_time(progress.history))
    assert found[0] == found[1]


def test_a_gate_over_frozen_experts_runs_them_on_the_corrupted_samples(case, tmp_path):
    weights, stored = [], []
    model = case.training(case.splits).dynamic
    for name, expert in model.experts.items():
        weights.append(tmp_path / f"{name}.safetensors")
        runs.save(expert, weights[-1])
        stored.append(tmp_path / f"{name}.npy")
        save_stored(torch.zeros(len(case.splits[1]), case.outputs), stored[-1])
    training = {**runs.POINT, "augmentation": BOTH, "validation_gate": "training"}
    config = {**case.networks, "training": training}
    places = (case.manifest, weights, [[], stored])
    directory = runs.directory(tmp_path / "resume")
    run = train_dynamic(
        "x", case.task, load_gating(case.task.name), config, *places, SEED, runs.CPU, directory
    )
    assert all(name.startswith("gate.") for name in run.weights)
    validation = with_stored(case.splits[1], stored, 2)
    task = case.training([case.splits[0], validation], augmentation=BOTH)
    by_hand = runs.directory(tmp_path / "by hand").checkpoints
    progress, _ = fit(task, by_hand, LoopSettings(epochs=3, seed=SEED))
    assert not any(expert.training for expert in task.dynamic.experts.values())
    assert len(progress.history) == len(run.history)
    # stored outputs of zeros: every epoch has their score
    assert len({row["score"] for row in run.history}) == 1


@pytest.mark.parametrize("name", ["mmimdb", "mosei"])
def test_a_gate_with_availability_reads_the_mask_and_counts_it(name):
    sizes, extra = SIZES[name], len(SIZES[name])
    settings = runs.GATES[name]
    with_mask = {**settings, "options": {**settings["options"], "availability": True}}
    plain, gate = gate_from(name, settings, sizes, 2, 1), gate_from(name, with_mask, sizes, 2, 1)
    gate.eval()
    inputs = split_of(name).rows(torch.arange(4))["inputs"]
    everything = torch.ones(4, extra, dtype=torch.bool)
    assert torch.equal(gate(inputs), gate({**inputs, "available": everything}))
    without = everything.clone()
    without[1, 0] = False
    changed_rows = (gate(inputs) != gate({**inputs, "available": without})).any(1)
    assert changed_rows.tolist() == [False, True, False, False]
    gating = load_gating(name)
    read = settings["options"]["hidden"] if name == "mmimdb" else 2  # outputs of the layer
    for convention, count in gating.count_madds(gate, sizes).items():
        assert count - gating.count_madds(plain, sizes)[convention] == extra * read
    torch.manual_seed(0)
    first = gate_from(name, settings, sizes, 2, 1)
    torch.manual_seed(0)
    off = {**settings, "options": {**settings["options"], "availability": False}}
    second = gate_from(name, off, sizes, 2, 1).state_dict()
    assert all(torch.equal(value, second[key]) for key, value in first.state_dict().items())


def test_a_mask_is_of_the_features_kind():
    inputs = {"text": torch.zeros(2, 3), "available": torch.tensor([[True, False], [True, True]])}
    assert availability_mask(inputs, ("text", "image")).tolist() == [[1.0, 0.0], [1.0, 1.0]]
    del inputs["available"]
    assert availability_mask(inputs, ("text", "image")).tolist() == [[1.0, 1.0]] * 2


def test_an_expert_s_own_augmentation_goes_over_the_shared_one():
    own = {"noise": dict(NOISE), "missing": 0.1}
    config = changed(("mmimdb", "experts", "text", "training"), {"augmentation": own})
    assert modality.expert_training(config, "mmimdb", "text")["training"]["augmentation"] == own
    other = modality.expert_training(config, "mmimdb", "image")["training"]["augmentation"]
    assert other == CONFIG["mmimdb"]["training"]["augmentation"]


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (("missing",), 1.0, "augmentation.missing"),
        (("noise",), {"share": 0.5}, "augmentation.noise.level"),
        (("noise",), {"share": 0.0, "level": 1.0}, "augmentation.noise.share"),
        (("noise",), 0.5, "augmentation.noise"),
    ],
)
def test_bad_augmentation_is_refused(path, value, key):
    config = changed(("mosei", "dynamic", "augmentation", *path), value)
    assert refusal(config).key == f"mosei.dynamic.{key}"


def test_cross_fitted_gates_refuse_corrupted_samples():
    config = changed(("mmimdb", "grid", "freeze"), [True, "cross_fitted"])
    config["mmimdb"]["dynamic"]["augmentation"] = {"noise": None, "missing": 0.2}
    error = refusal(config)
    assert "augmentation" in error.key and "cross_fitted" in error.expected


def test_a_named_gate_has_an_augmentation_of_its_own():
    own = {"noise": None, "missing": 0.3}
    gate = {"title": "x", "lambda": 0, "tau": 1, "mode": "straight_through", "freeze": True}
    gate |= {"budgets": [], "dynamic": {"augmentation": own}}
    config = changed(("mmimdb", "gates", "dropout"), gate)
    point = next(p for p in all_points(config["mmimdb"]) if p.get("gate") == "dropout")
    assert modality.dynamic_training(config, "mmimdb", point)["training"]["augmentation"] == own
    assert not modality.reads_stored_train(config["mmimdb"], point)
    assert modality.reads_stored_train(config["mmimdb"], grid_points(config["mmimdb"])[0])


def test_the_gate_of_the_page_is_trained_and_swept_as_it_says():
    page = (ROOT / "docs" / "robustness.md").read_text()
    (block,) = re.findall(r"```yaml\n# config/dropout.yaml\n(.*?)```", page, re.DOTALL)
    config = configured(yaml.safe_load(block))
    validate(config, SCHEMA)
    point = robustness.noise_point(config, "mmimdb", "dropout")
    assert point["gate"] == "dropout"
    swept = robustness.feature_noise(config, "mmimdb", "dropout")
    assert swept["gate"]["options"]["availability"] is True
    training = modality.dynamic_training(config, "mmimdb", point)["training"]
    assert training["augmentation"]["missing"] > 0
