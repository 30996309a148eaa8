"""What the gate does in each epoch of a run: its kind and its temperature (paper, equation 3)."""

from dynmm.models.gate_relaxation import temperature_at


def gate_in(epoch, settings):
    """Kind of the gate in an epoch (from 0).

    Args:
        settings: `gate`, one kind for the whole run, or a list of [kind, epochs] one after another,
            the last of which goes on to the end: what the authors' --epoch-ini (random paths
            before it) and --epoch-hard (straight-through from it on) do within one run.
    """
    if isinstance(settings["gate"], str):
        return settings["gate"]
    for kind, epochs in settings["gate"]:
        if epoch < epochs:
            return kind
        epoch -= epochs
    return settings["gate"][-1][0]


def annealing(settings):
    """Epochs over which the temperature falls; 0 where it is constant.

    Args:
        settings: `epochs`, `temperature` [first, last] and `anneal_epochs`, None for `epochs`: then
            the fall takes the whole run, whose last epoch stays one step above the last value (as
            in the authors' runs). With fewer epochs it is reached and then kept.
    """
    first, last = settings["temperature"]
    return 0 if first == last else settings["anneal_epochs"] or settings["epochs"]


def temperature_in(epoch, settings):
    """Temperature of an epoch (from 0); settings as for `annealing`."""
    epochs = annealing(settings)
    return temperature_at(min(epoch, epochs), *settings["temperature"], epochs)
