"""Training at the modality level, first stage: experts one by one (paper, section 3.3).

What differs between MM-IMDB and CMU-MOSEI is behind the `task` object (`dynmm.tasks`).
"""

import torch
from torch.optim import AdamW

from dynmm.data.feature_batches import in_order
from dynmm.models.expert_inputs import rows_for


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

    def on_validation(self, predict):
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
        (outputs,) = self.on_validation(lambda batch: (self._predict(batch),))
        return self.task.score(outputs, self.validation.targets)

    def _predict(self, batch):
        return self.model(rows_for(self.model, batch["inputs"]))
