"""Film-review snippets with human ratings -> the compact sample that expands to MOSEI's form.

Writes snippets.tsv, vectors.npz and sample.yaml. See README.md beside this file.
"""

import collections
import csv
import html
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from tools.wordvectors import WordVectors

from dynmm.errors import InputError
from dynmm.files import atomic_path, write_text
from dynmm.program import parser, run

STUDY = ("GroundTruth", "anonDataRatings")
LENGTH = 50
RATING_SCALE = 0.75  # [-4, 4] of the study -> [-3, 3] of MOSEI
VECTOR_NORM = 5.0  # about that of GloVe's common words
LEAST_WORDS, LEAST_RATERS = 3, 5
HARD_SHARE = 0.35  # rows whose rating the text alone foretells worst
TELLS = {True: 0.75, False: 0.05}  # chance that a modality follows the rating: hard rows, others
TEXT_REMOVED = 0.02
REVIEW_SHARE = 0.4  # of a part's rows, at most, that belong to a film named by several snippets
CONTENT = "film-review sentences with human ratings; SIMULATED audio and vision"
log = logging.getLogger("dynmm")


def read_study(folder):
    """Snippets of the rating study: number, rating in [-3, 3], deviation, sentence; no doubles."""
    paths = [Path(folder, f"movieReviewSnippets_{name}.txt") for name in STUDY]
    for path in paths:
        if not path.is_file():
            raise InputError(
                "file of the study missing", file=path, fix="See the builder's README."
            )
    texts, ratings = (
        pd.read_csv(path, sep="\t", header=None, quoting=csv.QUOTE_NONE, index_col=0)
        for path in paths
    )
    frame = pd.DataFrame({"text": texts[2].map(_readable)})
    frame["rating"] = (ratings[1] * RATING_SCALE).clip(-3, 3).round(4)
    frame["deviation"] = ratings[2].round(4)
    frame = frame[ratings[3].str.count(",").reindex(frame.index) + 1 >= LEAST_RATERS]
    return frame[~frame["text"].str.lower().duplicated()].rename_axis("number").reset_index()


def add_text_error(frame, vectors):
    """Columns `words`, and `text_error`: error of a ridge regression that never saw the row.

    The regression is on the mean word vector; five folds over the whole study.
    """
    frame = frame.assign(words=[vectors.known(text)[:LENGTH] for text in frame["text"]])
    frame = frame[frame["words"].map(len) >= LEAST_WORDS].reset_index(drop=True)
    means = np.stack([np.mean([vectors[w] for w in words], axis=0) for words in frame["words"]])
    folds = KFold(5, shuffle=True, random_state=0)
    guess = cross_val_predict(Ridge(1.0), means, frame["rating"], cv=folds)
    log.info("text alone, whole study: r %.3f", np.corrcoef(guess, frame["rating"])[0, 1])
    error = np.abs(guess - frame["rating"])
    return frame.assign(text_error=error.round(4), hard=error > error.quantile(1 - HARD_SHARE))


def gather_reviews(frame, films):
    """Columns `review` and `position`: the film a sentence names, or the sentence by itself."""
    named = pd.Series([f"snippet_{number:05d}" for number in frame["number"]], index=frame.index)
    for film in films:
        found = frame["text"].str.contains(rf"\b{re.escape(film)}\b")
        named[found] = re.sub(r"\W+", "_", film.lower())
    frame = frame.assign(review=named)
    return frame.assign(position=frame.groupby("review").cumcount())


def draw_parts(frame, sizes, rng):
    """Rows of each part, whole reviews together; column `split`, ordered train, valid, test."""
    counts = frame["review"].value_counts().sort_index()
    films = list(rng.permutation(counts.index[counts > 1]))
    singles = list(rng.permutation(counts.index[counts == 1]))
    parts = {}
    for part in reversed(sizes):  # test first: Figure 5 shows reviews of the test rows
        chosen, taken = [], 0
        while films and taken + counts[films[-1]] <= REVIEW_SHARE * sizes[part]:
            taken += counts[films[-1]]
            chosen.append(films.pop())
        chosen += [singles.pop() for _ in range(sizes[part] - taken)]
        place = {review: number for number, review in enumerate(rng.permutation(chosen))}
        rows = frame[frame["review"].isin(chosen)]
        order = np.lexsort([rows["position"], rows["review"].map(place)])
        parts[part] = rows.iloc[order].assign(split=part)
    return pd.concat([parts[part] for part in sizes], ignore_index=True)


def add_simulation_marks(frame, rng):
    """Which rows the simulated modalities tell the rating of, and which lose their text."""
    chance = frame["hard"].map(TELLS)
    marks = {f"{name}_tells": rng.random(len(frame)) < chance for name in ("audio", "vision")}
    return frame.assign(**marks, text_removed=rng.random(len(frame)) < TEXT_REMOVED)


def write_vectors(path, words, vectors):
    """8-bit table of the words' vectors: vector = scale * table[i] for words[i]."""
    table = np.stack([vectors[word] for word in words])
    scale = np.float32(np.abs(table).max() / 127)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file, words=np.array(words), table=np.round(table / scale).astype(np.int8), scale=scale
        )


def main(arguments):
    """Build the three files."""
    vectors = WordVectors(arguments.vocabulary, VECTOR_NORM)
    rng = np.random.default_rng(arguments.seed)
    films = yaml.safe_load(Path(__file__).with_name("films.yaml").read_text(encoding="utf-8"))
    frame = gather_reviews(add_text_error(read_study(arguments.ratings), vectors), films)
    sizes = dict(zip(("train", "valid", "test"), arguments.sizes, strict=True))
    frame = add_simulation_marks(draw_parts(frame, sizes, rng), rng)
    frame["id"] = [f"{r}[{p}]" for r, p in zip(frame["review"], frame["position"], strict=True)]
    used = sorted(set().union(*frame["words"]))
    frame["words"] = frame["words"].str.join(" ")
    flags = ["hard", "audio_tells", "vision_tells", "text_removed"]
    frame[flags] = frame[flags].astype(int)
    numbers = ["rating", "deviation", "text_error"]
    table = frame[["split", "id", "review", "position", *numbers, *flags, "words", "text"]]
    write_text(
        arguments.output / "snippets.tsv",
        table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE),
    )
    write_vectors(arguments.output / "vectors.npz", used, vectors)
    settings = {"content": CONTENT, "seed": arguments.seed, "sizes": sizes}
    write_text(arguments.output / "sample.yaml", yaml.safe_dump(settings, sort_keys=False))
    reviews = collections.Counter(frame.loc[frame["review"].str[:8] != "snippet_", "split"])
    log.info("%d words; rows that belong to a film's review: %s", len(used), dict(reviews))
    log.info("shares: %s", frame[flags].mean().round(3).to_dict())


def _readable(text):
    return " ".join(html.unescape(text).replace("''", '"').split())


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--ratings", type=Path, required=True, help="folder hutto_ICWSM_2014")
    options.add_argument("--vocabulary", type=Path, required=True, help="spaCy vocab folder")
    options.add_argument("--output", type=Path, default=Path("resources/sample/mosei"))
    options.add_argument("--sizes", type=int, nargs=3, default=[800, 150, 250])
    options.add_argument("--seed", type=int, default=1)
    run(main, options.parse_args())
