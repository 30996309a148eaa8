"""Logistic regressions on a file in MM-IMDB's form: what text, image and both can tell.

Thresholds, strengths and the weight of late fusion are set on the dev rows; F1 is that of the test
rows.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

STRENGTHS = {"text": (0.01, 0.1, 1.0), "image": (0.001, 0.01)}  # inverse of the L2 penalty
THRESHOLDS = np.linspace(-3, 1, 41)


def scores(path, sizes, strengths=STRENGTHS):
    """{'text' | 'image' | 'both': {'micro_f1', 'macro_f1'}} on the test rows.

    Args:
        path: the HDF5 file, rows ordered train, dev, test.
        sizes: {'train', 'dev', 'test'}: number of rows.
        strengths: per modality, the values of C to choose from.
    """
    with h5py.File(path) as file:
        x = {"text": file["features"][:], "image": file["vgg_features"][:].astype(np.float32)}
        genres = file["genres"][:]
    train, dev = slice(sizes["train"]), slice(sizes["train"], sizes["train"] + sizes["dev"])
    test = slice(dev.stop, None)

    def f1(rows, logits, threshold):
        guess = logits[rows] > threshold
        return {
            f"{average}_f1": float(f1_score(genres[rows], guess, average=average, zero_division=0))
            for average in ("micro", "macro")
        }

    def best(candidates):
        pairs = [(logits, threshold) for logits in candidates for threshold in THRESHOLDS]
        return max(pairs, key=lambda pair: sum(f1(dev, *pair).values()))

    chosen = {
        name: best([_logits(x[name], genres, train, c) for c in strengths[name]]) for name in x
    }
    text, image = chosen["text"][0], chosen["image"][0]
    chosen["both"] = best([w * text + (1 - w) * image for w in (0.3, 0.4, 0.5, 0.6, 0.7)])
    return {name: f1(test, *pair) for name, pair in chosen.items()}


def _logits(x, genres, train, strength):
    z = StandardScaler().fit(x[train]).transform(x)
    model = LogisticRegression(C=strength, max_iter=200)
    return np.stack([model.fit(z[train], y[train]).decision_function(z) for y in genres.T], 1)


def main():
    """Print the scores as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds multimodal_imdb.hdf5 and split.yaml")
    folder = parser.parse_args().folder
    sizes = yaml.safe_load((folder / "split.yaml").read_text(encoding="utf-8"))
    print("| logistic regression on | micro F1 | macro F1 |\n|---|---|---|")
    for name, row in scores(folder / "multimodal_imdb.hdf5", sizes).items():
        print(f"| {name} | {row['micro_f1']:.3f} | {row['macro_f1']:.3f} |")


if __name__ == "__main__":
    main()
