"""Loading a pickle must not run what it says, in whatever disguise, nor copy what it holds."""

import collections
import copyreg
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hostile_pickles
from dynmm.data.mosei.restricted_pickle import load
from dynmm.errors import InputError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
EXTENSION = 240
SOURCE = Path(__file__).resolve().parents[1] / "src"


class CreatesFile:
    """Creates a file when it is unpickled."""

    def __init__(self, path, how="reduce"):
        self.path, self.how = path, how

    def __reduce_ex__(self, protocol):
        call = (open, (str(self.path), "w"))
        if self.how == "reduce":
            return call
        if self.how == "list items":
            return (list, (), None, iter([CreatesFile(self.path)]))
        return (dict, (), None, None, iter([("key", CreatesFile(self.path))]))


def touch(path):
    Path(path).touch()


def write(tmp_path, data):
    path = tmp_path / "data.pkl"
    path.write_bytes(data)
    return path


def refused(tmp_path, data):
    """The message about the pickle, after a look that it created nothing."""
    path = write(tmp_path, data)
    with pytest.raises(InputError) as error:
        load(path)
    assert not (tmp_path / "created").exists()
    return str(error.value)


def text(value):
    """SHORT_BINUNICODE of a text."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", ["reduce", "list items", "dict items"])
def test_reduce_is_refused_in_every_protocol(tmp_path, protocol, how):
    payload = {"train": {"text": CreatesFile(tmp_path / "created", how)}}
    data = pickle.dumps(payload, protocol)
    pickle.loads(data)  # the payload works
    assert (tmp_path / "created").exists()
    (tmp_path / "created").unlink()
    assert "open" in refused(tmp_path, data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_payload_inside_an_object_array_is_refused(tmp_path, protocol):
    array = np.empty(2, object)
    array[1] = CreatesFile(tmp_path / "created")
    assert "open" in refused(tmp_path, pickle.dumps({"id": array}, protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_instances_and_classes_are_refused(tmp_path, protocol):
    instance = pickle.dumps(Plain.__new__(Plain), protocol)
    assert "_reconstructor" in (message := refused(tmp_path, instance)) or __name__ in message
    ordered = pickle.dumps(collections.OrderedDict(a=1), protocol)
    assert "collections.OrderedDict" in refused(tmp_path, ordered)


class Plain(CreatesFile):
    def __reduce_ex__(self, protocol):
        return object.__reduce_ex__(self, protocol)


def forged(tmp_path):
    """Payloads that no pickler writes, each with the name it must be refused under."""
    target = str(tmp_path / "created")
    code = f"open({target!r}, 'w')"
    arguments = text(target) + text("w") + b"\x86"
    return {
        "global": (b"cos\nsystem\n" + text(f"touch {target}") + b"\x85R.", "os.system"),
        "inst": (b"(Vtouch " + target.encode() + b"\nios\nsystem\n.", "os.system"),
        "obj": (b"(cos\nsystem\n" + text(f"touch {target}") + b"o.", "os.system"),
        "newobj": (b"cos\nsystem\n" + text(f"touch {target}") + b"\x85\x81.", "os.system"),
        "stack_global": (
            b"\x80\x04" + text("io") + text("open") + b"\x93" + arguments + b"R.",
            "io",
        ),
        "stack_global dotted": (
            b"\x80\x04" + text("numpy") + text("ndarray.tofile") + b"\x93)R.",
            "numpy.ndarray.tofile",
        ),
        "stack_global of a memoised name": (
            b"\x80\x04"
            + text("eval")
            + b"\x940"
            + text("builtins")
            + b"h\x00\x93"
            + text(code)
            + b"\x85R.",
            "builtins.eval",
        ),
        "python 2 module": (b"c__builtin__\neval\n" + text(code) + b"\x85R.", "__builtin__.eval"),
        "getattr": (
            b"cbuiltins\ngetattr\n" + text("x") + text("y") + b"\x86R.",
            "builtins.getattr",
        ),
        "numpy loader": (b"cnumpy\nload\n" + text(target) + b"\x85R.", "numpy.load"),
        "numpy exec": (
            b"cnumpy.testing._private.utils\nrunstring\n" + text(code) + b"}\x86R.",
            "numpy.testing._private.utils.runstring",
        ),
        "build": (b"ccollections\nOrderedDict\n)R}" + text("a") + b"K\x01sb.", "OrderedDict"),
        "build of an admitted name": (b"cnumpy\nndarray\n}b.", "numpy.ndarray"),
        "call of an admitted class": (b"cnumpy\nndarray\nK\x03\x85R.", "numpy.ndarray"),
        "class in place of an array": (
            b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85C\x01b\x87R.",
            "numpy.dtype",
        ),
        "persistent id": (b"(Pos.system\n.", "os.system"),
        "nested persistent id": (b"](" + text("os.system") + b"Qe.", "persistent id"),
        "codec": (b"c_codecs\nencode\n" + text("x") + text("zlib") + b"\x86R.", "zlib"),
        "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    }


@pytest.mark.parametrize("name", forged(Path("x")))
def test_forged_operations_are_refused_by_name(tmp_path, name):
    data, expected = forged(tmp_path)[name]
    assert expected in refused(tmp_path, data)


def test_extension_registry_is_not_asked_even_for_what_it_has_cached(tmp_path):
    copyreg.add_extension(__name__, "touch", EXTENSION)
    data = b"\x80\x02\x82" + bytes([EXTENSION]) + text(str(tmp_path / "created")) + b"\x85R."
    try:
        pickle.loads(data)  # the payload works, and leaves the function in pickle's own cache
        assert (tmp_path / "created").exists()
        (tmp_path / "created").unlink()
        assert str(EXTENSION) in refused(tmp_path, data)
    finally:
        copyreg.remove_extension(__name__, "touch", EXTENSION)
        copyreg.clear_extension_cache()


@pytest.mark.parametrize(
    "dtype",
    [np.dtype([("a", "f4")]), np.dtype([("a", "O")]), np.dtype("M8[s]"), np.dtype("c16")],
)
def test_dtypes_beyond_numbers_and_texts_are_refused(tmp_path, dtype):
    assert "numpy.dtype" in refused(tmp_path, pickle.dumps(np.zeros(2, dtype), 4))


def test_forged_dtype_state_cannot_turn_bytes_into_objects(tmp_path):
    """A void dtype whose state declares object fields would make numpy follow raw pointers."""
    state = b"(K\x03" + text("|") + b"N" + text("a") + b"\x85}" + text("a") + b"Nsb"
    data = b"cnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87R" + state[:-1] + b"K\x08K\x01K\x00tb."
    assert "with fields" in refused(tmp_path, data)


ARRAYS = {
    "float16": np.arange(12, dtype="f2").reshape(3, 4),
    "float32": np.linspace(-1, 1, 60, dtype="f4").reshape(3, 4, 5),
    "float64, Fortran order": np.asfortranarray(np.arange(24.0).reshape(4, 6)),
    "axes swapped": np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    "not contiguous": np.arange(24.0)[::2],
    "big-endian": np.arange(5, dtype=">f8"),
    "int64": np.arange(-3, 3),
    "uint8": np.arange(5, dtype="u1"),
    "bool": np.array([True, False]),
    "texts": np.array([["video", "0.0"], ["längerer Name", ""]]),
    "bytes": np.array([b"a", b"bcd"]),
    "objects that are texts": np.array(["a", "bcd", 1.5, None], dtype=object),
    "empty": np.zeros((0, 3)),
    "no axes": np.array(2.5),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_and_containers_come_back_as_they_were(tmp_path, protocol):
    again = ARRAYS["float32"]
    content = {
        "arrays": ARRAYS,
        "the same twice": [again, again],
        "scalars": [np.float32(0.5), np.int64(-7), np.str_("word")],
        "plain": (
            1,
            -(2**70),
            2.5,
            None,
            True,
            "ä",
            b"\x00\xff",
            {1, 2},
            frozenset({3}),
            [],
            {},
            (),
        ),
        "bytearray": bytearray(b"abc"),
    }
    found = load(write(tmp_path, pickle.dumps(content, protocol)))
    assert found["plain"] == content["plain"]
    assert found["bytearray"] == b"abc"
    assert found["scalars"] == content["scalars"]
    for name, array in ARRAYS.items():
        assert isinstance(found["arrays"][name], np.ndarray)
        assert found["arrays"][name].dtype == array.dtype, name
        np.testing.assert_array_equal(found["arrays"][name], array)
    assert found["the same twice"][0] is found["the same twice"][1]
    np.testing.assert_array_equal(found["the same twice"][0], again)


def test_pickle_of_python_2_and_old_numpy(tmp_path):
    """Protocol 2 with byte strings, and numpy.core as numpy was laid out before version 2."""
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x08" + np.array([1.5, -2.0], "<f4").tobytes() + b"tb."
    )
    np.testing.assert_array_equal(load(write(tmp_path, data)), [1.5, -2.0])


def test_every_truncation_is_one_clear_error(tmp_path):
    data = pickle.dumps({"train": {"text": ARRAYS["float32"], "id": ARRAYS["texts"]}}, 4)
    for end in range(len(data)):
        assert "data.pkl" in refused(tmp_path, data[:end])


@pytest.mark.parametrize(
    "data", [b"", b"not a pickle", b"\x80\x04}(e.", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx."]
)
def test_what_is_no_pickle_is_one_clear_error(tmp_path, data):
    assert "data.pkl" in refused(tmp_path, data)


REASONS = {  # name of a hostile pickle -> what its message says
    "deep tuples": "containers in one another",
    "wide tree as a key": "a tuple as a key",
    "wide tree as an item of a set": "a tuple as a key",
    "wide tree as the argument of numpy dtype": "numpy.dtype(a tuple)",
    "a list in itself": "one in itself",
    "nothing, for ever": "operations",
    "colliding keys": "keys of dicts",
    "one text encoded again and again": "copies of far more than the file holds",
    "a long name": "x.name",
    "bytes after the end": "bytes after the end of the pickle, at 4",
}


def test_a_file_that_asks_for_endless_work_ends_in_one_message_at_once(tmp_path):
    """In a process of its own: what hangs or crashes there fails here."""
    done = subprocess.run(
        [sys.executable, hostile_pickles.__file__, tmp_path],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(done.stdout)
    assert set(found) == set(hostile_pickles.hostile()) and len(found) > 100
    for name, (seconds, message) in found.items():
        assert "expected: numpy arrays" in message, f"{name}: {message[:300]}"
        assert len(message) < 700, name
        assert seconds < 2, name  # one, but for a loaded machine
    for name, words in REASONS.items():
        assert words in found[name][1], found[name][1]


def test_keys_and_copies_within_bounds_are_read(tmp_path):
    content = {"keys": dict.fromkeys(range(300)), "texts": ["same" * 9] * 40_000, "set": {1.5, "a"}}
    assert load(write(tmp_path, pickle.dumps(content, 4))) == content
    nested = [1]
    for _ in range(6):
        nested = [nested, (nested,)]
    assert load(write(tmp_path, pickle.dumps([nested], 2)))[0][1] == (nested[1][0],)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"missing\.pkl"):
        load(tmp_path / "missing.pkl")


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_loading_does_not_double_the_memory(tmp_path, protocol):
    size = 1 << 27
    path = write(tmp_path, pickle.dumps({"text": np.ones(size // 8)}, protocol))
    program = (
        "import resource, sys; from dynmm.data.mosei.restricted_pickle import load\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak(); load(sys.argv[1]); print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 1.2 * size
