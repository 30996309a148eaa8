"""CMU-MOSEI: sentiment of a sentence from video, audio and text (paper, section 4.2)."""

import torch.nn.functional as F

from dynmm.data.mosei.batches import SequenceSplit
from dynmm.models.experts import mosei as mosei_experts  # noqa: F401 (it registers them)


class Mosei:
    """See `dynmm.tasks`."""

    name = "mosei"
    splits = ("train", "valid", "test")
    letters = {"vision": "V", "audio": "A", "text": "T"}  # noqa: RUF012 (never written to)
    score_name, higher_is_better = "loss", False

    def open(self, prepared_dir, split):
        """A `SequenceSplit` of the prepared sentences."""
        return SequenceSplit.open(prepared_dir, split, self.name)

    def outputs(self, manifest):
        """One sentiment score."""
        return 1

    def loss(self, outputs, targets):
        """Mean absolute error of scores and labels, both (B, 1)."""
        return F.l1_loss(outputs, targets)

    def sample_losses(self, outputs, targets):
        """The loss of each sample, (B,), whose mean is `loss`."""
        return (outputs - targets).abs().mean(-1)

    def score(self, outputs, targets):
        """The loss over the whole split, the authors' early stopping."""
        return self.loss(outputs, targets).item()

    def training_batches(self, split, settings, seed, epoch):
        """Shuffled batches, of sentences of like length where `settings["by_length"]`."""
        return split.training_batches(settings["batch_size"], seed, epoch, settings["by_length"])

    def evaluation_batches(self, split, settings):
        """Batches by length, or in the order of the split as the authors evaluate."""
        return split.batches(settings["batch_size"], settings["by_length"])


TASK = Mosei()
