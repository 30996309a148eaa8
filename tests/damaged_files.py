"""What reads files: a sound folder to damage, and a reading that ends in true values or fails.

Every `Subject` is made once; then copies of its folder are damaged and read.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

import mmimdb_files
import modality_metrics
import modality_runs
import routing_study
import toy_training
from dynmm.data.manifest import open_array, read_manifest
from dynmm.data.mmimdb import prepare as mmimdb_prepare
from dynmm.data.mosei import prepare as mosei_prepare
from dynmm.data.mosei import sample as mosei_sample
from dynmm.data.mosei.raw import FILE, SENTENCES
from dynmm.data.nyuv2 import prepare as nyuv2_prepare
from dynmm.evaluation.modality.epochs import epochs_behind
from dynmm.evaluation.modality.routing import StoredResults
from dynmm.evaluation.segmentation.routing import FORCED_PATHS
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.models.weights import load_released, load_weights, save_weights
from dynmm.published_weights import published_weights
from dynmm.reporting.frame_figure import read_frames
from dynmm.reporting.history import over_seeds, read_histories
from dynmm.reporting.noise_curves import over_runs, read_sweeps
from dynmm.reporting.records import by_run, number, read_records
from dynmm.reporting.routing import read_routing
from dynmm.stored_arrays import FOLD, GATED, OUTPUTS, PREDICTIONS, read_arrays
from dynmm.stored_records import MODALITY_METRICS, read_record, read_sealed, sealed
from dynmm.tasks import load_routing, load_task
from nyu_files import write_raw
from test_noise_figures import arrays as frame_arrays
from test_noise_figures import sweep as noise_sweep

MOVIES = "multimodal_imdb.hdf5"
WHOLE = {"labels": 40, "depth": 2**16, "rgb": 256}


@dataclass(frozen=True)
class Subject:
    """Files that belong together.

    Attributes:
        name: of it.
        make: function of an empty folder that writes the sound files.
        read: function of the folder, damaged, and of the sound one; raises AssertionError where it
            ends with values that cannot be true.
        files: pattern of the files to damage.
        forged: whether files of the form that hold something else are tried; a reader of its own
            private files is not to see through that.
    """

    name: str
    make: object
    read: object
    files: str = "*"
    forged: bool = True


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".")
    }


def read_prepared(folder, task):
    """Every array of a prepared folder, each one plausible."""
    manifest = read_manifest(folder, task)
    arrays = {name: open_array(folder, manifest, name) for name in manifest["arrays"]}
    for name, array in arrays.items():
        kind = name.split("_", 1)[1].removesuffix(".npy")
        assert array.size, name
        assert array.dtype.kind != "f" or np.isfinite(array).all(), name
        if task == "nyuv2" and kind in WHOLE:
            assert array.max() <= WHOLE[kind], name
        if kind == "genres":
            assert set(np.unique(array)) <= {0, 1}, name
        if task == "mosei" and kind == "labels":
            assert np.abs(array).max() <= 3, name
        if kind == "ids" and task == "mmimdb":
            assert len(set(array.tolist())) == len(array), name
    return manifest


def prepare_nyuv2(folder, _):
    nyuv2_prepare.prepare(folder, folder / "out", {"depth": "refined"})
    manifest = read_prepared(folder / "out", "nyuv2")
    assert len(set(manifest["class_names"])) == 40
    train, test = (set(manifest["splits"][split]) for split in ("train", "test"))
    assert train and test and not train & test
    assert np.isfinite(manifest["class_weights"]).all()


def prepare_mmimdb(folder, _):
    mmimdb_prepare.prepare(folder / MOVIES, folder / "out", {"splits": mmimdb_files.SPLITS})
    read_prepared(folder / "out", "mmimdb")


def make_mosei(folder):
    modality_runs.prepared("mosei", folder / "made")
    shutil.move(folder / "made" / "raw" / FILE, folder / FILE)
    shutil.rmtree(folder / "made")
    (folder / SENTENCES).write_text("id\ttext\ntest1[0.0-1.0]\tA sentence.\ntest2\tä\n")


def prepare_mosei(folder, _):
    mosei_prepare.prepare(folder, folder / "out", {})
    read_prepared(folder / "out", "mosei")


def make_review_sample(folder):
    words = ["a", "good", "film", "dull"]
    table = np.arange(4 * 5, dtype=np.int8).reshape(4, 5) + 1
    np.savez(folder / "vectors.npz", words=np.array(words), table=table, scale=np.float32(0.1))
    (folder / "sample.yaml").write_text("content: words\nseed: 1\nsizes: {train: 4}\n")
    rows = [
        {
            **dict.fromkeys(mosei_sample.COLUMNS, 0),
            "split": split,
            "id": f"r{place}[0]",
            "review": f"r{place}",
            "rating": place / 4 - 1,
            "words": " ".join(words[: 1 + place % 4]),
            "text": "Words.",
        }
        for place, split in enumerate(4 * ["train"] + 2 * ["valid"] + 2 * ["test"])
    ]
    pd.DataFrame(rows).to_csv(folder / "snippets.tsv", sep="\t", index=False)


def expand_sample(folder, _):
    made = folder / "made"
    mosei_sample.write_raw(folder, made / FILE, made / SENTENCES)
    mosei_prepare.prepare(made, made / "out", {})
    read_prepared(made / "out", "mosei")


def prepared(task):
    """A prepared folder is read as it was made, or not at all."""

    def make(folder):
        if task == "nyuv2":
            write_raw(folder / "raw")
            nyuv2_prepare.prepare(folder / "raw", folder / "out", {"depth": "refined"})
            made = folder / "out"
        else:
            made = modality_runs.prepared(task, folder / "of").parent
        for path in list(made.iterdir()):
            shutil.move(path, folder / path.name)
        for name in ("raw", "out", "of"):
            shutil.rmtree(folder / name, ignore_errors=True)

    def read(folder, sound):
        manifest, own = read_prepared(folder, task), digests(folder)
        assert manifest == json.loads((sound / "manifest.json").read_text())
        assert {name: own[name] for name in manifest["arrays"]} == {
            name: digest for name, digest in digests(sound).items() if name in manifest["arrays"]
        }

    return Subject(f"prepared {task}", make, read)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def make_weights(folder):
    save_weights(network(), folder / "weights.safetensors")
    torch.save({"state_dict": network().state_dict()}, folder / "ckpt_best.pth")
    summary = {
        "epochs": 3,
        "weights_sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
    }
    (folder / "training.json").write_text(json.dumps(summary))


def weights_are_finite(load, name):
    def read(folder, _):
        state = load(network(), folder / name).state_dict()
        assert all(torch.isfinite(value).all() for value in state.values())

    return read


def read_published(folder, sound):
    load_weights(network(), published_weights(folder / "training.json"))
    assert epochs_behind([folder / "training.json"])["own"] >= 0
    assert digests(folder)["weights.safetensors"] == digests(sound)["weights.safetensors"]


EPOCHS = 3


def make_run(folder):
    toy_training.train(folder / "run", 2)
    (folder / "whole.json").write_text(json.dumps(toy_training.train(folder / "other", EPOCHS)))
    shutil.rmtree(folder / "other")


def go_on(folder, sound):
    """What is damaged is put aside: the run ends with the numbers of one that nobody stopped."""
    found = toy_training.train(folder / "run", EPOCHS)
    assert json.loads(json.dumps(found)) == json.loads((sound / "whole.json").read_text())


CLEAN = {"outputs": np.arange(12.0).reshape(6, 2), "chosen": np.array([0, 1, 1, 0, 1, 0])}
RUNS = {0: {"noisy_share": 0.5, "acc2": 0.25}, 1: {"noisy_share": 0.25, "acc2": 0.5}}


def sweep_directory(folder):
    return SweepDirectory(folder / "sweep", "a" * 64, {"of": "a test"})


def make_sweep(folder):
    sweep_directory(folder).clean(lambda: CLEAN)
    sweep_directory(folder).store("rgb", "level~1.0", RUNS)


def read_sweep(folder, _):
    directory = sweep_directory(folder)
    found = directory.clean(lambda: CLEAN)
    assert all(np.array_equal(found[name], array) for name, array in CLEAN.items())
    assert directory.runs("rgb", "level~1.0") in ({}, RUNS)


def make_results(folder):
    """One of each file that evaluations leave."""
    rng = np.random.default_rng(0)
    floats = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    np.save(folder / "outputs.npy", floats(6, 4))
    np.savez(folder / "fold.npz", outputs=floats(3, 4), index=np.arange(3), count=6, epochs=5)
    np.savez_compressed(
        folder / "predictions.npz",
        ids=np.array([b"a", b"b", b"c"]),
        targets=floats(3, 4),
        outputs=floats(3, 4),
        gate_logits=floats(3, 2),
        chosen=np.array([0, 1, 1]),
    )
    np.savez_compressed(
        folder / "paths.npz",
        run="dynmm_a",
        seed=0,
        frame=np.array([2, 5]),
        confusion=rng.integers(0, 9, (2, 5, 3, 3)),
        entropy=np.abs(floats(2)),
        gate_logits=floats(2, 5),
        chosen=np.array([0, 4]),
    )
    np.savez_compressed(folder / "frames.npz", **frame_arrays())
    scores = {"acc2": 0.7, "mae": 0.8, "pearson_r": -0.2, "genre_f1": {"Drama": 0.5}}
    record = modality_metrics.record("mosei", "text", 0, scores, 1e6)
    (folder / "metrics.json").write_text(json.dumps(record))
    history = {"epoch": [1, 2], "total_loss": [0.5, 0.25], "score": [0.1, 0.2]}
    pd.DataFrame({**history, "score_name": "loss"}).to_csv(folder / "history.csv", index=False)
    noise_sweep("esanet", "rgb", missing=0.3).to_csv(folder / "noise.csv", index=False)
    routing_study.write_study(folder, routing_study.modality_study())
    counts = {"complete": {"total": [1, 2], "depth_encoder": [0, 1]}}
    (folder / "madds.json").write_text(json.dumps(sealed({"madds": counts})))


def finite(arrays):
    for array in arrays.values():
        assert array.dtype.kind != "f" or np.isfinite(array).all()


def read_metrics_file(path, _):
    (record,) = read_records([path])
    by_run([record])
    assert number(record, "madds.complete.total") >= 0
    for name in ("acc2", "acc2_nonzero", "micro_f1"):
        assert 0 <= (record["metrics"].get(name) or 0) <= 1


def read_history_file(path, _):
    frame = read_histories([path], ["a run"])
    assert over_seeds(frame, "total_loss")["mean"].dtype.kind == "f"
    over_seeds(frame, "score")


def read_noise_file(path, _):
    over_runs(read_sweeps([path]), "miou")


RESULTS = {
    "outputs.npy": lambda p, _: finite(read_arrays(p, OUTPUTS, sizes={"samples": 6})),
    "fold.npz": lambda p, _: finite(read_arrays(p, FOLD)),
    "predictions.npz": lambda p, _: finite(read_arrays(p, PREDICTIONS | GATED)),
    "paths.npz": lambda p, _: finite(read_arrays(p, FORCED_PATHS, sizes={"paths": 5})),
    "frames.npz": lambda p, _: read_frames(p),
    "metrics.json": read_metrics_file,
    "history.csv": read_history_file,
    "noise.csv": read_noise_file,
    "routing.json": lambda p, s: same(read_routing(p, "macro_f1"), read_routing(s, "macro_f1")),
    "madds.json": lambda p, s: same(read_sealed(p), read_sealed(s)),
}


def same(found, expected):
    assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)


def result(name):
    read = RESULTS[name]
    return Subject(f"result {name}", make_results, lambda f, s: read(f / name, s / name), name)


TASK = "mmimdb"


def make_study(folder):
    """Two experts and a gate over them, as their evaluations leave them, with prepared data."""
    prepared(TASK).make(folder / "prepared")
    task, rng = load_task(TASK), np.random.default_rng(0)
    validation, test = (task.open(folder / "prepared", part) for part in task.splits[1:])
    outputs = rng.normal(size=(2, *test.targets.shape)).astype(np.float32)
    chosen = rng.integers(0, 2, len(test))
    for place, name in enumerate(("text", "both")):
        own = folder / name
        _write_evaluation(own, test, outputs[place], run=name)
        np.save(
            own / "outputs_validation.npy",
            rng.normal(size=validation.targets.shape).astype(np.float32),
        )
    ran = outputs[chosen, np.arange(len(test))]
    logits = np.eye(2, dtype=np.float32)[chosen]
    experts = {"text": 1e6, "both": 4e6}
    madds = {"complete": {"total": 3e6, "gate": 1e5, "experts": experts}}
    more = {"inference": "hard", "reads_first": False, "expert_shares": {"text": 0.5, "both": 0.5}}
    point = {"lambda": "0.1", "tau": "1", "mode": "straight_through", "freeze": "true"}
    arrays = {"gate_logits": logits, "chosen": chosen}
    _write_evaluation(
        folder / "gate", test, ran, arrays, run="dynmm", madds=madds, point=point, **more
    )


def _write_evaluation(folder, test, outputs, arrays=None, **more):
    folder.mkdir()
    scores = {"micro_f1": 0.5, "macro_f1": 0.4}
    record = modality_metrics.record(TASK, "?", 0, scores, 1e6) | more
    (folder / "metrics.json").write_text(json.dumps(record))
    np.savez_compressed(
        folder / "predictions.npz",
        ids=test.ids,
        targets=test.targets.numpy(),
        outputs=outputs,
        **(arrays or {}),
    )


def read_study(folder, _):
    task = load_task(TASK)
    folders = [folder / name for name in ("text", "both", "gate")]
    stored = StoredResults(
        load_routing(TASK),
        task.splits[1:],
        folder / "prepared",
        read_manifest(folder / "prepared", TASK)["input_sizes"],
        {"image": 2e6},
        task.letters,
        {one: read_record(one / "metrics.json", MODALITY_METRICS) for one in folders},
        [*folder.glob("*/predictions.npz"), *folder.glob("*/outputs_validation.npy")],
    )
    for group in stored.groups():
        for point in group.points:
            for paths, gate in point.seeds.values():
                assert np.isfinite(paths.losses).all() and gate.chosen.max() < 2
    stored.static()


SUBJECTS = [
    Subject("raw nyuv2", write_raw, prepare_nyuv2, "*.mat"),
    Subject(
        "raw mmimdb",
        lambda folder: mmimdb_files.write(folder / MOVIES, mmimdb_files.arrays()),
        prepare_mmimdb,
        MOVIES,
    ),
    Subject("raw mosei", make_mosei, prepare_mosei),
    Subject("review sample", make_review_sample, expand_sample),
    *map(prepared, ("nyuv2", "mmimdb", "mosei")),
    Subject(
        "our weights",
        make_weights,
        weights_are_finite(load_weights, "weights.safetensors"),
        "*.safetensors",
    ),
    Subject(
        "released weights",
        make_weights,
        weights_are_finite(load_released, "ckpt_best.pth"),
        "*.pth",
    ),
    Subject("published weights", make_weights, read_published, "[tw]*"),
    Subject("unfinished run", make_run, go_on, "run/*/*.*", forged=False),
    Subject("sweep", make_sweep, read_sweep, "sweep/*/**/*.*", forged=False),
    *map(result, RESULTS),
    Subject("routing study", make_study, read_study, "[tbg]*/*"),
]
