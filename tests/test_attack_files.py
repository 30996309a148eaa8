"""Damaged files of every kind end in one message or in true values; `make attack` tries more."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

import attack_files
import mutations
from damaged_files import SUBJECTS
from dynmm.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
CASES = 200


@pytest.mark.slow
def test_damaged_files_end_in_one_message_or_in_true_values(tmp_path):
    counts, faults = attack_files.attack_files(CASES, 0, tmp_path)
    assert faults == []
    assert sum(counts.values()) == CASES
    assert counts["refused"] > CASES / 2
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("case")]


class Strange:
    """Subjects that end in every way that is no answer."""

    def make(self, folder):
        (folder / "x.bin").write_bytes(b"sound")

    def __init__(self, name, fail):
        self.name, self.fail, self.files, self.forged = name, fail, "*", True

    def read(self, folder, sound):
        if not (folder / "x.bin").is_file() or (folder / "x.bin").read_bytes() != b"sound":
            self.fail()


def die():
    os.kill(os.getpid(), signal.SIGSEGV)


def hang():
    time.sleep(60)


def refuse():
    raise InputError("damaged")


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        (lambda: {}["key"], "KeyError at test_attack_files.py"),
        (die, "the process ended"),
        (hang, "hangs"),
        (refuse, None),
    ],
)
def test_what_is_no_answer_is_a_fault_and_the_next_case_goes_on(tmp_path, monkeypatch, fail, words):
    monkeypatch.setattr(attack_files, "SUBJECTS", [Strange("strange", fail)])
    monkeypatch.setattr(attack_files, "SECONDS", 0.5)
    counts, faults = attack_files.attack_files(4, 1, tmp_path)
    assert sum(counts.values()) == 4
    if words is None:
        assert faults == [] and counts["refused"] >= 3
    else:
        assert len(faults) == counts["fault"] >= 3
        assert all(
            re.match(r"case \d of seed 1: strange, x\.bin, \w+: ", fault) and words in fault
            for fault in faults
        )


def test_a_case_is_the_same_whatever_else_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(attack_files, "SUBJECTS", SUBJECTS[-6:])
    names = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        attack = attack_files.Attack(tmp_path / folder, 5)
        order = range(60) if folder == "one" else reversed(range(60))
        names.append({case: attack.named(case) for case in order})
    assert names[0] == names[1]
    assert len({name.rpartition(", ")[2] for name in names[0].values()}) > 10


def test_every_kind_of_file_is_damaged_in_its_bytes_and_in_what_it_holds():
    named = {"splits.mat", "x.json", "x.npz", "x.npy", "x.pkl", "x.safetensors", "x.hdf5"}
    for name in named:
        own = set(mutations.mutations_of(name)) - {*mutations.BYTES, mutations.a_folder}
        assert len(own) == 1, name
    assert set(mutations.mutations_of("x.bin")) == {*mutations.BYTES, mutations.a_folder}


def test_make_attack_runs_every_attack():
    text = (ROOT / "Makefile").read_text()
    assert "tests/attack_*.py" in text
    assert {path.name for path in (ROOT / "tests").glob("attack_*.py")} >= {"attack_files.py"}
