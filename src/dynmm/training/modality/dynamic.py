"""Training at the modality level, second stage: the gate, with its experts or over frozen ones."""

from dataclasses import replace

import torch

from dynmm.data.ordering import in_order
from dynmm.errors import InputError
from dynmm.models.experts.dynamic import madds_by_path
from dynmm.models.experts.dynamic_build import (
    dynamic_from,
    freeze,
    load_expert_weights,
    trained_part,
)
from dynmm.models.experts.probe_gate import PROBES
from dynmm.training.gate_schedule import annealing, temperature_in
from dynmm.training.modality.experts import ModalityTraining, loop_settings, open_data
from dynmm.training.modality.stored_outputs import STORED, with_stored
from dynmm.training.resource_term import expert_costs, resource_term
from dynmm.training.run_directory import run_to_end
from dynmm.vocabulary import VALIDATION

OBJECTIVE = "objective"
EXPECTED_LOSS, REGRET = "expected_loss", "regret"  # modes that no mixture of outputs is made in


class DynamicTraining(ModalityTraining):
    """Gate and experts together, or the gate alone over frozen experts, by equation 1.

    L = L_task + lambda * sum_i g_i C(E_i). Where the splits carry stored `expert_outputs`
    (N, K, C), frozen experts are not run: a step works on the gate alone. In the mode
    "expected_loss" (ours, not the paper's) L_task is sum_i g_i L_i with each expert's own loss and
    soft weights: the loss to expect where an expert is drawn by its weight, and not that of a
    mixture which inference never computes. In the mode "regret" (ours too) it is a
    classification of which expert has the lower loss, see `regret_loss`; the experts get no
    gradient.

    Args:
        name, task, train, validation, seed, device: as for `ModalityTraining`.
        model: `DynamicExperts`; what is trained and kept is its `trained_part`.
        settings: those of `ModalityTraining`, `epochs`, `cost_convention`, `gumbel`,
            `temperature` [first, last], `anneal_epochs` (how long it falls, see `annealing`),
            `resource_weight` (lambda), `mode` of the gate in training (soft, straight_through,
            expected_loss, regret) and in `inference` (soft, hard), and two keys that choose the
            best epoch. `select_by`: that of the best "score" of the task, whatever it costs, or of
            the lowest "objective", the loss of the choices with its term of lambda.
            `validation_gate`: "inference" judges what the
            model will do when it is used, "training" the gate as it trains (the authors).
        madds: multiply-adds of a sample on the path of each expert, in their order.
    """

    def __init__(self, name, task, model, settings, madds, **data):
        super().__init__(name, task, trained_part(model), settings, **data)
        self.dynamic = model.to(data["device"])
        self.weight = settings["resource_weight"]
        self.costs = expert_costs(madds, settings["cost_convention"])
        if settings["select_by"] == OBJECTIVE:
            self.score_name, self.higher_is_better = OBJECTIVE, False

    def losses(self, batch, epoch):
        """See `TrainingTask`."""
        settings, targets = self.settings, batch["targets"]
        named = settings["mode"]
        mode = "soft" if named in (EXPECTED_LOSS, REGRET) else named
        result = self._forward(batch, mode, self._temperature(epoch), settings["gumbel"])
        resource = self.weight * resource_term(result.weights, self.costs)
        if mode == named:
            task = self.task.loss(result.outputs, targets)
        else:
            losses = expert_losses(self.task, result.expert_outputs, targets)
            task = (result.weights * losses).sum(1).mean()
        total = task + resource
        if named == REGRET:
            priced = losses + self.weight * torch.as_tensor(self.costs).to(losses)
            total = regret_loss(result.weights, priced)
        return {"total": total, "task": task.detach(), "resource": resource.detach()}

    @torch.no_grad()
    def score(self, epoch):
        """Score or objective on the validation split; see `validation_gate`."""
        settings, temperature = self.settings, self._temperature(epoch)
        mode = settings["inference"]
        if settings["validation_gate"] == "training":
            mode = "soft" if settings["mode"] == "soft" else "hard"

        def predict(batch):
            if STORED not in batch:
                found = self.dynamic.infer(batch["inputs"], mode, temperature)
            else:
                found = self._forward(batch, mode, temperature)
            return found.outputs, found.weights

        outputs, weights = self.on_validation(predict)
        targets = self.validation.targets
        if self.score_name != OBJECTIVE:
            return self.task.score(outputs, targets)
        cost = self.weight * resource_term(weights, self.costs)
        return (self.task.loss(outputs, targets) + cost).item()

    def epoch_values(self, epoch):
        """The temperature of the epoch."""
        return {"temperature": self._temperature(epoch)}

    def _forward(self, batch, mode, temperature, gumbel=False):
        inputs = batch["inputs"]
        if PROBES in batch:
            inputs = inputs | {PROBES: batch[PROBES]}
        if STORED in batch:
            return self.dynamic.forward_frozen(
                inputs, batch[STORED], mode, temperature, gumbel=gumbel
            )
        return self.dynamic(inputs, mode, temperature, gumbel=gumbel)

    def _temperature(self, epoch):
        return temperature_in(epoch, self.settings)


def expert_losses(task, outputs, targets):
    """Each expert's own loss of each sample, (B, K).

    Args:
        task: see `dynmm.tasks`.
        outputs: (B, K, C) of the experts.
        targets: (B, C).
    """
    return torch.stack([task.sample_losses(o, targets) for o in outputs.unbind(1)], dim=1)


def regret_loss(weights, losses):
    """Mean over the batch of sum_k sqrt(max_j L_j - L_k) * -log g_k.

    Over two experts that is a logistic regression on which of them has the lower loss, where a
    sample weighs by how much they differ: a classification with costs (Zadrozny, Langford and Abe
    2003). With the root a few samples of large differences do not outweigh all others; without it
    the loss is a convex bound of the expected one, and on held-out samples ranked them worse.

    Args:
        weights: (B, K) soft weights of the gate.
        losses: (B, K) of the experts, with what they cost; they get no gradient.
    """
    losses = losses.detach()
    saved = losses.max(dim=1, keepdim=True).values - losses
    smallest = torch.finfo(weights.dtype).tiny
    return (saved.sqrt() * -weights.clamp(min=smallest).log()).sum(1).mean()


def fitted(gate, task, split, settings):
    """The training split with what the gate itself learns of it in closed form, if it does.

    Args:
        gate: the module; see `registry.register_gate`.
        task: see `dynmm.tasks`.
        split: training split.
        settings: `batch_size`, `augmentation` and what the task reads.

    Raises:
        InputError: samples that are corrupted anew in every epoch, or no stored outputs of a first
            expert that the gate reads.
    """
    if not hasattr(gate, "fit"):
        return split
    if settings["augmentation"]["noise"] or settings["augmentation"]["missing"]:
        raise InputError(
            "a gate on probes is fitted to clean samples once",
            key="augmentation",
            expected="neither noise nor missing modalities",
        )
    first = None
    if gate.reads_first:
        if STORED not in split.stored:
            raise InputError(
                "a gate that reads the first expert learns from stored outputs alone",
                key="freeze",
                expected="true or cross_fitted, without augmentation",
            )
        first = split.stored[STORED][:, 0]
    parts, indices = [], []
    for batch in task.evaluation_batches(split, settings):
        parts.append(gate.read(batch["inputs"]))
        indices.append(batch["index"])
    reads = [in_order(values, indices) for values in zip(*parts, strict=True)]
    return replace(split, stored=split.stored | {PROBES: gate.fit(reads, split.targets, first)})


def train_dynamic(
    name, task, gating, config, manifest_path, expert_weights, stored, seed, device, directory
):
    """Train one point of the grid with one seed.

    Args:
        name, task, manifest_path, seed, device, directory: as for `train_expert`.
        gating: the task's module of gates, see `dynmm.tasks`.
        config: `experts` and `gate` (settings for `dynamic_from`) and `training`.
        expert_weights: weights of the experts, in their order.
        stored: for constant experts their stored outputs: files of the training split and files of
            the validation split, each in the order of the experts; where these were cross-fitted,
            as many files of the training split for each as there are folds. A split without files
            has them run in every step, as `augmentation` needs it of the training split.


    Returns:
        `TrainedRun`; its weights are those of the gate alone where the experts are constant.
        Patience counts only once the temperature has stopped falling.
    """
    training = config["training"]
    annealed = annealing(training)

    def build():
        splits, sizes, outputs = open_data(task, manifest_path)
        torch.manual_seed(seed)
        model = dynamic_from(task.name, config, sizes, outputs)
        madds = [gating.count_madds(e, sizes)["complete"] for e in model.experts.values()]
        madds = madds_by_path(madds, model.reads_first)
        load_expert_weights(model, expert_weights)
        freeze(model, training["freeze"])
        if model.constant_experts:
            splits = [
                with_stored(split, paths, len(model.experts)) if paths else split
                for split, paths in zip(splits, stored, strict=True)
            ]
        splits[0] = fitted(model.gate, task, splits[0], training)
        data = {"train": splits[0], "validation": splits[1], "seed": seed, "device": device}
        return DynamicTraining(name, task, model, training, madds, **data)

    settings = loop_settings(training, seed, patience_from=annealed)
    return run_to_end(build, directory, settings, VALIDATION)
