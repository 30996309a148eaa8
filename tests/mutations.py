"""Damage to files of every form: to their bytes, or to what they hold while the form stays whole.

Each function takes a random generator and a path and changes the file; what it does follows from
the generator alone.
"""

import csv
import io
import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from nyu_files import write_mapping, write_splits

HOSTILE = (
    *(None, True, -1, 0, 7, 0.25, -1e308, 1e999, float("nan"), 2**70, 10**400),
    *("", "7", "\x00", "../../x", "x" * 5000, [], {}, [[[]]], {"": None}, [7] * 50),
)


def truncate(rng, path):
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content) + 1)])


def lose_the_end(rng, path):
    content = path.read_bytes()
    path.write_bytes(content[: max(len(content) - int(rng.integers(1, 9)), 0)])


def flip_a_bit(rng, path):
    _flip(rng, path, 1)


def flip_bits(rng, path):
    _flip(rng, path, int(rng.integers(2, 40)))


def flip_a_bit_of_the_head(rng, path):
    _flip(rng, path, 1, within=600)


def zero(rng, path):
    _fill(rng, path, b"\0")


def fill_with_ones(rng, path):
    _fill(rng, path, b"\xff")


def empty(rng, path):
    path.write_bytes(b"")


def garbage(rng, path):
    path.write_bytes(rng.bytes(int(rng.integers(1, 400))))


def append(rng, path):
    path.write_bytes(path.read_bytes() + rng.bytes(int(rng.integers(1, 40))))


def splice(rng, path):
    """A stretch of the file, copied over another."""
    content = bytearray(path.read_bytes())
    start, stop, place = *_stretch(rng, content), int(rng.integers(len(content) + 1))
    content[place : place + stop - start] = content[start:stop]
    path.write_bytes(content)


def cut_out(rng, path):
    content = bytearray(path.read_bytes())
    start, stop = _stretch(rng, content)
    del content[start:stop]
    path.write_bytes(content)


def another_file(rng, path):
    """The content of a file beside it."""
    others = sorted(p for p in path.parent.rglob("*") if p.is_file() and p != path)
    if others:
        path.write_bytes(others[rng.integers(len(others))].read_bytes())


def a_folder(rng, path):
    path.unlink()
    path.mkdir()


def no_file(rng, path):
    path.unlink()


BYTES = (
    *(truncate, lose_the_end, flip_a_bit, flip_bits, flip_a_bit_of_the_head, zero, fill_with_ones),
    *(empty, garbage, append, splice, cut_out, another_file, no_file),
)


def change_json(rng, path):
    """One value of a JSON file: dropped, replaced by a hostile one, or swapped with another."""
    value = json.loads(path.read_text())
    spots = list(_spots(value))
    place, key = spots[rng.integers(len(spots))]
    how = rng.integers(3)
    if how == 0:
        del place[key]
    elif how == 1:
        place[key] = HOSTILE[rng.integers(len(HOSTILE))]
    else:
        other, other_key = spots[rng.integers(len(spots))]
        text = json.dumps(other[other_key])  # a copy: a value may lie in the other
        other[other_key], place[key] = json.loads(json.dumps(place[key])), json.loads(text)
    path.write_text(json.dumps(value))


def change_text(rng, path):
    """One cell of a table, or one line of a text."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    rows = list(csv.reader(io.StringIO(path.read_text()), delimiter=delimiter))
    row = rows[rng.integers(len(rows))]
    if rng.integers(4) == 0:
        del row[rng.integers(len(row)) :]
    else:
        row[rng.integers(len(row))] = str(HOSTILE[rng.integers(len(HOSTILE))])
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    path.write_text(stream.getvalue())


def change_arrays(rng, path):
    with np.load(path, allow_pickle=False) as stored:
        arrays = _changed(rng, dict(stored))
    np.savez(path, **arrays, allow_pickle=True)


def change_array(rng, path):
    array = _changed_array(rng, np.load(path, allow_pickle=False))
    np.save(path, array, allow_pickle=True)


def change_hdf5(rng, path):
    with h5py.File(path, "r+") as file:
        name = sorted(file)[rng.integers(len(file))]
        attributes, array = dict(file[name].attrs), file[name][...]
        others = [key for key in sorted(file) if key != name]
        other = others[rng.integers(len(others))]
        del file[name]
        if (how := rng.integers(4)) == 0:
            file[name] = file[other]
        elif how == 1:
            file.create_group(name)
        elif how == 2:
            file[name] = _changed_array(rng, array, objects=False)
        if how and name in file:
            file[name].attrs.update({} if rng.integers(2) else attributes)


def change_pickle(rng, path):
    content = pickle.loads(path.read_bytes())
    split = content[sorted(content)[rng.integers(len(content))]]
    changed = _changed(rng, split)
    split.clear()
    split.update(changed)
    if rng.integers(8) == 0:
        content[sorted(content)[0]] = HOSTILE[rng.integers(len(HOSTILE))]
    path.write_bytes(pickle.dumps(content, int(rng.integers(6))))


def change_tensors(rng, path):
    released = path.suffix == ".pth"
    tensors = torch.load(path, weights_only=True)["state_dict"] if released else load_file(path)
    arrays = _changed(rng, {name: tensor.numpy() for name, tensor in tensors.items()})
    made = {}
    for name, array in arrays.items():
        if isinstance(array, np.ndarray) and array.dtype.kind in "fiub":
            made[name] = torch.from_numpy(np.ascontiguousarray(array))
        elif released:
            made[name] = array
    if released:
        torch.save({"state_dict": made}, path)
    else:
        save_file(made, path)


def change_splits(rng, path):
    parts = [list(rng.integers(0, 9, int(rng.integers(0, 7)))) for _ in range(2)]
    write_splits(path.parent, *parts)


def change_mapping(rng, path):
    names = [f"class {rng.integers(45)}" for _ in range(int(rng.integers(35, 45)))]
    write_mapping(path.parent, rng.integers(0, 42, int(rng.integers(880, 900))), names)


CONTENT = {  # how a name ends -> what changes what such a file holds
    "splits.mat": change_splits,
    "classMapping40.mat": change_mapping,
    "labeled.mat": change_hdf5,
    ".json": change_json,
    ".csv": change_text,
    ".tsv": change_text,
    ".npz": change_arrays,
    ".npy": change_array,
    ".hdf5": change_hdf5,
    ".pkl": change_pickle,
    ".safetensors": change_tensors,
    ".pth": change_tensors,
}


def mutations_of(path):
    """What can be done to a file; half of the list changes what it holds, where that is known."""
    own = [change for ending, change in CONTENT.items() if Path(path).name.endswith(ending)]
    return [*BYTES, a_folder, *own * len(BYTES)]


def _flip(rng, path, count, within=None):
    content = bytearray(path.read_bytes() or b"?")
    for place in rng.integers(min(within or len(content), len(content)), size=count):
        content[place] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def _fill(rng, path, byte):
    content = bytearray(path.read_bytes())
    start, stop = _stretch(rng, content)
    content[start:stop] = byte * (stop - start)
    path.write_bytes(content)


def _stretch(rng, content):
    start = int(rng.integers(max(len(content), 1)))
    longest = 16 if rng.integers(2) else len(content)
    return start, min(start + int(rng.integers(1, longest + 1)), len(content))


def _spots(value):
    """(container, key) of every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inside:
        yield value, key
        if isinstance(part, dict | list):
            yield from _spots(part)


def _changed(rng, arrays):
    """A dict of arrays with one of them gone, swapped, changed or replaced."""
    names = list(arrays)
    name, other = (names[place] for place in rng.integers(len(names), size=2))
    how = rng.integers(8)
    if how == 0:
        return {key: array for key, array in arrays.items() if key != name}
    if how == 1:
        return {**arrays, name: arrays[other], other: arrays[name]}
    if how == 2:
        return {**arrays, name: np.array(HOSTILE[rng.integers(8)])}
    return {**arrays, name: _changed_array(rng, np.asarray(arrays[name]))}


def _changed_array(rng, array, objects=True):
    """An array of another shape or type, or with other values."""
    how = rng.integers(9)
    if how == 0 and array.ndim:
        return array[: rng.integers(len(array) + 1)]
    if how == 1:
        return array[None]
    if how == 2 and array.ndim:
        return np.concatenate([array, array])
    if how == 3 and array.dtype.kind in "fiub":
        return array.astype(rng.choice(["f2", "f8", "i8", "u1", "S3", "c8", "?"]))
    if how == 4 and objects:
        return array.astype(object)
    array = array.copy()
    if not array.size or array.dtype.kind not in "fiubSU":
        return array
    if how == 5:
        array[...] = np.zeros((), array.dtype)
    elif array.dtype.kind == "f":
        wrong = (np.nan, np.inf, -np.inf, -7.0, 0.25, 7.0)
        array.flat[rng.integers(array.size)] = wrong[rng.integers(len(wrong))]
    elif array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        array.flat[rng.integers(array.size)] = (limits.min, limits.max, 7)[rng.integers(3)]
    else:
        array.flat[rng.integers(array.size)] = array.flat[0]
    return array
