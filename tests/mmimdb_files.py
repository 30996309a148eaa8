"""Small raw files in the layout of MM-IMDB, for the tests."""

import json

import h5py
import numpy as np

SPLITS = {"train": 12, "dev": 3, "test": 5}
ROWS = sum(SPLITS.values())
GENRES = ["Drama", "Comedy", "Horror", "Western"]
TEXT_SIZE, IMAGE_SIZE = 6, 10


def arrays(rows=ROWS):
    """The data sets of a sound file, by key."""
    random = np.random.default_rng(0)
    genres = (random.random((rows, len(GENRES))) < 0.4).astype(np.int32)
    genres[0] = 1
    return {
        "features": random.standard_normal((rows, TEXT_SIZE)).astype(np.float32),
        "vgg_features": random.standard_normal((rows, IMAGE_SIZE)).astype(np.float32),
        "genres": genres,
        "imdb_ids": np.array([f"{i:07d}" for i in range(rows)], "S7"),
    }


def write(path, values, target_names=GENRES, extra=None, **options):
    """Write the data sets; `target_names` None leaves the attribute out."""
    with h5py.File(path, "w") as file:
        for key, value in (extra or {}).items():
            file.create_dataset(key, data=value)
        for key, value in values.items():
            file.create_dataset(key, data=value, **options)
        if target_names is not None and "genres" in values:
            names = target_names if isinstance(target_names, str) else json.dumps(target_names)
            file["genres"].attrs["target_names"] = names
    return path
