"""Taking the time of a network.

Apart from what runs networks, which takes a `Stopwatch` from those who want one: what times an
evaluation is no code of a training.
"""

import time

import torch


class Stopwatch:
    """Adds up the seconds that a device works inside `with`, block after block.

    Args:
        device: torch device; a GPU is waited for, so that its time can be taken.

    Attributes:
        seconds: so far.
    """

    def __init__(self, device):
        self.device, self.seconds = device, 0.0

    def __enter__(self):
        self._wait()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_):
        self._wait()
        self.seconds += time.perf_counter() - self._started

    def _wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
