"""Gates that read linear probes: closed-form leave-one-out outputs, summaries, training."""

from dataclasses import replace

import pytest
import torch

import modality_runs as runs
from dynmm.errors import InputError
from dynmm.evaluation.modality.results import mean_madds
from dynmm.models.experts.dynamic import madds_by_path
from dynmm.models.experts.dynamic_build import dynamic_from
from dynmm.models.experts.probe_gate import PROBES, GenreProbeGate, SentimentProbeGate
from dynmm.models.experts.registry import build_gate
from dynmm.models.experts.ridge_probe import RidgeProbe
from dynmm.tasks import load_gating
from dynmm.training.modality.dynamic import DynamicTraining, fitted
from dynmm.training.modality.experts import open_data
from dynmm.training.modality.stored_outputs import STORED

OPTIONS = {"probes": [["text"], ["image", "text"]]}


def samples(count, size, outputs, binary, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, size, generator=generator) * 3 + 1
    y = x @ torch.randn(size, outputs, generator=generator) / size
    y = y + 0.3 * torch.randn(count, outputs, generator=generator)
    return x, (y > 0.3).float() if binary else y


def ridge(x, y, strength):
    """The textbook formula on standardised features with an unpenalised constant."""
    x, y = x.double(), y.double()
    mean, deviation = x.mean(0), x.std(0, unbiased=False)
    z = (x - mean) / deviation
    penalty = strength * torch.eye(x.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(z.T @ z + penalty, z.T @ (y - y.mean(0)))
    return lambda new: (new.double() - mean) / deviation @ weight + y.mean(0)


@pytest.mark.parametrize("size", [6, 80], ids=["more samples", "more features"])
def test_a_probe_is_the_ridge_regression_of_its_lowest_leave_one_out_error(size, monkeypatch):
    x, y = samples(40, size, 3, binary=False)
    strengths = torch.tensor([0.5, 30.0, 1e5], dtype=torch.float64)
    monkeypatch.setattr("dynmm.models.experts.ridge_probe.STRENGTHS", strengths)
    probe = RidgeProbe(size, 3, binary=False)
    left_out = probe.fit(x, y)
    errors, outputs = [], []
    for strength in strengths:
        # scale and centre are those of all samples: the strength alone is what is left out for
        z = (x.double() - x.double().mean(0)) / x.double().std(0, unbiased=False)
        design = torch.cat([z, torch.ones(len(z), 1)], 1)
        penalty = strength * torch.eye(size + 1, dtype=torch.float64)
        penalty[-1, -1] = 0
        rows = []
        for row in range(len(x)):
            kept = torch.arange(len(x)) != row
            a, b = design[kept], y.double()[kept]
            rows.append(design[row] @ torch.linalg.solve(a.T @ a + penalty, a.T @ b))
        outputs.append(torch.stack(rows))
        errors.append((outputs[-1] - y).pow(2).mean().item())
    best = errors.index(min(errors))
    torch.testing.assert_close(left_out.double(), outputs[best], rtol=1e-4, atol=1e-4)
    new, _ = samples(9, size, 3, binary=False, seed=1)
    expected = ridge(x, y, strengths[best])(new)
    torch.testing.assert_close(probe(new).double(), expected, rtol=1e-4, atol=1e-4)


def test_a_binary_probe_gives_logits_whose_loss_is_below_that_of_the_shares():
    x, y = samples(300, 10, 4, binary=True)
    probe = RidgeProbe(10, 4, binary=True)
    left_out = probe.fit(x, y)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    prior = torch.logit(y.mean(0)).expand_as(y)
    new, labels = samples(300, 10, 4, binary=True)
    assert loss(left_out, y) < 0.8 * loss(prior, y)
    assert loss(probe(new), labels) < loss(left_out, y), "those were seen"
    assert left_out.mean() == pytest.approx(probe(x).mean().item(), abs=0.1)
    assert not any(p.requires_grad for p in probe.parameters())


def test_the_numbers_of_a_film_are_entropies_and_divergences():
    logits = torch.tensor([[[0.0, 2.0], [1.0, -1.0]]])  # one film, two probes, two genres
    first, second = logits[0].sigmoid().double()

    def entropy(p):
        return -(p * p.log() + (1 - p) * (1 - p).log()).mean().item()

    def divergence(p, q):
        return (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean().item()

    found = GenreProbeGate.summaries(logits)[0].tolist()
    assert found == pytest.approx(
        [entropy(first), divergence(second, first), divergence(first, second), entropy(second)],
        abs=1e-6,
    )


def test_the_numbers_of_a_sentence_are_sizes_and_distances():
    scores = torch.tensor([[[1.0], [-2.0], [0.5]]])
    assert SentimentProbeGate.summaries(scores)[0].tolist() == [1, 2, 0.5, 3, 0.5, 2.5]
    assert SentimentProbeGate.count(3) == 6


def test_probes_of_sequences_read_means_over_the_steps():
    x = torch.tensor([[[1.0], [3.0], [9.0]], [[4.0], [0.0], [0.0]]])
    inputs = {"text": x, "lengths": torch.tensor([2, 1])}
    assert SentimentProbeGate.features(inputs, "text").tolist() == [[2], [4]]


@pytest.mark.parametrize("probes", [[["text"]], [["text"], ["sound"]], [["text"], []]])
def test_probes_that_cannot_be_are_refused(probes):
    with pytest.raises(InputError, match=r"mmimdb\.probes\.probes; .* two or one beside"):
        build_gate("mmimdb", "probes", {"image": 3, "text": 2}, 2, {"probes": probes}, 4)
    with pytest.raises(InputError, match="unknown option"):
        build_gate("mmimdb", "probes", {"image": 3}, 2, {"outputs": 4, "probes": probes}, 4)


@pytest.fixture(params=["mmimdb", "mosei"])
def cascade(request, tmp_path):
    """A model whose gate reads its first expert, its data, and the settings of its gate."""
    name = request.param
    manifest = runs.prepared(name, tmp_path)
    task = runs.task_of(name)
    (train, validation), sizes, outputs = open_data(task, manifest)
    torch.manual_seed(0)
    options = {"probes": [list(sizes)], "first_expert": True, "hidden": 4}
    config = {"experts": runs.EXPERTS[name], "gate": {"model": "probes", "options": options}}
    model = dynamic_from(name, config, sizes, outputs).freeze_experts().eval()
    stored = torch.randn(len(train), 2, outputs)
    return task, model, replace(train, stored={STORED: stored}), validation, sizes


def test_a_gate_reads_the_stored_output_of_its_first_expert_in_training(cascade):
    task, model, train, *_ = cascade
    split = fitted(model.gate, task, train, runs.POINT)
    batch = next(iter(task.training_batches(split, runs.POINT, 0, 0)))
    inputs = batch["inputs"] | {PROBES: batch[PROBES]}
    found = model.forward_frozen(inputs, batch[STORED], "soft").gate_logits
    numbers = model.gate.summaries(torch.cat([batch[STORED][:, :1], batch[PROBES]], dim=1))
    expected = model.gate.head((numbers - model.gate.mean) / model.gate.deviation)
    torch.testing.assert_close(found, expected)
    with pytest.raises(InputError, match="stored outputs alone"):
        fitted(model.gate, task, replace(train, stored={}), runs.POINT)
    noisy = runs.POINT | {"augmentation": {"noise": None, "missing": 0.5}}
    with pytest.raises(InputError, match="clean samples"):
        fitted(model.gate, task, train, noisy)


def test_the_first_expert_runs_once_for_every_sample_and_the_last_for_its_own(cascade):
    task, model, train, validation, _ = cascade
    fitted(model.gate, task, train, runs.POINT)
    (batch,) = task.evaluation_batches(validation, runs.POINT | {"batch_size": 99})
    plain = model(batch["inputs"])
    middle = plain.gate_logits.diff(dim=1).median().item()
    rows = []
    for expert in model.experts.values():
        expert.register_forward_hook(lambda m, i, o, rows=rows: rows.append(len(o)))
    found = model.infer(batch["inputs"], offsets=torch.tensor([0.0, middle]))
    dear = int(found.chosen.sum())
    assert 0 < dear < len(validation) and rows == [len(validation), dear]
    taken = plain.expert_outputs[torch.arange(len(validation)), found.chosen]
    torch.testing.assert_close(found.outputs, taken, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.gate_logits[:, 0], plain.gate_logits[:, 0])


def test_the_first_expert_is_paid_on_every_path(cascade):
    task, model, *_, sizes = cascade
    assert madds_by_path([2, 7], True) == [2, 9] and madds_by_path([2, 7], False) == [2, 7]
    assert mean_madds([0.75, 0.25], [2, 7], 1, reads_first=True) == pytest.approx(1 + 2 + 7 / 4)
    counts = load_gating(task.name).count_madds(model.gate, sizes)["complete"]
    (probe,) = model.gate.probes
    head = model.gate.head
    assert counts == sum(m.weight.numel() for m in (probe, head[0], head[2]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A gate on probes, one step into its training over stored outputs."""
    manifest = runs.prepared("mmimdb", tmp_path_factory.mktemp("data"))
    task = runs.task_of("mmimdb")
    (train, validation), sizes, outputs = open_data(task, manifest)
    torch.manual_seed(0)
    gate = {"model": "probes", "options": OPTIONS | {"hidden": 4}}
    config = {"experts": runs.EXPERTS["mmimdb"], "gate": gate}
    model = dynamic_from("mmimdb", config, sizes, outputs).freeze_experts()
    settings = runs.POINT | {"mode": "regret"}
    train = fitted(model.gate, task, train, settings)
    data = {"train": train, "validation": validation, "seed": 0, "device": runs.CPU}
    training = DynamicTraining("x", task, model, settings, [1e6, 4e6], **data)
    return training, train


def test_training_reads_what_probes_say_of_samples_that_they_have_not_seen(trained, monkeypatch):
    training, train = trained
    seen, plain = [], GenreProbeGate.summaries
    keep = staticmethod(lambda outputs: seen.append(outputs) or plain(outputs))
    monkeypatch.setattr(GenreProbeGate, "summaries", keep)
    batch = next(iter(training.train_batches(0)))
    training.losses(batch, 0)
    assert torch.equal(seen[0], train.stored[PROBES][batch["index"]])
    training.dynamic.eval().infer(batch["inputs"])
    assert not torch.allclose(seen[1], seen[0]), "these probes have seen the samples"


def test_the_head_alone_is_trained_and_its_numbers_are_standardised(trained):
    training, train = trained
    gate = training.dynamic.gate
    numbers = GenreProbeGate.summaries(train.stored[PROBES])
    scaled = (numbers - gate.mean) / gate.deviation
    assert scaled.mean(0).abs().max() < 1e-4
    assert scaled.std(0).tolist() == pytest.approx([1] * 4, abs=1e-4)
    before = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    batch = next(iter(training.train_batches(0)))
    training.losses(batch, 0)["total"].backward()
    training.optimizer.step()
    changed = {n for n, t in training.model.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {n for n in before if ".head." in n}
