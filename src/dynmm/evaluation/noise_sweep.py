"""Noise sweeps: clean predictions are computed once, noisy ones alone level by level.

A plain loop predicts the whole split for every level, setting and run. Where the noise rule leaves
a batch clean its prediction is the clean one: two thirds of the batches with one noisy modality,
one third with two, all at level 0.
"""

import logging

import numpy as np

from dynmm.evaluation.noise import SHARE, GaussianNoise, noisy_modalities
from dynmm.vocabulary import NOISE, ZERO

log = logging.getLogger("dynmm.evaluation")


class NoisyInputs:
    """Adds the noise of one run to the batches of its noisy units, which come in order.

    Args:
        units: (positions, modality) of each noisy unit; a batch holds one unit or several.
        level: of the noise, see `GaussianNoise.add`.
        run: number of the run.

    Attributes:
        positions: (n,) of all noisy samples.
        noise: the run's `GaussianNoise`.
    """

    def __init__(self, units, level, run):
        self.positions = np.concatenate([np.asarray(positions) for positions, _ in units])
        self.units, self.level, self.noise = units, level, GaussianNoise(run)
        self._waiting = iter(units)

    def corrupt(self, inputs, size):
        """Add noise, in place, to the next `size` rows, all of them noisy.

        Args:
            inputs: modality -> tensor (size, ...).
            size: rows of the batch.
        """
        start = 0
        while start < size:
            positions, modality = next(self._waiting)
            rows = slice(start, start + len(positions))
            inputs[modality][rows] = self.noise.add(inputs[modality][rows], self.level)
            start = rows.stop


def noisy_results(clean, units, modalities, level, run, predict, share=SHARE):
    """Results of every sample in one run at one level, predicting only what is noisy.

    Args:
        clean: dict of arrays, one row a sample.
        units: positions of each unit of the noise, see `noise.split_units`.
        modalities: those that the setting makes noisy.
        level, run: see `NoisyInputs`.
        predict: function of `NoisyInputs` that gives the same arrays for its positions.
        share: of the units, for each modality; see `noise.noisy_modalities`.

    Returns:
        Dict of arrays as `clean`, and the share of noisy samples.
    """
    drawn = noisy_modalities(modalities, run, len(units), share)
    noisy = [(positions, name) for positions, name in zip(units, drawn, strict=True) if name]
    if not noisy or level == 0:
        return clean, 0.0
    found_share = sum(len(positions) for positions, _ in noisy) / sum(map(len, units))
    inputs = NoisyInputs(noisy, level, run)
    found = predict(inputs)
    results = {name: array.copy() for name, array in clean.items()}
    for name, array in found.items():
        results[name][inputs.positions] = array
    return results, found_share


def sweep(directory, setting, modalities, units, levels, runs, samples, score, share=SHARE):
    """One setting of one model over levels and runs, going on from what the directory holds.

    Args:
        directory: `SweepDirectory`.
        setting: its name.
        modalities: those that the setting makes noisy.
        units: see `noisy_results`.
        levels: of the noise.
        runs: how many; each has a seed of its own, its number.
        samples: has `clean()` and `noisy(NoisyInputs)`, dicts of arrays with one row a sample.
        score: function of such a dict that gives a dict of numbers.
        share: see `noisy_results`.

    Returns:
        List of dicts: input ("noise"), level, run, noisy_share and the numbers of `score`.
    """
    rows = []
    for level in levels:
        part = f"level~{float(level)!r}"
        done = directory.runs(setting, part)
        missing = [run for run in range(runs) if run not in done]
        if missing:
            clean = directory.clean(samples.clean)
            for run in missing:
                results, noisy_share = noisy_results(
                    clean, units, modalities, level, run, samples.noisy, share
                )
                done[run] = {"noisy_share": noisy_share, **score(results)}
            directory.store(setting, part, done)
        log.info("%s: level %g, %d of %d runs computed", setting, level, len(missing), runs)
        rows += [
            {"input": NOISE, "level": float(level), "run": run, **done[run]} for run in range(runs)
        ]
    return rows


def without_modalities(directory, setting, modalities, samples, score):
    """The row of a setting whose modalities are missing: set to zero in every sample.

    Args:
        directory, setting, modalities, score: as for `sweep`.
        samples: has `missing(modalities)`.

    Returns:
        dict of input ("zero"), no level, run 0 and the numbers of `score`.
    """
    done = directory.runs(setting, ZERO)
    if not done:
        done = {0: {"noisy_share": 1.0, **score(samples.missing(modalities))}}
        directory.store(setting, ZERO, done)
    return {"input": ZERO, "level": None, "run": 0, **done[0]}
