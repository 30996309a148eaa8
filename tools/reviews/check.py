"""Ridge regressions on a file in MOSEI's form: what text, audio, vision and all can tell.

One regression a modality on the mean over time; the late fusion of the three is set on the
validation rows; figures are those of the test rows.
"""

import argparse
import pickle
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dynmm.data.mosei.sample import expand, read_snippets

MODALITIES = ("text", "audio", "vision")
ALPHAS = np.logspace(0, 5, 16)


def predictions(data):
    """{modality | 'all': predicted ratings of the test rows}, and the true ones."""
    y = {part: arrays["labels"].ravel().astype(float) for part, arrays in data.items()}
    guess = {}
    for name in MODALITIES:
        x = {part: _means(arrays[name]) for part, arrays in data.items()}
        model = make_pipeline(StandardScaler(), RidgeCV(ALPHAS)).fit(x["train"], y["train"])
        guess[name] = {part: model.predict(x[part]) for part in ("valid", "test")}
    stacked = {
        part: np.stack([guess[name][part] for name in MODALITIES], 1) for part in ("valid", "test")
    }
    fusion = RidgeCV([0.1, 1, 10]).fit(stacked["valid"], y["valid"])
    result = {name: parts["test"] for name, parts in guess.items()}
    return {**result, "all": fusion.predict(stacked["test"])}, y["test"]


def _means(series):
    values = np.nan_to_num(np.asarray(series, np.float32), neginf=0.0)
    used = np.maximum((values != 0).any(2).sum(1), 1)
    return values.sum(1) / used[:, None]


def main():
    """Print a Markdown table: correlation on all rows, on text-hard rows, on the others; MAE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="compact sample, or a trusted pickle")
    source = parser.parse_args().source
    if source.is_dir():
        data = expand(source)
        rows = read_snippets(source)
        hard = rows.loc[rows["split"] == "test", "hard"].to_numpy(bool)
    else:
        data = pickle.loads(source.read_bytes())
        hard = None
    guess, truth = predictions(data)
    print("| ridge on | r | r, text-hard | r, others | acc2 (zeros left out) | MAE |")
    print("|---|---|---|---|---|---|")
    for name, values in guess.items():
        groups = [slice(None)] if hard is None else [slice(None), hard, ~hard]
        r = [f"{np.corrcoef(values[g], truth[g])[0, 1]:.3f}" for g in groups]
        r += ["-"] * (3 - len(r))
        accuracy = ((values > 0) == (truth > 0))[truth != 0].mean()
        mae = np.abs(values - truth).mean()
        print(f"| {name} | {' | '.join(r)} | {accuracy:.3f} | {mae:.3f} |")


if __name__ == "__main__":
    main()
