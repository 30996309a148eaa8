"""Training at the modality level, first stage: experts one by one (paper, section 3.3).

What differs between MM-IMDB and CMU-MOSEI is behind the `task` object (`dynmm.tasks`).
"""

import itertools
from pathlib import Path

import torch
from torch.optim import AdamW

from dynmm.data.manifest import read_manifest
from dynmm.data.ordering import in_order
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.inputs import rows_for
from dynmm.training.loop import LoopSettings
from dynmm.training.modality.corruption import corrupted
from dynmm.training.run_directory import run_to_end
from dynmm.vocabulary import VALIDATION


class ModalityTraining:
    """What training an expert and training a gate share; a `TrainingTask` for `loop.fit`.

    Args:
        name: shown with the progress.
        task: see `dynmm.tasks`.
        model: the module whose parameters are trained and kept.
        settings: `learning_rate`, `weight_decay`, `batch_size`, `augmentation` (see `corrupted`)
            and what the task reads.
        train, validation: splits of the prepared data.
        seed: of the order of the samples.
        device: torch device; the splits are moved there whole.
    """

    scheduler = None
    validates_in_training_mode = False

    def __init__(self, name, task, model, settings, *, train, validation, seed, device):
        self.name, self.task, self.settings, self.seed = name, task, settings, seed
        self.score_name, self.higher_is_better = task.score_name, task.higher_is_better
        self.model, self.device = model.to(device), device
        self.train_split, self.validation = train.to(device), validation.to(device)
        parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = AdamW(
            parameters, lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
        )

    def train_batches(self, epoch, start=0):
        """See `TrainingTask`."""
        split, settings = self.train_split, self.settings
        batches = self.task.training_batches(split, settings, self.seed, epoch)
        return corrupted(
            itertools.islice(batches, start, None),
            settings["augmentation"],
            self.corruptible(),
            tuple(split.input_sizes),
            self.seed,
            epoch,
        )

    def corruptible(self):
        """Modalities that `augmentation` can hit: all of the data."""
        return tuple(self.train_split.input_sizes)

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
    """One expert on its own modalities, by the task loss alone.

    Settings have `validation_mode` too: "eval", or "train" as the authors' unimodal.py leaves its
    networks, with dropout.
    """

    def __init__(self, name, task, expert, settings, **data):
        super().__init__(name, task, expert, settings, **data)
        self.validates_in_training_mode = settings["validation_mode"] == "train"

    def corruptible(self):
        """Its own modalities."""
        return tuple(self.model.modalities)

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


def train_expert(name, task, config, manifest_path, seed, device, directory, kept=None):
    """Train one expert with one seed.

    Args:
        name: shown with the progress.
        task: see `dynmm.tasks`.
        config: `expert` (settings for `expert_from`) and `training`.
        manifest_path: `manifest.json` of the prepared arrays.
        seed: of initialisation, order and dropout.
        device: torch device.
        directory: the `RunDirectory` that holds the state.
        kept: positions of the training samples to train on (cross-fitting); all where None.

    Returns:
        `TrainedRun`.
    """

    def build():
        splits, sizes, outputs = open_data(task, manifest_path)
        if kept is not None:
            splits[0] = splits[0].part(kept)
        torch.manual_seed(seed)
        expert = expert_from(task.name, config["expert"], sizes, outputs)
        data = {"train": splits[0], "validation": splits[1], "seed": seed, "device": device}
        return ExpertTraining(name, task, expert, config["training"], **data)

    return run_to_end(build, directory, loop_settings(config["training"], seed), VALIDATION)


def open_data(task, manifest_path):
    """Training and validation split, feature size of each modality, number of outputs."""
    folder = Path(manifest_path).parent
    manifest = read_manifest(folder, task.name)
    splits = [task.open(folder, part) for part in task.splits[:2]]
    return splits, manifest["input_sizes"], task.outputs(manifest)


def loop_settings(training, seed, patience_from=0):
    """What the loop needs of the `training` block of a run; see `LoopSettings`."""
    return LoopSettings(
        epochs=training["epochs"],
        seed=seed,
        patience=training["patience"],
        patience_from=patience_from,
        to_beat=training["to_beat"],
        clip_norm=training["clip_norm"],
    )
