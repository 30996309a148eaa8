"""Every slice that the rules make of a configuration."""

import re

from dynmm.configuration import modality, modality_reports, robustness, routing, segmentation
from dynmm.configuration.grid import FOLDERS, all_points, point_path, points_by_folder
from dynmm.configuration.runs import shown_runs, trained_runs
from dynmm.configuration.selection import SELECTING, selection
from dynmm.vocabulary import MODALITY_TASKS, TASKS


def every_slice(config):
    """The slices, one after another; what the rules ask of points besides is asked, too."""
    yield from _segmentation(config)
    for task in MODALITY_TASKS:
        yield from _modality(config, task)
    for task in TASKS:
        yield routing.study(config, task)
        yield routing.report(config, task)
    for table in routing.TABLES:
        yield routing.gain_column(config, table)
    for table in modality_reports.TABLES:
        yield modality_reports.table(config, table)
    for figure in modality_reports.TRADEOFFS:
        yield modality_reports.tradeoff(config, figure)
    yield modality_reports.sentences(config)
    yield robustness.areas(config)
    yield [selection(config, task) for task in SELECTING]
    yield config["resources"]


def _segmentation(config):
    runs = config["nyuv2"]["runs"]
    for run in trained_runs(runs):
        yield segmentation.training(config, run)
        yield segmentation.loading(config, run)
    for run in shown_runs(runs):
        yield segmentation.evaluation(config, run)
        yield segmentation.counted_as(runs, run)
    for counted in {**segmentation.counted_networks(runs), "static": None}:
        yield segmentation.madds(config, counted)
    for run in routing.gated_runs(config):
        yield routing.forced_paths(config, run)
    for run in config["nyuv2"]["noise"]["models"]:
        yield robustness.noise(config, run)
    yield segmentation.table(config)
    yield segmentation.history(config)
    yield robustness.figure6(config)
    yield robustness.predicted_frames(config)
    yield robustness.figure7(config)


def _modality(config, task):
    section = config[task]
    for expert in section["experts"]:
        yield modality.expert_training(config, task, expert)
        yield modality.stored_outputs(config, task, expert)
        yield modality.expert_evaluation(config, task, expert)
        yield modality.cross_fitting(config, task, expert)
    folders = points_by_folder(section)
    for point in all_points(section):
        path = point_path(point)
        if not re.fullmatch(FOLDERS, path) or folders[path] != point:
            raise ValueError(f"a point that no folder stands for: {path}")
        if any(len(part) > 255 for part in path.split("/")):
            raise ValueError(f"a name that no file system holds: {path}")
        yield modality.dynamic_training(config, task, point)
        yield modality.dynamic_evaluation(config, task, point)
        yield modality.reads_stored_train(section, point)
    yield modality.madds(config, task)
    for model in robustness.feature_models(config, task):
        yield robustness.feature_noise(config, task, model)
    yield robustness.feature_figure(config, task)
