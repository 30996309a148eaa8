"""What a result follows from: two records with one fingerprint are of one result."""

from importlib import metadata

import pytest

import dynmm
from dynmm.provenance import fingerprint, provenance
from workflow_tree import ROOT

PROGRAM = ROOT / "workflow/scripts/train_expert.py"
TASK = ROOT / "src/dynmm/tasks/mmimdb/task.py"


def record(tmp_path, config=None, seed=0):
    manifest = tmp_path / "manifest.json"
    manifest.write_text("{}")
    return provenance(PROGRAM, config or {"epochs": 3}, {"manifest": manifest}, seed, [TASK])


@pytest.fixture
def upgraded(monkeypatch):
    """A function that gives a library another version."""

    def upgrade(name):
        installed = metadata.version
        monkeypatch.setattr(metadata, "version", lambda n: "99" if n == name else installed(n))

    return upgrade


@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_another_version_of_what_trains_is_another_run(tmp_path, upgraded, library):
    before = fingerprint(record(tmp_path))
    upgraded(library)
    after = record(tmp_path)
    assert after["versions"][library] == "99" and fingerprint(after) != before


@pytest.mark.parametrize(
    "library", ["scikit-learn", "torchvision", "opencv-python-headless", "h5py", "pandas", "tqdm"]
)
def test_another_version_of_what_does_not_train_is_the_same_run(tmp_path, upgraded, library):
    before = fingerprint(record(tmp_path))
    upgraded(library)
    assert fingerprint(record(tmp_path)) == before


def test_the_version_of_this_package_is_told_and_does_not_count(tmp_path, monkeypatch):
    before = fingerprint(record(tmp_path))
    monkeypatch.setattr(dynmm, "__version__", "99")
    after = record(tmp_path)
    assert after["written_by"] == "dynmm 99" and fingerprint(after) == before


def test_configuration_seed_and_data_count(tmp_path):
    found = {fingerprint(record(tmp_path)), fingerprint(record(tmp_path, {"epochs": 4}))}
    found.add(fingerprint(record(tmp_path, seed=1)))
    (tmp_path / "manifest.json").write_text("[]")
    again = provenance(PROGRAM, {"epochs": 3}, {"manifest": tmp_path / "manifest.json"}, 0, [TASK])
    assert len(found | {fingerprint(again)}) == 4
