"""Which runs a task has, with which seeds, and what each starts from."""

RELEASED_SEED = 0  # released weights were trained once, elsewhere


def trained_runs(runs):
    """Names of the runs that are trained here: all but those with released or borrowed weights."""
    return [name for name, run in runs.items() if not {"weights", "weights_of"} & set(run)]


def weights_owner(runs, name):
    """The run whose weights a run has: its own name, but for a budget set after training."""
    return runs[name].get("weights_of", name)


def shown_runs(runs):
    """Names of the runs that are evaluated: all but those on the way to another run."""
    return [name for name, run in runs.items() if not run.get("intermediate", False)]


def run_titles(runs):
    """Printed names of the runs that give one of their own."""
    return {name: run["title"] for name, run in runs.items() if "title" in run}


def run_seeds(config, task):
    """All (run, seed) pairs that are evaluated; released weights have one seed, `RELEASED_SEED`."""
    runs = config[task]["runs"]
    return [
        (name, seed)
        for name in shown_runs(runs)
        for seed in ([RELEASED_SEED] if "weights" in runs[name] else config["seeds"])
    ]


def chain_of(runs, name):
    """Names of the trainings that the weights of a run come from, the first one first."""
    chain = [weights_owner(runs, name)]
    while (earlier := runs[chain[0]].get("init_from")) is not None:
        chain.insert(0, earlier)
    return chain
