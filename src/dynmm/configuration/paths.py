"""Paths that configuration names: what no file system can hold is refused at once."""

import os

from dynmm.configuration.refusal import refused
from dynmm.errors import shown
from dynmm.vocabulary import MODALITY_TASKS

LONGEST_NAME = 255  # bytes of a file's or a folder's name


def check_paths(config):
    """Refuse a path of which a part is longer than a name may be.

    Args:
        config: a configuration that fits the schema.

    Raises:
        InputError: names the key's path and what was found.
    """
    for key, path in _named_paths(config):
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.split(os.sep)):
            raise refused(key, shown(path), f"names of at most {LONGEST_NAME} bytes each")


def _named_paths(config):
    for task, data in config["data"].items():
        yield f"data.{task}.raw_dir", data["raw_dir"]
    for name, run in config["nyuv2"]["runs"].items():
        if "weights" in run:
            yield f"nyuv2.runs.{name}.weights", run["weights"]
    for task in MODALITY_TASKS:
        section = config[task]
        entries = {f"experts.{name}": entry for name, entry in section["experts"].items()}
        entries["dynamic.gate"] = section["dynamic"]["gate"]
        for name, gate in section["gates"].items():
            entries[f"gates.{name}.dynamic.gate"] = gate.get("dynamic", {}).get("gate", {})
        for key, entry in entries.items():
            if "module" in entry:
                yield f"{task}.{key}.module", entry["module"]
