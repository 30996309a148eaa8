"""The real program that trains a network, on raw files of a few small frames."""

import re

import pytest

from dynmm.data.nyuv2.prepare import prepare
from nyu_files import write_raw
from segmentation_runs import CONFIG
from training_programs import command, results, run

pytestmark = pytest.mark.slow

PROGRAM = "train_segmentation"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    prepare(write_raw(folder / "raw"), folder / "prepared", CONFIG["prepare"])
    return folder / "prepared" / "manifest.json"


def test_another_seed_gives_another_network(tmp_path, manifest):
    config = {**CONFIG, "training": {**CONFIG["training"], "epochs": 1}}
    for seed in (1, 2):
        arguments = command(PROGRAM, tmp_path / str(seed), manifest, config, seed=seed)
        assert run(arguments).returncode == 0
    assert results(tmp_path / "1")[0] != results(tmp_path / "2")[0]


def test_noise_in_training_reaches_the_network(tmp_path, manifest):
    static = {key: value for key, value in CONFIG["training"].items() if key != "gate"}
    static |= {"model": "static", "epochs": 1}
    made = []
    for noise in (None, {"share": 1.0, "level": 2.0}):
        augmentation = {**CONFIG["augmentation"], "noise": noise}
        config = {**CONFIG, "training": static, "augmentation": augmentation}
        arguments = command(PROGRAM, tmp_path / str(bool(noise)), manifest, config)
        assert run(arguments).returncode == 0
        made.append(results(tmp_path / str(bool(noise)))[0])
    assert made[0] != made[1]


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_learning_rate(tmp_path, manifest):
    config = {**CONFIG, "training": {**CONFIG["training"], "learning_rate": 1e30}}
    done = run(command(PROGRAM, tmp_path, manifest, config))
    assert done.returncode == 1
    assert re.search(r"error: the loss is .*epoch \d, step 1, learning rate", done.stderr)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "weights.safetensors").exists()
