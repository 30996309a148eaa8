"""How the weights, inputs and stored numbers of a parity fixture follow from names."""

import json
import math
import zlib

import numpy as np
import torch


def rng(name):
    """A generator seeded by the name."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def tensor_for(key, shape):
    """The value of a state dict entry: float32, or int64 zeros for num_batches_tracked."""
    shape = tuple(int(size) for size in shape)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    random = rng(key)
    if key.endswith("running_mean"):
        values = 0.1 * random.standard_normal(shape)
    elif key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
        values = random.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        values = 0.05 * random.standard_normal(shape)
    else:
        values = random.standard_normal(shape)
        values *= math.sqrt(2.0 / math.prod(shape[1:]))
    return values.astype(np.float32)


def input_for(name, shape):
    """Standard normal float32 values."""
    return rng(name).standard_normal(tuple(shape)).astype(np.float32)


def lengths_for(name, count, low=3, high=50):
    """`count` sequence lengths in [low, high], the first of them `high`."""
    lengths = rng(name).integers(low, high + 1, size=count).astype(np.int64)
    lengths[0] = high
    return lengths


def positions_for(case, size, count=256):
    """Flat positions (C order) at which a large output is stored."""
    return rng(f"positions:{case}").integers(0, size, size=count)


def compare(record, case, array):
    """Largest deviation from a stored output, relative to the output's largest value.

    A large output is stored as mean, deviation and values at some positions; all three count.

    Raises:
        ValueError: if the shape differs from the stored one.
    """
    array = np.asarray(array)
    if list(array.shape) != list(record["shape"]):
        raise ValueError(f"{case}: shape {list(array.shape)}, stored {record['shape']}")
    flat = array.reshape(-1).astype(np.float64)
    if "values" in record:
        stored = np.array(record["values"], dtype=np.float64)
        return float(np.abs(stored - flat).max() / max(np.abs(stored).max(), 1e-12))
    stored = np.array(record["values_at_positions"])
    case = record["positions_rng"].removeprefix("positions:")
    difference = np.abs(stored - flat[positions_for(case, flat.size, len(stored))]).max()
    of_moments = (abs(flat.mean() - record["mean"]), abs(flat.std() - record["std"]))
    # np.max and not max(), which would let a NaN pass
    return float(np.max([difference, *of_moments]) / max(record["absmax"], 1e-12))


def load_rule_weights(model, extra=(), keys=None):
    """Fill a module by the rule.

    Args:
        model: any torch module.
        extra: (key, tensor) pairs outside the state dict.
        keys: [key, shape] pairs that the state dict must have, in this order.

    Raises:
        ValueError: if the state dict's keys or shapes are not those.
    """
    state = model.state_dict()
    if keys is not None:
        expected = [(key, list(shape)) for key, shape in keys]
        found = [(key, list(value.shape)) for key, value in state.items()]
        wrong = [pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]]
        if wrong or len(found) != len(expected):
            first = wrong[0] if wrong else "none of the common ones"
            raise ValueError(
                f"{len(found)} entries, {len(expected)} expected; first that differs "
                f"(ours, stored): {first}"
            )
    model.load_state_dict(
        {key: torch.from_numpy(tensor_for(key, value.shape)) for key, value in state.items()}
    )
    with torch.no_grad():
        for key, tensor in extra:
            tensor.copy_(torch.from_numpy(tensor_for(key, tensor.shape)))
    return model


def read_record(path):
    """A fixture file as a dict: JSON as it is, NPZ as its arrays."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    return json.loads(path.read_text(encoding="utf-8"))


def tiny_mosei():
    """Train, valid and test of 12, 5 and 6 samples, laid out as in mosei_senti_data.pkl."""
    return {
        name: _tiny_mosei_split(name, count)
        for name, count in (("train", 12), ("valid", 5), ("test", 6))
    }


def _tiny_mosei_split(split, count):
    widths = {"vision": 35, "audio": 74, "text": 300}
    data = {
        name: input_for(f"tiny_mosei:{split}:{name}", (count, 50, width))
        for name, width in widths.items()
    }
    lengths = rng(f"tiny_mosei:{split}:len").integers(4, 51, size=count)
    for sample, length in enumerate(lengths):
        for name in widths:
            data[name][sample, : 50 - length] = 0.0  # padding stands in front
    if split == "train":
        data["text"][3] = 0.0  # a sample without text is dropped
        data["vision"][5] = 0.0  # one without video is kept
    if split == "test":
        data["text"][2, 50 - lengths[2]] = 0.0  # a leading zero word is cut as well
    infinite = rng(f"tiny_mosei:{split}:inf").integers(0, 50 * 74, size=(count, 5))
    for sample in range(count):
        data["audio"][sample].reshape(-1)[infinite[sample]] = -np.inf
    labels = rng(f"tiny_mosei:{split}:label").integers(-9, 10, size=count) / 3.0
    data["labels"] = labels.astype(np.float32).reshape(count, 1, 1)
    data["id"] = np.array([[f"{split}{sample}", "0.0", "1.0"] for sample in range(count)])
    return data


def tiny_nyu():
    """Six images of 48x64 as in nyu_depth_v2_labeled.mat: reversed axes, W before H."""
    count, height, width = 6, 48, 64
    images = rng("tiny_nyu:images").integers(0, 256, size=(count, 3, width, height))
    labels = rng("tiny_nyu:labels").integers(0, 895, size=(count, width // 8, height // 8))
    depths = rng("tiny_nyu:depths").uniform(0.7, 9.9, size=(count, width, height))
    holes = rng("tiny_nyu:holes").uniform(size=depths.shape) < 0.1
    return {
        "images": images.astype(np.uint8),
        "labels": labels.astype(np.uint16).repeat(8, 1).repeat(8, 2),
        "depths": depths.astype(np.float32),
        "rawDepths": np.where(holes, 0.0, depths).astype(np.float32),
    }
