"""Training of the static, one-modality and dynamic segmentation networks (paper, Section 4.3).

The task with its loss and its schedule; `run` opens the data and trains to the end.
"""

import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import OneCycleLR

from dynmm.inference.segmentation import run_split
from dynmm.metrics.segmentation import segmentation_scores
from dynmm.training.gate_schedule import gate_in, temperature_in
from dynmm.training.resource_term import path_costs, resource_term

RANDOM = "random"  # the gate of Stage I
BATCH_OF_LEARNING_RATE = 8  # the authors' learning rate is given at this batch size
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class SegmentationTask:
    """A `TrainingTask`: one network, one way of gating.

    Static and one-modality networks have the task loss alone. Stage I trains under uniformly random
    paths (`gate: random`), Stage II under the gate's soft or straight-through weights (or one after
    another, see `gate_in`), with
    L = L_task + lambda * sum_p g_p C_p (equation 2), C_p the measured multiply-adds (G) of the
    depth encoder on path p.

    Args:
        name: shown with the progress.
        model, kind: the network and what it is (`rgb`, `depth`, `static`, `dynamic`).
        settings: the config's training block merged with the run's own keys.
        class_weights: (40,) float32.
        path_madds: (5,) GMAdds of the depth encoder by path, None for networks without a gate.
        train_batches: function of the epoch and the first batch.
        validation_batches: function without arguments.
        validation_labels: function of an index, (H0, W0) labels.
        device: torch device.
    """

    score_name = "miou"
    higher_is_better = True
    validates_in_training_mode = False

    def __init__(
        self,
        name,
        model,
        kind,
        settings,
        *,
        class_weights,
        path_madds,
        train_batches,
        validation_batches,
        validation_labels,
        device,
    ):
        self.name, self.kind, self.settings, self.device = name, kind, settings, device
        self.model = model.to(device)
        if settings["channels_last"]:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.class_weights = class_weights.to(device)
        self.costs = None
        if path_madds is not None and settings["gate"] != RANDOM:
            self.costs = path_costs(path_madds, settings["cost_convention"])
        self.train_batches = train_batches
        self._validation_batches, self._validation_labels = validation_batches, validation_labels
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=settings["learning_rate"] * settings["batch_size"] / BATCH_OF_LEARNING_RATE,
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
            nesterov=True,
        )
        self.scheduler = one_cycle(self.optimizer, settings["epochs"])
        self._autocast = PRECISIONS[settings["precision"]]

    def losses(self, batch, epoch):
        """Task and resource loss of one batch; see `TrainingTask`."""
        rgb, depth = self._inputs(batch)
        labels = [label.to(self.device, non_blocking=True) for label in batch["labels"]]
        with torch.autocast(
            self.device.type, dtype=self._autocast, enabled=self._autocast is not None
        ):
            outputs, weights = self._forward(rgb, depth, epoch)
        task = multi_scale_cross_entropy(outputs, labels, self.class_weights)
        if self.costs is None:
            return {"total": task, "task": task.detach()}
        resource = self.settings["resource_weight"] * resource_term(weights, self.costs)
        return {"total": task + resource, "task": task.detach(), "resource": resource.detach()}

    def score(self, epoch):
        """Mean IoU of the validation samples, each on the one path its gate chooses."""
        result = run_split(
            self.model,
            self.kind,
            self._validation_batches(),
            self._validation_labels,
            self.device,
            random_seed=0 if self._gate(epoch) == RANDOM else None,
        )
        return segmentation_scores(result.confusion)["miou"]

    def epoch_values(self, epoch):
        """The temperature of the epoch, for networks with a learned gate."""
        if self._gate(epoch) in (None, RANDOM):
            return {}
        return {"temperature": self._temperature(epoch)}

    def _forward(self, rgb, depth, epoch):
        if self.kind == "dynamic":
            return self.model(
                rgb,
                depth,
                mode=self._gate(epoch),
                temperature=self._temperature(epoch),
                gumbel=self.settings["gumbel"],
            )
        if self.kind == "static":
            return self.model(rgb, depth), None
        return self.model(rgb if self.kind == "rgb" else depth), None

    def _gate(self, epoch):
        return gate_in(epoch, self.settings) if self.kind == "dynamic" else None

    def _temperature(self, epoch):
        return temperature_in(epoch, self.settings)

    def _inputs(self, batch):
        layout = torch.channels_last if self.settings["channels_last"] else torch.contiguous_format
        return (
            batch[name].to(self.device, non_blocking=True, memory_format=layout)
            for name in ("rgb", "depth")
        )


def cross_entropy_2d(logits, labels, class_weights):
    """Weighted cross-entropy over the labelled pixels (ESANet, `CrossEntropyLoss2d`).

    sum_pixels w[y] CE / sum_pixels w[y]. Void pixels count in neither sum; a batch of void alone
    gives 0, where the authors' code gives NaN.

    Args:
        logits: (B, C, H, W) float.
        labels: (B, H, W) integers, 0 void, 1..C the classes.
        class_weights: (C,) float32.
    """
    target = labels.long() - 1
    # a GPU sums a whole batch in no fixed order, and torch stops where one is asked for
    fixed_order = logits.is_cuda and torch.are_deterministic_algorithms_enabled()
    reduction = "none" if fixed_order else "sum"
    loss = F.cross_entropy(
        logits.float(), target, weight=class_weights, ignore_index=-1, reduction=reduction
    ).sum()
    weight = class_weights[target.clamp(min=0)].where(target >= 0, class_weights.new_zeros(()))
    total = weight.double().sum().to(loss.dtype)
    return loss / total.clamp(min=torch.finfo(loss.dtype).tiny)


def multi_scale_cross_entropy(outputs, labels, class_weights):
    """Plain sum of `cross_entropy_2d` over the scales (1, 1/8, 1/16, 1/32).

    Args:
        outputs: one (B, C, H/s, W/s) tensor per scale.
        labels: one (B, H/s, W/s) tensor per scale.
        class_weights: (C,) float32.
    """
    return sum(
        cross_entropy_2d(output, label, class_weights)
        for output, label in zip(outputs, labels, strict=True)
    )


def one_cycle(optimizer, epochs, warmup_share=0.1):
    """ESANet's schedule: one cycle over the epochs, stepped once each.

    Starts at 1/25 of the optimizer's learning rate, reaches it after `warmup_share` of the epochs
    and ends at 1/250,000 of it, by cosines. As in ESANet, torch's default cycles the momentum too
    (0.95 to 0.85 and back).
    """
    if warmup_share * epochs == 1:
        warmup_share *= 1.001  # torch divides by the length of the warm-up less one step
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=max(epochs, 2),  # a run of one epoch trains in the middle of a cycle of two
        div_factor=25,
        pct_start=warmup_share,
        anneal_strategy="cos",
        final_div_factor=1e4,
    )
