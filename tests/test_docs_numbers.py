"""Numbers in the documents are those that the code and the data files give today."""

import importlib
import re

import pytest

from workflow_tree import ROOT


@pytest.fixture(scope="module")
def numbers():
    """The module of the tool, found without installing it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("tools.docs_numbers")


@pytest.mark.slow  # it counts the paper's networks
def test_no_document_has_drifted(numbers):
    drifted = []
    for name in numbers.DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        made = numbers.regenerated(text)
        pairs = zip(text.splitlines(), made.splitlines(), strict=False)
        if made != text:
            drifted += [f"{name}: {old!r} should be {new!r}" for old, new in pairs if old != new][
                :1
            ]
    assert drifted == [], "make docs writes them anew"


def test_every_maker_is_used_and_no_mark_starts_a_line_of_a_paragraph(numbers):
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in numbers.DOCUMENTS]
    used = [match[1] for text in texts for match in numbers.BLOCK.findall(text)]
    assert set(used) == set(numbers.MAKERS)
    for text in texts:
        assert text.count("<!-- from:") == text.count("<!-- /from -->")
        assert re.findall(r"^\s*<!-- from: \w+ -->.+", text, re.MULTILINE) == []


def test_a_drifted_number_is_put_right(numbers):
    text = "It is <!-- from: expert_cost_share -->0.07<!-- /from --> of it."
    assert numbers.regenerated(text) == text.replace("0.07", "0.067")
    block = "\n<!-- from: raw_files -->\n| old |\n<!-- /from -->\n"
    made = numbers.regenerated(block)
    assert "`multimodal_imdb.hdf5` | 0.5 to 15.6 | none |" in made
    assert numbers.regenerated(made) == made


def test_an_unknown_mark_is_refused(numbers):
    with pytest.raises(KeyError, match="nobody"):
        numbers.regenerated("<!-- from: nobody -->1<!-- /from -->")


def test_the_counts_are_those_of_the_paper_s_sizes(numbers):
    """The authors' constants, to the digits that the table shows, and what they leave out."""
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in table(numbers)}
    mosei = rows["MOSEI, text with gate / late fusion with gate (M)"]
    assert mosei == ["135.1 / 320.0", "135.1 / 320.0", "152.9 / 360.3 |"]
    assert rows["MM-IMDB, LRTF (M)"] == ["10.3", "10.3", "77.5 |"]
    assert rows["MM-IMDB, MI-Matrix (M)"] == ["10.3", "10.3", "279.8 |"]


def table(numbers):
    return numbers.network_madds().splitlines()[2:]
