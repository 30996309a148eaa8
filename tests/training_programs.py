"""The programs that train, run by the tests as the workflow runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from dynmm.execution import VARIABLE
from dynmm.files import sha256
from dynmm.published_weights import DIGEST, WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT / "src"),
    VARIABLE: json.dumps({"checkpoint_seconds": 0}),  # after every step
}


def command(program, folder, manifest, config, *more, seed=3):
    """The command line of a program whose outputs and state lie in `folder`."""
    outputs = {"weights": "weights.safetensors", "history": "history.csv", "training": "run.json"}
    return [
        *(sys.executable, str(ROOT / "workflow/scripts" / f"{program}.py")),
        *("--name", "tiny", "--prepared", str(manifest), "--seed", str(seed)),
        *("--resume-dir", str(folder / "resume"), "--log", str(folder / "log")),
        *("--config", json.dumps(config), *map(str, more)),
        *(part for key, name in outputs.items() for part in (f"--{key}", str(folder / name))),
    ]


def training_of(weights, **summary):
    """A training.json beside a file of weights, as a training leaves it; its path."""
    assert weights.name == WEIGHTS
    path = weights.with_name("training.json")
    path.write_text(json.dumps({DIGEST: sha256(weights), **summary}))
    return path


def run(arguments, **environment):
    """Run a command to its end."""
    environment = ENVIRONMENT | environment
    return subprocess.run(arguments, env=environment, capture_output=True, text=True)


def checkpoints(root):
    """The records of all checkpoints in the run directories below `root`, oldest first."""
    found = root.glob("**/state-*.json")
    return sorted(found, key=lambda path: int(path.stem.removeprefix("state-")))


def newest_state(root):
    """The state in the newest checkpoint."""
    record = checkpoints(root)[-1]
    names = json.loads(record.read_text())
    return torch.load(record.with_name(names["state"]), weights_only=True)


def results(folder):
    """Bytes of the weights, the history without its seconds, the summary."""
    history = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    seconds = history[0].index("seconds")
    return (
        (folder / "weights.safetensors").read_bytes(),
        [row[:seconds] + row[seconds + 1 :] for row in history],
        json.loads((folder / "run.json").read_text()),
    )
