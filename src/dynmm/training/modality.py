"""Training of the modality level: experts one by one, then the gate over them (paper, section 3).

What differs between MM-IMDB and CMU-MOSEI is behind the `task` object (`dynmm.tasks`).
"""

import torch
from torch.optim import AdamW

from dynmm.data.feature_batches import in_order
from dynmm.models.dynamic_experts import rows_for
from dynmm.models.gate_relaxation import temperature_at
from dynmm.models.modality_build import trained_part
from dynmm.training.resource_term import expert_costs, resource_term

STORED = "expert_outputs"


class ModalityTraining:
    """What training an expert and training a gate share; a `TrainingTask` for `loop.fit`.

    Args:
        name: shown with the progress.
        task: see `dynmm.tasks`.
        model: the module whose parameters are trained and kept.
        settings: `learning_rate`, `weight_decay`, `batch_size` and what the task reads.
        train, validation: splits of the prepared data.
        seed: of the order of the samples.
        device: torch device; the splits are moved there whole.
    """

    scheduler = None

    def __init__(self, name, task, model, settings, *, train, validation, seed, device):
        self.name, self.task, self.settings, self.seed = name, task, settings, seed
        self.score_name, self.higher_is_better = task.score_name, task.higher_is_better
        self.model = model.to(device)
        self.train_split, self.validation = train.to(device), validation.to(device)
        parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = AdamW(
            parameters, lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
        )

    def train_batches(self, epoch):
        """See `TrainingTask`."""
        return self.task.training_batches(self.train_split, self.settings, self.seed, epoch)

    def epoch_values(self, epoch):
        """See `TrainingTask`."""
        return {}

    def _on_validation(self, predict):
        """The results of `predict(batch)`, a tuple of tensors (B, ...), over the whole split."""
        parts, indices = [], []
        for batch in self.task.evaluation_batches(self.validation, self.settings):
            parts.append(predict(batch))
            indices.append(batch["index"])
        return [in_order(values, indices) for values in zip(*parts, strict=True)]


class ExpertTraining(ModalityTraining):
    """One expert on its own modalities, by the task loss alone."""

    def losses(self, batch, epoch):
        """See `TrainingTask`."""
        loss = self.task.loss(self._predict(batch), batch["targets"])
        return {"total": loss}

    @torch.no_grad()
    def score(self, epoch):
        """The task's score on the validation split."""
        (outputs,) = self._on_validation(lambda batch: (self._predict(batch),))
        return self.task.score(outputs, self.validation.targets)

    def _predict(self, batch):
        return self.model(rows_for(self.model, batch["inputs"]))


class DynamicTraining(ModalityTraining):
    """Gate and experts together, or the gate alone over frozen experts, by equation 1.

    L = L_task + lambda * sum_i g_i C(E_i). Where the splits carry stored `expert_outputs`
    (N, K, C), frozen experts are not run: a step works on the gate alone.

    Args:
        name, task, train, validation, seed, device: as for `ModalityTraining`.
        model: `DynamicExperts`; what is trained and kept is its `trained_part`.
        settings: those of `ModalityTraining`, `epochs`, `cost_convention`, `gumbel`,
            `temperature` [first, last], `resource_weight` (lambda), `mode` of the gate in training
            (soft, straight_through) and in `inference` (soft, hard).
        madds: multiply-adds of the experts for one sample, in their order.
    """

    def __init__(self, name, task, model, settings, madds, **data):
        super().__init__(name, task, trained_part(model), settings, **data)
        self.dynamic = model.to(data["device"])
        self.weight = settings["resource_weight"]
        self.costs = expert_costs(madds, settings["cost_convention"])

    def losses(self, batch, epoch):
        """See `TrainingTask`."""
        settings = self.settings
        result = self._forward(
            batch, settings["mode"], self._temperature(epoch), settings["gumbel"]
        )
        task = self.task.loss(result.outputs, batch["targets"])
        resource = self.weight * resource_term(result.weights, self.costs)
        return {"total": task + resource, "task": task.detach(), "resource": resource.detach()}

    @torch.no_grad()
    def score(self, epoch):
        """The task's score on the validation split, the gate as inference will have it."""
        temperature = self._temperature(epoch)
        mode = self.settings["inference"]

        def predict(batch):
            if STORED not in batch:
                found = self.dynamic.infer(batch["inputs"], mode, temperature)
            else:  # straight-through weights are one-hot, as those of a hard gate
                relaxed = "soft" if mode == "soft" else "straight_through"
                found = self._forward(batch, relaxed, temperature)
            return found.outputs, found.weights

        outputs, weights = self._on_validation(predict)
        cost = self.weight * resource_term(weights, self.costs).item()
        return self.task.score(outputs, self.validation.targets, cost)

    def epoch_values(self, epoch):
        """The temperature of the epoch."""
        return {"temperature": self._temperature(epoch)}

    def _forward(self, batch, mode, temperature, gumbel=False):
        inputs = batch["inputs"]
        if STORED in batch:
            return self.dynamic.forward_frozen(
                inputs, batch[STORED], mode, temperature, gumbel=gumbel
            )
        return self.dynamic(inputs, mode, temperature, gumbel=gumbel)

    def _temperature(self, epoch):
        first, last = self.settings["temperature"]
        return temperature_at(epoch, first, last, self.settings["epochs"])
