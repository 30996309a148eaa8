"""A small regression run for the loop's tests; as a program it can be killed from outside."""

import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from dynmm.stop_signals import Stopped, listen
from dynmm.training.loop import LoopSettings, fit
from dynmm.training.run_directory import RunDirectory


class ToyTask:
    name, score_name, higher_is_better = "toy", "loss", False
    validates_in_training_mode = False
    device = torch.device("cpu")

    def __init__(self, pause=0.0, learning_rate=0.05, poison=None):
        torch.manual_seed(1)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1)
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=learning_rate, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.9)
        self.x = torch.randn(32, 4)
        self.y = self.x.sum(1, keepdim=True)
        self.pause, self.poison = pause, poison

    def train_batches(self, epoch, start=0):
        for rows in torch.randperm(32).split(8)[start:]:
            if self.pause:
                print("a step", flush=True)
                time.sleep(self.pause)
            yield rows

    def losses(self, batch, epoch):
        loss = torch.nn.functional.mse_loss(self.model(self.x[batch]), self.y[batch])
        if self.poison == epoch:
            loss = loss * torch.nan
        return {"total": loss, "task": loss.detach()}

    def score(self, epoch):
        with torch.no_grad():
            return torch.nn.functional.mse_loss(self.model(self.x), self.y).item()

    def epoch_values(self, epoch):
        return {}


def train(root, epochs, pause=0.0, fingerprint="0" * 64, checkpoint_seconds=0, **options):
    directory = RunDirectory(root, fingerprint, {"test": True}, checkpoint_seconds)
    try:
        task = ToyTask(pause, **options)
        progress, best = fit(task, directory.checkpoints, LoopSettings(epochs=epochs, seed=3))
        history = [{k: v for k, v in row.items() if k != "seconds"} for row in progress.history]
        tensors = load_file(directory.path / best["best"])
        best = {name: tensor.tolist() for name, tensor in tensors.items()}
        return {"history": history, "best": best, "best_epoch": progress.best_epoch}
    finally:
        directory.close()


def main():
    """ROOT EPOCHS PAUSE CHECKPOINT_SECONDS OUT: train, and leave the result as JSON."""
    listen()
    root, epochs, pause, seconds, out = sys.argv[1:]
    try:
        result = train(Path(root), int(epochs), float(pause), checkpoint_seconds=float(seconds))
    except Stopped as error:
        sys.exit(128 + error.number)
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
