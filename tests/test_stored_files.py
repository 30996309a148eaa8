"""Files between the stages, damaged: each ends in one message, or is put aside and made again."""

import json
import logging
import zipfile

import numpy as np
import pytest

from dynmm.errors import InputError
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.reporting.history import read_histories
from dynmm.reporting.noise_curves import read_sweeps
from dynmm.reporting.records import read_records
from dynmm.stored_arrays import (
    ALONE,
    FOLD,
    GATED,
    OUTPUTS,
    OWN_EXPERTS,
    PREDICTIONS,
    Form,
    load_arrays,
    read_arrays,
)
from modality_metrics import record


def predictions():
    rng = np.random.default_rng(0)
    return {
        "ids": np.array([b"a", b"b", b"c"]),
        "targets": rng.random((3, 4)).astype(np.float32),
        "outputs": rng.random((3, 4)).astype(np.float32),
        "gate_logits": rng.random((3, 2)).astype(np.float32),
        "chosen": np.array([0, 1, 1]),
        "expert_outputs": rng.random((3, 2, 4)).astype(np.float32),
        "validation_expert_outputs": rng.random((5, 2, 4)).astype(np.float32),
    }


def read(path, **sizes):
    return read_arrays(path, PREDICTIONS | GATED, OWN_EXPERTS, sizes)


@pytest.fixture
def path(tmp_path):
    np.savez_compressed(tmp_path / "predictions.npz", **predictions())
    return tmp_path / "predictions.npz"


def test_sound_predictions_are_read_as_they_are(path):
    found = read(path, samples=3, validation=5, paths=2)
    assert list(found) == list(predictions())
    for name, array in predictions().items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("outputs", np.zeros((2, 4), np.float32), r"\(2, 4\), and 3 samples"),
        ("outputs", np.zeros((3, 5), np.float32), r"\(3, 5\), and 4 outputs"),
        ("outputs", np.zeros(3, np.float32), r"\(3,\) of float32.*\(samples, outputs\) of floats"),
        ("targets", np.full((3, 4), np.nan, np.float32), "not finite"),
        ("gate_logits", np.full((3, 2), -np.inf, np.float32), "not finite"),
        ("chosen", np.array([0, 1, 2]), "values of 0 to 2"),
        ("chosen", np.array([0, -1, 1]), "values of -1 to 1"),
        ("chosen", np.array([0.0, 1.0, 1.0]), "float64.*integers"),
        ("ids", np.array([1, 2, 3]), "int64.*texts"),
        ("expert_outputs", np.zeros((3, 3, 4), np.float32), "and 2 paths"),
        ("validation_expert_outputs", np.zeros((6, 2, 4), np.float32), "and 5 validation"),
    ],
)
def test_an_array_of_another_form_is_named(path, name, array, words):
    np.savez(path, **{**predictions(), name: array})
    with pytest.raises(InputError, match=rf"predictions\.npz; key: {name}; found: .*{words}"):
        read(path, samples=3, validation=5)


def test_an_array_that_lacks_is_named_unless_it_may(path):
    arrays = predictions()
    del arrays["expert_outputs"], arrays["validation_expert_outputs"]
    np.savez(path, **arrays)
    assert "expert_outputs" not in read(path)
    del arrays["chosen"]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="key: chosen; found: ids, targets"):
        read(path)


def test_every_flipped_bit_of_a_compressed_file_is_noticed_or_harmless(path):
    """Each array has a checksum; what stands outside of them is names and times."""
    sound = path.read_bytes()
    for place in range(0, len(sound), 7):
        content = bytearray(sound)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            found = read(path, samples=3, validation=5, paths=2)
        except InputError as error:
            assert str(path) in str(error)
        else:
            for name, array in found.items():
                np.testing.assert_array_equal(array, predictions()[name])


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY", b"garbage" * 100, b"PK\x03\x04" * 9])
def test_what_holds_no_arrays_is_one_message(tmp_path, content):
    (tmp_path / "outputs.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"outputs\.npy.*Make it again"):
        read_arrays(tmp_path / "outputs.npy", OUTPUTS)


def test_a_head_that_declares_more_than_there_is(tmp_path):
    path = tmp_path / "outputs.npy"
    with open(path, "wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 4)}
        np.lib.format.write_array_header_1_0(file, head)
        file.write(b"\0" * 64)
    with pytest.raises(InputError, match=r"not a readable file of arrays.*outputs\.npy"):
        read_arrays(path, OUTPUTS)
    with zipfile.ZipFile(tmp_path / "many.npz", "w") as archive:
        archive.write(path, "outputs.npy")
    with pytest.raises(InputError, match=r"many\.npz"):
        load_arrays(tmp_path / "many.npz")


def test_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"o\.npy.*allow_pickle"):
        read_arrays(tmp_path / "o.npy", OUTPUTS)


def test_stored_outputs_and_folds_have_their_forms(tmp_path):
    np.save(tmp_path / "outputs.npy", np.zeros((4, 2), np.float32))
    found = read_arrays(tmp_path / "outputs.npy", OUTPUTS, sizes={"samples": 4})
    assert found[ALONE].shape == (4, 2)
    with pytest.raises(InputError, match="and 5 samples"):
        read_arrays(tmp_path / "outputs.npy", OUTPUTS, sizes={"samples": 5})
    fold = {"outputs": np.zeros((2, 3)), "index": np.array([0, 4]), "count": 5, "epochs": 7}
    np.savez(tmp_path / "0.npz", **fold)
    assert int(read_arrays(tmp_path / "0.npz", FOLD)["epochs"]) == 7
    for name, value in (("index", [0]), ("index", [-1, 0]), ("count", 0), ("epochs", -1)):
        np.savez(tmp_path / "0.npz", **{**fold, name: np.array(value)})
        with pytest.raises(InputError, match=f"key: {name}"):
            read_arrays(tmp_path / "0.npz", FOLD)


def test_undefined_numbers_pass_where_they_may(tmp_path):
    form = {"accuracy": Form("frames", low=0, high=1, undefined=True)}
    np.savez(tmp_path / "a.npz", accuracy=np.array([0.5, np.nan]))
    assert read_arrays(tmp_path / "a.npz", form)["accuracy"][0] == 0.5
    np.savez(tmp_path / "a.npz", accuracy=np.array([1.5, np.nan]))
    with pytest.raises(InputError, match="0 to 1"):
        read_arrays(tmp_path / "a.npz", form)


def metrics(tmp_path, change):
    value = record("mosei", "text", 0, {"acc2": 0.7, "mae": 0.8, "pearson_r": -0.2}, 1e6)
    change(value)
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(value))
    return path


def test_sound_metrics_are_read(tmp_path):
    def more(value):
        value["metrics"] |= {"acc2_nonzero": None, "of_a_users_own": 12, "genre_f1": {"Drama": 0}}

    (found,) = read_records([metrics(tmp_path, more)])
    assert found["metrics"]["acc2"] == 0.7 and found["file"] == tmp_path / "metrics.json"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["metrics"].update(micro_f1=7), r"key: metrics\.micro_f1; found: 7; .*maximum"),
        (lambda r: r["metrics"].update(miou=-0.1), r"metrics\.miou; found: -0\.1"),
        (lambda r: r["metrics"].update(genre_f1={"Drama": 2}), r"metrics\.genre_f1\.Drama"),
        (lambda r: r["metrics"].update(pearson_r=-3), r"metrics\.pearson_r"),
        (lambda r: r["metrics"].update(mae=-0.5), r"metrics\.mae"),
        (lambda r: r["metrics"].update(acc2="0.7"), r"metrics\.acc2"),
        (lambda r: r["metrics"].update(acc2=float("nan")), "NaN is no finite number"),
        (lambda r: r["metrics"].update(mae=1e999), "Infinity is no finite number"),
        (lambda r: r["madds"]["per_module"].update(total=-1), r"madds\.per_module\.total"),
        (lambda r: r["madds"].pop("complete"), "key: madds; found: 'complete' is a required"),
        (lambda r: r.pop("madds"), "'madds' is a required"),
        (lambda r: r.update(seed=0.0), r"key: seed; found: 0\.0"),
        (lambda r: r.update(seed=True), "key: seed"),
        (lambda r: r.update(run=["text"]), "key: run; found: a list of 1"),
        (lambda r: r.update(expert_shares={"text": 1.2}), r"expert_shares\.text"),
        (lambda r: r.update(budgets=[7], point={}), r"key: budgets\.0; found: 7"),
        (lambda r: r.update(inference="hard"), "is a dependency of 'inference'"),
        (lambda r: r["epochs"].update(own=-1), r"epochs\.own"),
    ],
)
def test_a_metrics_file_of_another_form_is_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words) as caught:
        read_records([metrics(tmp_path, change)])
    assert str(tmp_path / "metrics.json") in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "7", "[" * 100_000, '{"a": 1e999}', "1" * 9999])
def test_what_is_no_metrics_file_is_one_message(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputError, match=r"metrics\.json"):
        read_records([tmp_path / "metrics.json"])


def test_csv_files_with_texts_for_numbers_are_named(tmp_path):
    path = tmp_path / "history.csv"
    head = "epoch,total_loss,score,score_name\n"
    path.write_text(f"{head}1,0.5,,loss\n2,0.25,inf,loss\n3,0.1,0.2,loss\n")
    assert read_histories([path], ["a"])["score"].isna().tolist() == [True, True, False]
    path.write_text(f"{head}1,0.5,0.1,loss\n2,o.25,0.1,loss\n")
    with pytest.raises(InputError, match=r"history\.csv; key: total_loss, row 2; found: o\.25"):
        read_histories([path], ["a"])
    path.write_bytes(b"\x00\xff\xfe" * 50)
    with pytest.raises(InputError, match=r"history\.csv"):
        read_histories([path], ["a"])
    path.write_text("model,seed,setting,input,level,run\na,0,rgb,noise,high,0\n")
    with pytest.raises(InputError, match="key: level, row 1; found: high"):
        read_sweeps([path])


def test_damaged_files_of_a_sweep_are_put_aside_and_made_again(tmp_path, caplog):
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    clean = {"outputs": np.arange(6.0).reshape(3, 2)}
    runs = {0: {"score": 0.5}, 1: {"score": 0.25}}
    directory.clean(lambda: clean)
    directory.store("rgb", "level~1.0", runs)
    assert directory.runs("rgb", "level~1.0") == runs
    archive, part = directory.path / "clean.npz", directory.path / "rgb" / "level~1.0.json"
    part.write_text(part.read_text().replace("0.25", "0.26"))
    content = bytearray(archive.read_bytes())
    content[len(content) // 3] ^= 4
    archive.write_bytes(content)
    with caplog.at_level(logging.WARNING, "dynmm.evaluation"):
        assert directory.runs("rgb", "level~1.0") == {}
        np.testing.assert_array_equal(directory.clean(lambda: clean)["outputs"], clean["outputs"])
    assert sum("Put aside" in message for message in caplog.messages) == 2
    assert archive.with_name("clean.npz.damaged").exists()
    assert part.with_name("level~1.0.json.damaged").exists()
    np.testing.assert_array_equal(directory.kept("clean")["outputs"], clean["outputs"])
    archive.write_bytes(b"")
    assert directory.kept("clean") is None and directory.kept("never") is None
