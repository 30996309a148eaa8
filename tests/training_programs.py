"""The programs that train, run by the tests as the workflow runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}


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


def run(arguments, **environment):
    """Run a command to its end."""
    environment = ENVIRONMENT | environment
    return subprocess.run(arguments, env=environment, capture_output=True, text=True)


def results(folder):
    """Bytes of the weights, the history without its seconds, the summary."""
    history = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    seconds = history[0].index("seconds")
    return (
        (folder / "weights.safetensors").read_bytes(),
        [row[:seconds] + row[seconds + 1 :] for row in history],
        json.loads((folder / "run.json").read_text()),
    )
