"""The embedded sentiment sample: real sentences and ratings, SIMULATED audio and vision.

The sample is kept as words and a small table of word vectors (snippets.tsv, vectors.npz and
sample.yaml) and expanded here into the raw form of CMU-MOSEI, mosei_senti_data.pkl. No sound or
picture stands behind its audio and vision: they are smooth random series, and in the rows marked in
snippets.tsv some of their channels follow a noisy copy of the rating.
"""

import contextlib
import csv
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.ndimage import gaussian_filter1d

from dynmm.errors import InputError
from dynmm.files import atomic_path, write_text
from dynmm.stored_arrays import INTEGERS, TEXTS, Form, read_arrays

RESTORE = "Restore it from the repository, or build it with tools/reviews."
VECTORS = {
    "words": Form("words", TEXTS),
    "table": Form("words size", INTEGERS),
    "scale": Form("", low=0),
}
SHOWN = 200  # characters of what was found
LENGTH = 50  # time steps of the raw form
WIDTHS = {"vision": 35, "audio": 74}
PARTS = ("train", "valid", "test")
MARKS = ("audio_tells", "vision_tells", "text_removed")
COLUMNS = ("split", "id", "review", "position", "rating", "hard", *MARKS, "words", "text")
INFINITE_SHARE = 0.08  # rows with -inf in audio, as the true file has where a log of 0 was taken
CARRIERS = {"vision": 9, "audio": 14}  # channels that follow the rating
LEVELS = 3  # channels that show whether a face is seen or a voice heard clearly
RATING_NOISE = 1.3  # of the copy that the carriers follow, in units of the ratings' own spread


class SimulatedChannels:
    """Smooth random series of one modality.

    Args:
        modality: "vision" or "audio".
        seed: of the modality's own layout: carrier and level channels, scales, offsets.
    """

    def __init__(self, modality, seed):
        self.width = WIDTHS[modality]
        rng = np.random.default_rng([seed, self.width])
        channels = rng.permutation(self.width)
        carriers = channels[: CARRIERS[modality]]
        self.levels = channels[len(carriers) : len(carriers) + LEVELS]
        self.direction = np.zeros(self.width)
        signs = rng.choice([-1, 1], len(carriers))
        self.direction[carriers] = signs * rng.uniform(0.5, 1.0, len(carriers))
        self.scale = np.exp(rng.normal(0, 0.5, self.width))
        self.offset = rng.normal(0, 0.5, self.width) * self.scale
        self.mixing = rng.normal(0, 1, (8, self.width)) / np.sqrt(8)

    def series(self, steps, rating, tells, rng):
        """(steps, width) float64; `tells`: whether the row's carriers follow the rating."""
        hidden = _smooth(rng.normal(0, 1, (steps + 20, 8)), 3)[10:-10] / 0.3
        own = _smooth(rng.normal(0, 1, (steps, self.width)), 1)
        values = 0.7 * hidden @ self.mixing + 0.7 * own
        seen = rating / 1.5 + rng.normal(0, RATING_NOISE)
        strength = 0.5 + np.abs(_smooth(rng.normal(0, 2, steps + 20), 4)[10:-10])
        if tells:
            values += seen * strength[:, None] * self.direction
            values[:, self.levels] += 2.0
        return values * self.scale + self.offset


def expand(folder):
    """The sample in the raw form of mosei_senti_data.pkl.

    Deterministic: a row's numbers depend on the seed in sample.yaml and on its place alone.

    Returns:
        dict train/valid/test -> dict of vision (N, 50, 35), audio (N, 50, 74), text (N, 50, 300),
        labels (N, 1, 1), all float32, and id (N, 1) text. Zero padding in front; some -inf in
        audio; rows marked text_removed have all-zero text.

    Raises:
        InputError: a file or column is missing, or a word has no vector.
    """
    folder = Path(folder)
    snippets = read_snippets(folder)
    vectors, width = _read_vectors(folder / "vectors.npz")
    seed = _read_seed(folder / "sample.yaml")
    channels = {modality: SimulatedChannels(modality, seed) for modality in WIDTHS}
    data = {}
    for part in PARTS:
        rows = snippets[snippets["split"] == part]
        arrays = {
            modality: np.zeros((len(rows), LENGTH, channels[modality].width), np.float32)
            for modality in WIDTHS
        }
        arrays["text"] = np.zeros((len(rows), LENGTH, width), np.float32)
        for place, row in enumerate(rows.itertuples()):
            words = _vectors_of(row, vectors, folder / "snippets.tsv")
            start = LENGTH - len(words)
            if not row.text_removed:
                arrays["text"][place, start:] = words
            rng = np.random.default_rng([seed, row.Index])
            for modality, simulated in channels.items():
                tells = getattr(row, f"{modality}_tells")
                values = simulated.series(len(words), row.rating, tells, rng)
                arrays[modality][place, start:] = values
            if rng.random() < INFINITE_SHARE:
                steps, where = rng.integers(start, LENGTH, 3), rng.integers(0, WIDTHS["audio"], 3)
                arrays["audio"][place, steps, where] = -np.inf
        arrays["labels"] = rows["rating"].to_numpy(np.float32)[:, None, None]
        arrays["id"] = rows["id"].to_numpy(np.str_)[:, None]
        data[part] = arrays
    return data


def read_snippets(folder):
    """snippets.tsv as a frame, rows ordered train, valid, test (see resources/sample/mosei)."""
    path = Path(folder, "snippets.tsv")
    _require(path)
    with _damage(path):
        frame = pd.read_csv(
            path, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False, encoding="utf-8"
        )
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise InputError(
            "missing columns",
            file=path,
            found=", ".join(map(str, frame))[:200],
            expected=", ".join(COLUMNS),
        )
    with _damage(path):
        frame = frame.astype({"rating": np.float64, **dict.fromkeys(MARKS, np.int64)})
        frame = frame.astype(dict.fromkeys(("split", "id", "words", "text"), str))
    return frame


def write_raw(folder, pickle_path, snippets_path):
    """Expand the sample into `pickle_path`, and say what its rows are in `snippets_path`.

    The latter is the sample's snippets.tsv without its words: `id` as in the pickle, `text` (the
    sentence), `review` and `position` (its place there, from 0), `hard` and the simulation's marks.

    Returns:
        What `expand` returns.
    """
    data = expand(folder)
    with atomic_path(pickle_path) as temporary, open(temporary, "wb") as file:
        pickle.dump(data, file, protocol=4)
    rows = read_snippets(folder).drop(columns="words")
    write_text(snippets_path, rows.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE))
    return data


def _smooth(values, sigma):
    return gaussian_filter1d(values, sigma, axis=0)


def _read_vectors(path):
    _require(path)
    stored = read_arrays(path, VECTORS, fix=RESTORE)
    table = stored["table"].astype(np.float32) * stored["scale"]
    return dict(zip(stored["words"].tolist(), table, strict=True)), table.shape[1]


def _read_seed(path):
    _require(path)
    with _damage(path):
        seed = yaml.safe_load(path.read_text(encoding="utf-8"))["seed"]
        np.random.SeedSequence([seed])
        return seed


def _vectors_of(row, vectors, path):
    words = row.words.split()
    unknown = [word for word in words if word not in vectors]
    if unknown or not 0 < len(words) <= LENGTH:
        raise InputError(
            "a row's words do not fit",
            file=path,
            key=row.id[:SHOWN],
            found=f"{len(words)} words, without a vector: {', '.join(unknown)[:SHOWN] or 'none'}",
            expected=f"1 to {LENGTH} words of vectors.npz",
        )
    return np.stack([vectors[word] for word in words])


def _require(path):
    if not path.is_file():
        raise InputError(
            "missing file of the embedded sample",
            file=path,
            fix=RESTORE,
        )


@contextlib.contextmanager
def _damage(path):
    """Inside, a file of the sample is read: what that stumbles on is damage to the file."""
    try:
        yield
    except Exception as error:
        raise InputError(
            "a damaged file of the embedded sample",
            file=path,
            found=f"{type(error).__name__}: {error}"[:200],
            fix=RESTORE,
        ) from error
