"""The published numbers of `resources/paper.yaml`."""

from pathlib import Path

import yaml

from dynmm.errors import InputError

ROW_TEXT = ("key", "method", "modality")


def read_paper(path):
    """The whole file as nested dicts and lists.

    Raises:
        InputError: the file is missing or is no YAML mapping.
    """
    path = Path(path)
    try:
        paper = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError("cannot read the published numbers", file=path, found=error) from None
    if not isinstance(paper, dict):
        raise InputError("no published numbers", file=path, expected="a YAML mapping")
    return paper


def published_values(row):
    """The numbers of one row of a table block: metric -> value, as printed in the paper."""
    return {name: value for name, value in row.items() if name not in ROW_TEXT}


def is_paper_data(paper, task, content, flag=None):
    """Whether a data set is the one the paper reports on.

    Args:
        paper: what `read_paper` returned.
        task: "nyuv2", "mmimdb" or "mosei".
        content: what the metrics files say their data is.
        flag: the configuration's own word (True or False); None lets the name decide.
    """
    return content == paper["data_sets"][task]["name"] if flag is None else bool(flag)
