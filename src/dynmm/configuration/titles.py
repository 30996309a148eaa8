"""Titles tell the curves and rows of one picture apart: no two there are alike."""

from dynmm.configuration.refusal import refused
from dynmm.configuration.runs import run_titles
from dynmm.vocabulary import MODALITY_TASKS


def check_titles(config):
    """Refuse a title that two runs, two gates of a task or two models of its sweeps share.

    Args:
        config: a configuration that fits the schema.

    Raises:
        InputError: names the key's path, the title and the entry that has it already.
    """
    _check("nyuv2.runs", run_titles(config["nyuv2"]["runs"]))
    for task in MODALITY_TASKS:
        section = config[task]
        for path, block in (
            ("gates", section["gates"]),
            ("noise.points", section["noise"]["points"]),
        ):
            titles = {name: entry["title"] for name, entry in block.items()}
            _check(f"{task}.{path}", titles)


def _check(path, titles):
    seen = {}
    for name, title in titles.items():
        if title in seen:
            raise refused(
                f"{path}.{name}.title", title, f"another title than that of {seen[title]}"
            )
        seen[title] = name
