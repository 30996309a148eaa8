"""One number a sweep: the area under its curve, relative to the clean score."""

import numpy as np
import pandas as pd

from dynmm.errors import InputError
from dynmm.vocabulary import NOISE, ZERO


def relative_areas(frame, task, score):
    """Summary of a task's sweeps, a row for each model and setting.

    The area under score against level (trapezoids) is divided by that of a score that stays at its
    clean value: 1 means that noise does no harm. It is below 1 where noise harms a score that
    shall be high, above 1 where it harms an error such as MAE.

    Args:
        frame: what `noise_curves.read_sweeps` returned, of one task.
        task: its name.
        score: the column that counts.

    Returns:
        DataFrame with columns task, model, setting, score, clean, relative_area,
        relative_area_std (over the runs of a seed, pooled over seeds), missing (the score with the
        setting's modality set to zero, NaN where that was not done), highest_level, runs, seeds,
        score_ratio (the score at the highest level over the clean one), cost_ratio (the same of the
        depth encoder's multiply-adds, NaN for other tasks).

    Raises:
        InputError: the score is not in the frame, or a sweep lacks level 0 or a second one.
    """
    if score not in frame:
        raise InputError("no noise sweep has this score", key=score, found=", ".join(frame))
    rows = []
    for (model, setting), part in frame.groupby(["model", "setting"], sort=False):
        noisy = part[part["input"] == NOISE]
        curves = noisy.pivot_table(index=["seed", "run"], columns="level", values=score)
        levels = curves.columns.to_numpy(float)
        if len(levels) < 2 or levels[0] != 0:
            raise InputError(
                f"a noise sweep of {task} without level 0 or a second level",
                key=f"{model}, {setting}",
                found=", ".join(f"{level:g}" for level in levels),
            )
        clean = curves[0.0]
        areas = np.trapezoid(curves.to_numpy(), levels, axis=1) / (levels[-1] * clean)
        variance = areas.groupby("seed").var().fillna(0.0)
        rows.append(
            {
                "task": task,
                "model": model,
                "setting": setting,
                "score": score,
                "clean": clean.mean(),
                "relative_area": areas.mean(),
                "relative_area_std": variance.mean() ** 0.5,
                "missing": part.loc[part["input"] == ZERO, score].mean(),
                "highest_level": levels[-1],
                "runs": noisy["run"].nunique(),
                "seeds": noisy["seed"].nunique(),
                "score_ratio": _ratio(noisy, score, levels[-1]),
                "cost_ratio": _ratio(noisy, "depth_encoder_madds", levels[-1]),
            }
        )
    return pd.DataFrame(rows)


def _ratio(noisy, column, level):
    """Mean of a column at a level over its mean at level 0; NaN where there is no such column."""
    if column not in noisy:
        return np.nan
    means = noisy.groupby("level")[column].mean()
    return means[level] / means[0.0]
