"""What neither the plan nor a run's fingerprint sees, and what a forced training makes of it."""

import shutil

import pytest

import modality_runs as runs
from training_programs import ENVIRONMENT, command, results, run

pytestmark = pytest.mark.slow

EXPERT = """
import scaling
import torch
from torch import nn

from dynmm.models.experts.registry import register_expert


@register_expert("mmimdb", "scaled")
class Scaled(nn.Module):
    modalities = ("text",)

    def __init__(self, input_sizes, outputs):
        super().__init__()
        self.layer = nn.Linear(input_sizes["text"], outputs)
        with open("{file}") as file:
            self.scale = float(file.read()) * scaling.FACTOR

    def forward(self, inputs):
        return self.layer(inputs["text"]) * self.scale
"""


def library(folder, version, factor):
    """A library of another version, which does something else."""
    record = folder / f"scaling-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: scaling\nVersion: {version}\n")
    (folder / "scaling.py").write_text(f"FACTOR = {factor}\n")
    return folder


def test_a_forced_training_sees_a_library_and_a_file_once_its_run_s_folder_is_gone(tmp_path):
    manifest = runs.prepared("mmimdb", tmp_path)
    scale, module = tmp_path / "scale.txt", tmp_path / "scaled.py"
    module.write_text(EXPERT.format(file=scale))
    config = {"expert": {"model": "scaled", "module": str(module)}, "training": runs.TRAINING}
    libraries = [
        library(tmp_path / name, name, factor) for name, factor in (("1.0", 1), ("2.0", 3))
    ]

    def trained(with_library):
        """Weights of what `snakemake --forcerun` runs."""
        arguments = command("train_expert", tmp_path / "out", manifest, config, "--task", "mmimdb")
        ran = run(arguments, PYTHONPATH=f"{with_library}:{ENVIRONMENT['PYTHONPATH']}")
        assert ran.returncode == 0, ran.stderr
        return results(tmp_path / "out")[0]

    (tmp_path / "out").mkdir()
    scale.write_text("1")
    first = trained(libraries[0])
    assert trained(libraries[1]) != first, "its version is in the fingerprint"
    scale.write_text("5")
    assert trained(libraries[0]) == first, "a finished run is published again"
    shutil.rmtree(tmp_path / "out" / "resume")
    assert trained(libraries[0]) != first
