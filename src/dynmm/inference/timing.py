"""Taking the time of a network."""

import torch


def wait_for(device):
    """Until a GPU has done what it was given, so that its time can be taken."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
