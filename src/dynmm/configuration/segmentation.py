"""Slices of the configuration for the stages of the segmentation networks."""

from dynmm.configuration.runs import chain_of, run_titles, weights_owner
from dynmm.vocabulary import TEST

LEARNED_GATE_KEYS = ("resource_weight", "cost_convention", "gumbel")
CONSTANT_TEMPERATURE = [1.0, 1.0]  # from the first epoch to the last
# files of ImageNet weights: torchvision's first set, whose names end in the start of their SHA-256
TORCHVISION_FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
}
ESANET_FILES = {"resnet18": "r18_NBt1D.pth", "resnet34": "r34_NBt1D.pth"}
ESANET_PAGE = "https://github.com/TUI-NICR/ESANet (README, ImageNet-pretrained encoders)"
LOADING_KEYS = ("workers", "pin_memory")  # how frames are loaded: no result follows from it


def training(config, run):
    """What the training of the run `run` follows from, beside its data, seed, start and code.

    The run's own keys, its `training` and its `augmentation` go over the shared blocks. Keys that
    only a gate reads are left out for networks without one, and fixed where paths are drawn at
    random, so that a sweep of the resource weight leaves those runs alone.
    """
    task = config["nyuv2"]
    own = task["runs"][run]
    training = {**_without(_training(config, run), LOADING_KEYS), "model": own["model"]}
    if own["model"] != "dynamic":
        training = _without(training, LEARNED_GATE_KEYS)
    elif own["gate"] == "random":
        training = _without(training, LEARNED_GATE_KEYS)
        training |= {"gate": "random", "gumbel": False, "temperature": CONSTANT_TEMPERATURE}
    else:
        training |= {
            "gate": own["gate"],
            "temperature": own.get("temperature", CONSTANT_TEMPERATURE),
        }
    if training["select_on"] == TEST:
        training = _without(training, ("validation_share",))
    if len(set(training.get("temperature", CONSTANT_TEMPERATURE))) == 1:
        training = _without(training, ("anneal_epochs",))
    return {
        "network": network(config, run),
        "prepare": task["prepare"],
        "augmentation": {**task["augmentation"], **own.get("augmentation", {})},
        "training": training,
    }


def loading(config, run):
    """How the run `run` loads its frames: number of `workers`, and 0 or 1 for `pin_memory`."""
    training = _training(config, run)
    return {key: int(training[key]) for key in LOADING_KEYS}


def network(config, run):
    """The network of the run `run`: its own keys over those that all share."""
    return {**config["nyuv2"]["network"], **config["nyuv2"]["runs"][run].get("network", {})}


def imagenet_file(config, run):
    """Name of the file with the weights that a run's encoders start from; None where none do."""
    asked = network(config, run)
    if asked["pretrained"] == "none" or "init_from" in config["nyuv2"]["runs"][run]:
        return None
    files = ESANET_FILES if asked["block"] == "NonBottleneck1D" else TORCHVISION_FILES
    return files[asked["encoder"]]


def shape(config, run):
    """What the shape of a run's network follows from, whatever its weights."""
    return _without(network(config, run), ("pretrained",))


def counted_as(runs, run):
    """Name of the file with a run's multiply-adds: its own name where its network is its own."""
    return run if "network" in runs[run] else runs[run]["model"]


def counted_networks(runs):
    """File name of counted multiply-adds -> one run of that network."""
    return {counted_as(runs, run): run for run in runs}


def madds(config, counted):
    """What the multiply-adds under a name of `counted_networks` follow from: kind and shape."""
    runs = config["nyuv2"]["runs"]
    run = counted_networks(runs).get(counted)
    if run is None:  # of which there is no run; the routing study needs the static network
        return {"kind": counted, "network": _without(config["nyuv2"]["network"], ("pretrained",))}
    return {"kind": runs[run]["model"], "network": shape(config, run)}


def evaluation(config, run):
    """What the evaluation of the run `run` follows from, beside its weights, data and code."""
    task, data = config["nyuv2"], config["data"]["nyuv2"]
    own = task["runs"][run]
    trained = task["runs"][weights_owner(task["runs"], run)]
    settings = {"model": own["model"], "select_on": select_on(task, trained)}
    if "budget" in own:
        # set on the frames that were held out of the training
        share = trained.get("training", {}).get("validation_share")
        settings |= {
            "weights_of": own["weights_of"],
            "budget": own["budget"],
            "validation_share": share or task["training"]["validation_share"],
        }
    if own.get("gate") == "random":
        settings["gate"] = "random"  # such a network draws its paths in the evaluation too
    if (epochs := epochs_total(config, run)) is not None:
        settings["epochs_total"] = epochs
    return {
        "preset": config["preset"],
        "content": data["content"],
        "paper_data": data["paper_data"],
        "network": shape(config, run),
        "prepare": task["prepare"],
        "evaluation": task["evaluation"],
        "run": settings,
    }


def epochs_total(config, run):
    """Epochs of a run and of all that it starts from, as configured.

    None where one of them has released weights, whose epochs are not known here.
    """
    task = config["nyuv2"]
    chain = [task["runs"][name] for name in chain_of(task["runs"], run)]
    if any("weights" in member for member in chain):
        return None
    shared = task["training"]["epochs"]
    return sum(member.get("training", {}).get("epochs", shared) for member in chain)


def table(config):
    """What a table of the segmentation runs says beside their metrics."""
    return {
        "preset": config["preset"],
        "paper_data": config["data"]["nyuv2"]["paper_data"],
        "runs": run_titles(config["nyuv2"]["runs"]),
    }


def history(config):
    """What the figure of the trainings says beside their histories."""
    return {
        "preset": config["preset"],
        "content": config["data"]["nyuv2"]["content"],
        "select_on": config["nyuv2"]["training"]["select_on"],
        "titles": run_titles(config["nyuv2"]["runs"]),
    }


def select_on(task, own):
    """On what the best epoch of a run was chosen: validation, test, or elsewhere."""
    if "weights" in own:
        return "released weights"
    return own.get("training", {}).get("select_on", task["training"]["select_on"])


def _training(config, run):
    task = config["nyuv2"]
    return {**task["training"], **task["runs"][run].get("training", {})}


def _without(settings, keys):
    return {key: value for key, value in settings.items() if key not in keys}
