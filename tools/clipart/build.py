"""Clip art with human titles, descriptions and keywords -> a file in the form of MM-IMDB.

Writes multimodal_imdb.hdf5, split.yaml and items.tsv. See README.md beside this file.
"""

import collections
import json
import logging
from pathlib import Path

import h5py
import numpy as np
import yaml
from tools.clipart.collection import LabelRules, read_collection
from tools.clipart.masking import MaskedText
from tools.wordvectors import WordVectors

from dynmm.errors import InputError
from dynmm.files import atomic_path, write_text
from dynmm.program import parser, run

N_LABELS = 23  # as many as MM-IMDB has genres
SHARES = {"train": 0.6, "dev": 0.15, "test": 0.25}
SAME_TEXT, LEAST, MAX_DRAWS = 4, 3, 1000
TEXT_STEP, PICTURE_STEP = 2**-9, 2**-3  # values are rounded to these steps, so that they pack
log = logging.getLogger("dynmm")


def usable_items(svg, png, vocabulary):
    """Items with a label and a word left, their labels' names, and their text.

    Returns:
        items; list of the N_LABELS most frequent labels; list of lists of words; (N, 300) float32.
    """
    rules = LabelRules.read()
    items = read_collection(svg, png, rules)
    if not items:
        raise InputError(
            "no clip art found",
            file=svg,
            expected="the folders svg and png of the packages openclipart-svg, openclipart-png",
        )
    counts = collections.Counter(label for item in items for label in sorted(item.labels))
    labels = [label for label, _ in counts.most_common(N_LABELS)]
    masked = MaskedText(WordVectors(vocabulary), labels, rules)
    kept, texts = [], []
    for item in items:
        item.labels &= set(labels)
        words = masked.words(item)
        if item.labels and words:
            kept.append(item)
            texts.append(words)
    log.info("%d items with keywords, %d usable", len(items), len(kept))
    return kept, labels, texts, np.stack([masked.feature(words) for words in texts])


def split_rows(texts, genres, rows, rng):
    """Row numbers of each part: no text in two parts, every label in every part.

    Items of equal text go together, and at most SAME_TEXT of them are used: one series of road
    signs would otherwise fill a part. Orders are drawn until every label has LEAST items in each
    part.

    Args:
        texts: one list of words an item.
        genres: (items, labels) bool.
        rows: number of rows of all parts together.
        rng: numpy.random.Generator.
    """
    groups = collections.defaultdict(list)
    for number, words in enumerate(texts):
        groups[" ".join(words).lower()].append(number)
    groups = [group[:SAME_TEXT] for group in groups.values()]
    available = sum(map(len, groups))
    if available < rows + SAME_TEXT * len(SHARES):
        raise InputError("too few items for --rows", found=available, expected=rows)
    for _ in range(MAX_DRAWS):
        order = iter(rng.permutation(len(groups)))
        parts = {}
        for part, share in SHARES.items():
            parts[part] = []
            while len(parts[part]) < round(share * rows):
                parts[part].extend(groups[next(order)])
        if all(genres[numbers].sum(0).min() >= LEAST for numbers in parts.values()):
            return {part: rng.permutation(numbers) for part, numbers in parts.items()}
    raise InputError("no draw has every label in every part", fix="Raise --rows.")


def write_raw(path, text, pictures, genres, ids, labels):
    """Write the file in MM-IMDB's form (no images, sequences or n-grams)."""
    packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
    with atomic_path(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        text = np.round(text / TEXT_STEP) * TEXT_STEP
        pictures = np.round(pictures / PICTURE_STEP) * PICTURE_STEP
        file.create_dataset("features", data=text.astype(np.float32), **packed)
        file.create_dataset("vgg_features", data=pictures.astype(np.float16), **packed)
        file.create_dataset("genres", data=genres.astype(np.int32), **packed)
        file["genres"].attrs["target_names"] = json.dumps(labels)
        file.create_dataset("imdb_ids", data=np.array(ids, "S7"))


def main(arguments):
    """Build the three files."""
    items, labels, texts, text = usable_items(arguments.svg, arguments.png, arguments.vocabulary)
    rng = np.random.default_rng(arguments.seed)
    genres = np.array([[label in item.labels for label in labels] for item in items])
    parts = split_rows(texts, genres, arguments.rows, rng)
    chosen = np.concatenate(list(parts.values()))
    rows, genres = [items[number] for number in chosen], genres[chosen]
    ids = [f"{number:07d}" for number in chosen]
    path = arguments.output / "multimodal_imdb.hdf5"
    pictures = _pictures(rows, arguments.cache)
    write_raw(path, text[chosen], pictures, genres, ids, labels)
    sizes = {part: len(numbers) for part, numbers in parts.items()}
    write_text(arguments.output / "split.yaml", yaml.safe_dump(sizes, sort_keys=False))
    lines = ["imdb_id\tpicture\tlabels\twords"]
    for number, name, item in zip(chosen, ids, rows, strict=True):
        lines.append(
            f"{name}\t{item.path}\t{','.join(sorted(item.labels))}\t{' '.join(texts[number])}"
        )
    write_text(arguments.output / "items.tsv", "\n".join(lines) + "\n")
    log.info("%s, %.2f labels a row", sizes, genres.sum(1).mean())
    log.info(", ".join(f"{n} {c}" for n, c in zip(labels, genres.sum(0), strict=True)))
    log.info("%.2f MB", path.stat().st_size / 1e6)


def _pictures(rows, cache):
    from tools.clipart.pictures import picture_features  # torch and a network: only when needed

    known = {}
    if cache and cache.is_file():
        with np.load(cache) as stored:
            known = dict(zip(stored["paths"], stored["features"], strict=True))
    missing = [item for item in rows if item.path not in known]
    if missing:
        features = picture_features([item.png for item in missing])
        known.update(zip((item.path for item in missing), features, strict=True))
        if cache:
            np.savez(cache, paths=np.array(list(known)), features=np.stack(list(known.values())))
    return np.stack([known[item.path] for item in rows])


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--svg", type=Path, required=True, help="folder svg of openclipart-svg")
    options.add_argument("--png", type=Path, required=True, help="folder png of openclipart-png")
    options.add_argument("--vocabulary", type=Path, required=True, help="spaCy vocab folder")
    options.add_argument("--output", type=Path, default=Path("resources/sample/mmimdb"))
    options.add_argument("--rows", type=int, default=1500)
    options.add_argument("--seed", type=int, default=2)
    options.add_argument("--cache", type=Path, help=".npz that keeps the picture features")
    run(main, options.parse_args())
