"""MM-IMDB: genres of films from their plot and poster (paper, section 4.1)."""

import torch.nn.functional as F

from dynmm.data.mmimdb.batches import FeatureSplit
from dynmm.metrics.multilabel import f1_scores
from dynmm.models.experts import mmimdb as mmimdb_experts  # noqa: F401 (it registers them)


class MmImdb:
    """See `dynmm.tasks`."""

    name = "mmimdb"
    splits = ("train", "dev", "test")
    letters = {"image": "I", "text": "T"}  # noqa: RUF012 (never written to)
    score_name, higher_is_better = "macro_f1", True

    def open(self, prepared_dir, split):
        """A `FeatureSplit` of the prepared films."""
        return FeatureSplit.open(prepared_dir, split, self.name)

    def outputs(self, manifest):
        """One logit a genre."""
        return len(manifest["genres"])

    def loss(self, outputs, targets):
        """Binary cross-entropy of logits and genres, both (B, genres)."""
        return F.binary_cross_entropy_with_logits(outputs, targets)

    def sample_losses(self, outputs, targets):
        """The loss of each sample, (B,), whose mean is `loss`."""
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(-1)

    def score(self, outputs, targets):
        """Macro F1, the authors' early stopping."""
        return f1_scores(outputs, targets)["macro_f1"]

    def training_batches(self, split, settings, seed, epoch):
        """Shuffled batches of `settings["batch_size"]` films."""
        return split.shuffled_batches(settings["batch_size"], seed, epoch)

    def evaluation_batches(self, split, settings):
        """Batches in the order of the split."""
        return split.batches(settings["batch_size"])


TASK = MmImdb()
