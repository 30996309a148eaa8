"""Small files that stand for large ones: digests of weights and of raw files."""

import json
import os

import pytest

from dynmm.errors import InputError
from dynmm.execution import VARIABLE, Execution, execution
from dynmm.files import sha256
from dynmm.kept_checksums import LARGE, kept_sha256, prepared_from
from dynmm.published_weights import WEIGHTS, published_weights
from training_programs import training_of


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / WEIGHTS
    path.write_bytes(b"weights")
    return path


def test_a_training_stands_for_the_weights_beside_it(weights):
    assert published_weights(training_of(weights)) == weights


def test_a_file_of_weights_stands_for_itself(weights):
    assert published_weights(weights) == weights


@pytest.mark.parametrize("spoil", [lambda w: w.write_bytes(b"weighty"), lambda w: w.unlink()])
def test_other_weights_than_were_trained_are_refused(weights, spoil):
    training = training_of(weights)
    spoil(weights)
    with pytest.raises(InputError, match=r"not the weights that were trained.*SHA-256"):
        published_weights(training)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weights_sha256": 3}'])
def test_a_training_without_a_digest_is_refused(weights, text):
    training = weights.with_name("training.json")
    training.write_text(text)
    with pytest.raises(InputError, match="training"):
        published_weights(training)


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.mat"
    with open(path, "wb") as file:
        file.truncate(LARGE + 1)
    return path


def test_the_checksum_of_a_large_file_is_kept_beside_it(raw):
    kept = raw.with_name(".raw.mat.sha256")
    digest = kept_sha256(raw)
    record = json.loads(kept.read_text())
    assert digest == record["sha256"] == sha256(raw)
    kept.write_text(json.dumps(record | {"sha256": "as it was"}))
    assert kept_sha256(raw) == "as it was"  # the file was not read again
    os.utime(raw, (1, 1))
    assert kept_sha256(raw) == digest
    kept.write_text("{")
    assert kept_sha256(raw) == digest


def test_a_small_file_is_read_and_nothing_is_kept(tmp_path):
    (tmp_path / "small").write_text("1")
    assert kept_sha256(tmp_path / "small") == sha256(tmp_path / "small")
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_a_manifest_tells_of_which_raw_files_it_was_made(raw, tmp_path):
    manifest = tmp_path / "manifest.json"
    assert not prepared_from(manifest, raw)
    manifest.write_text(json.dumps({"raw": {"x": {"file": "raw.mat", "sha256": sha256(raw)}}}))
    assert prepared_from(manifest, raw)
    with open(raw, "r+b") as file:
        file.write(b"x")
    assert not prepared_from(manifest, raw)


def test_jobs_are_executed_as_the_workflow_says():
    assert execution({}) == Execution(60.0, False)
    said = json.dumps({"checkpoint_seconds": 5, "deterministic": True})
    assert execution({VARIABLE: said}) == Execution(5, True)
