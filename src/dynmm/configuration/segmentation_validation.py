"""What a schema cannot say of the configuration of NYU Depth V2: runs, networks, budgets."""

from dynmm.configuration import segmentation
from dynmm.configuration.refusal import refused
from dynmm.configuration.runs import shown_runs
from dynmm.vocabulary import TEST

KINDS = ("rgb", "depth", "static", "dynamic")
# a dynamic network has the static one's parameters and a gate; others start from their like
_STARTS = {"dynamic": {"dynamic", "static"}}


def check_segmentation(config):
    """Refuse networks, augmentations and runs that do not go together.

    Args:
        config: a configuration that fits the schema.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    task = config["nyuv2"]
    _check_blocks(task["network"], "nyuv2.network")
    _check_rescale(task["augmentation"]["rescale"], "nyuv2.augmentation.rescale")
    _check_runs(task, "nyuv2.runs")
    _check_networks(config, "nyuv2.runs")


def _check_blocks(network, key):
    """ResNet-50 alone is made of bottlenecks; nobody publishes weights of ResNet-10."""
    if (network["encoder"] == "resnet50") != (network["block"] == "Bottleneck"):
        wanted = "Bottleneck" if network["encoder"] == "resnet50" else "BasicBlock, NonBottleneck1D"
        raise refused(f"{key}.block", network["block"], f"{wanted} with {network['encoder']}")
    if network["encoder"] == "resnet10" and network["pretrained"] != "none":
        raise refused(f"{key}.pretrained", network["pretrained"], "none with resnet10")


def _check_rescale(factors, key):
    if factors[0] > factors[1]:
        raise refused(key, factors, "the smaller factor first")


def _check_runs(task, key):
    """What a schema cannot say: keys that go together, and runs that start from one another."""
    runs = task["runs"]
    for name, run in runs.items():
        path = f"{key}.{name}"
        released, dynamic = "weights" in run, run["model"] == "dynamic"
        if "weights_of" in run or "budget" in run:
            _check_budget(task, name, path)
            continue
        if dynamic and not released and "gate" not in run:
            raise refused(f"{path}.gate", "nothing", "random, soft or straight_through")
        for word in ("init_from", "training", "temperature"):
            if released and word in run:
                raise refused(f"{path}.{word}", "a value", "nothing: released weights are final")
        if "augmentation" in run:
            if released:
                raise refused(f"{path}.augmentation", "a value", "nothing: it is not trained")
            if "rescale" in run["augmentation"]:
                _check_rescale(run["augmentation"]["rescale"], f"{path}.augmentation.rescale")
        if run.get("intermediate") and "title" in run:
            raise refused(f"{path}.title", "a value", "nothing: an intermediate run is not shown")
        for word in ("gate", "temperature"):
            if not dynamic and word in run:
                raise refused(f"{path}.{word}", "a value", "nothing: only a dynamic model has it")
        to_beat = {**task["training"], **run.get("training", {})}["to_beat"]
        if to_beat is not None and to_beat >= 1:
            raise refused(f"{path}: to_beat", to_beat, "below 1, or null: the score is a mean IoU")
        _check_start(runs, name, f"{path}.init_from")


def _check_budget(task, name, path):
    """A budget set after training: on the weights of another run, which held frames out."""
    runs, run = task["runs"], task["runs"][name]
    for word, other in (("weights_of", "budget"), ("budget", "weights_of")):
        if word not in run:
            raise refused(f"{path}.{word}", "nothing", f"a value, beside {other}")
    for word in sorted(set(run) - {"model", "weights_of", "budget", "title"}):
        raise refused(f"{path}.{word}", "a value", "nothing: the run takes those of weights_of")
    gated = [
        other
        for other in shown_runs(runs)
        if runs[other]["model"] == "dynamic"
        and runs[other].get("gate") != "random"
        and not {"weights", "weights_of"} & set(runs[other])
    ]
    source = run["weights_of"]
    if source not in gated:
        raise refused(f"{path}.weights_of", source, f"one of {', '.join(gated)}")
    if run["model"] != "dynamic":
        raise refused(f"{path}.model", run["model"], "dynamic, as the run whose weights it takes")
    if segmentation.select_on(task, runs[source]) == TEST:
        raise refused(
            f"{path}.budget",
            f"a value, and select_on: test in the training of {source}",
            "select_on: validation, whose frames set the offset",
            f"Set {path}: null to leave the run out.",
        )


def _check_networks(config, key):
    """Networks of single runs: shapes that go together, along init_from too."""
    runs = config["nyuv2"]["runs"]
    for name, run in runs.items():
        path, start = f"{key}.{name}", run.get("init_from")
        if "network" in run:
            if run["model"] == "dynamic":
                allowed = (
                    "nothing: networks with a gate share nyuv2.network, to be compared by path"
                )
                raise refused(f"{path}.network", "a value", allowed)
            if name in KINDS:
                raise refused(
                    path, "a network of its own", f"a run that is not named {name} for it"
                )
            _check_blocks(segmentation.network(config, name), f"{path}.network")
        if start is not None:
            ours, theirs = (segmentation.shape(config, one) for one in (name, start))
            differ = [word for word in ours if ours[word] != theirs[word]]
            if differ:
                found = f"{start}, of another {', '.join(differ)}"
                raise refused(f"{path}.init_from", found, "a run of the same network")


def _check_start(runs, name, path):
    chain = [name]
    while (earlier := runs[chain[-1]].get("init_from")) is not None:
        if earlier not in runs:
            others = ", ".join(other for other in runs if other != name)
            raise refused(path, earlier, f"one of {others}")
        if "weights_of" in runs[earlier]:
            raise refused(path, earlier, f"{runs[earlier]['weights_of']}, whose weights it has")
        if earlier in chain:
            circle = " from ".join([*chain, earlier])
            raise refused(path, circle, "a run that does not itself start from this one")
        chain.append(earlier)
    if len(chain) > 1:
        start, model = chain[1], runs[name]["model"]
        if runs[start]["model"] not in _STARTS.get(model, {model}):
            found = f"{start}, whose model is {runs[start]['model']}"
            raise refused(path, found, f"a run whose weights fit a model that is {model}")
