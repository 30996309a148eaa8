"""Pickles that ask for more work or memory than their bytes are worth; as a program, a stopwatch.

    python tests/hostile_pickles.py FOLDER

writes each into the folder, loads it, and prints a JSON object: name -> [CPU seconds, message].
"""

import json
import sys
import time
from pathlib import Path

TREE = b")" + b"2\x86" * 40  # t = (t, t), forty times over: 2^40 leaves in 81 bytes
WIDE = b")\x94" + b"".join(b"0(" + b"h%c" % n * 10 + b"t\x94" for n in range(12))  # 10^12 leaves
DEEP = 3_000_000
CALLS = (
    *("numpy dtype", "_codecs encode", "builtins set", "builtins frozenset", "builtins bytearray"),
    *("numpy._core.multiarray _reconstruct", "numpy._core.multiarray scalar"),
    "numpy._core.numeric _frombuffer",
)


def call(name, arguments):
    """GLOBAL, the arguments as a tuple, REDUCE."""
    module, function = name.split()
    return f"c{module}\n{function}\n".encode() + arguments + b"R"


def text(value):
    """BINUNICODE."""
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def number(value):
    """LONG1."""
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def dtype(name="f4"):
    return unfinished_dtype(name) + b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffK\x01K\x00tb"


def unfinished_dtype(name="f4"):
    return call("numpy dtype", text(name) + b"\x85")


def array_without_state():
    return call("numpy._core.multiarray _reconstruct", b"cnumpy\nndarray\nK\x00\x85C\x01b\x87")


def hostile():
    """Name -> bytes."""
    found = {
        "tree as the whole content": b"\x80\x04" + TREE + b".",
        "deep tuples": b"\x80\x04)" + b"\x85" * DEEP + b".",
        "deep lists": b"\x80\x04" + b"]" * (DEEP // 10) + b"a" * (DEEP // 10 - 1) + b".",
        "deep dicts": b"\x80\x04" + b"}N" * (DEEP // 10) + b"}" + b"s" * (DEEP // 10) + b".",
        "a list in itself": b"\x80\x04]2a.",
        "a list that is filled from within": b"\x80\x04]\x94]\x94ah\x01]ah\x010.",
        "nothing, for ever": b"\x80\x04" + b"N0" * 2_000_000 + b"N.",
        "colliding keys": b"\x80\x04}("
        + b"".join(number(place * (2**61 - 1)) + b"N" for place in range(50_000))
        + b"u.",
        "colliding places in the memo": b"N"
        + b"".join(b"p%d\n" % (place * (2**61 - 1)) for place in range(50_000))
        + b".",
        "states beside a long memo": b"N\x94" * 200_000
        + array_without_state()
        + b"0"
        + (array_without_state() + b"N0") * 20_000
        + b"N.",
        "one text encoded again and again": text("x" * 1_000_000)
        + b"\x940"
        + (call("_codecs encode", b"h\x00" + text("latin1") + b"\x86") + b"0") * 10_000
        + b"N.",
        "one array of bytes copied again and again": b"\x80\x04B"
        + (1_000_000).to_bytes(4, "little")
        + b"x" * 1_000_000
        + b"\x940"
        + (call("builtins bytearray", b"h\x00\x85") * 10_000)
        + b".",
        "one list made into many sets": b"\x80\x04]\x94("
        + b"K\x01" * 200_000
        + b"e0"
        + (call("builtins set", b"h\x00\x85") * 10_000)
        + b".",
        "one tuple as many arguments": b"("
        + b"N" * 200_000
        + b"t\x940"
        + (call("builtins bytes", b"h\x00") * 10_000)
        + b".",
        "a long name": b"c" + b"x" * 1_000_000 + b"\nname\n.",
        "an endless number as a key": b"\x80\x04}\x8b"
        + (1_000_000).to_bytes(4, "little")
        + b"\x01" * 1_000_000
        + b"Ns.",
        "bytes after the end": b"\x80\x04}.}",
    }
    for kind, tree in (("tree", TREE), ("wide tree", WIDE)):
        found |= {f"{kind} as {what}": content for what, content in places(tree).items()}
    return found


def places(tree):
    """Where a tree may stand: what it is -> the pickle."""
    found = {
        "an item of a set": b"\x80\x04\x8f(" + tree + b"\x90.",
        "a key": b"\x80\x04}" + tree + b"Ns.",
        "a key among others": b"\x80\x04}(" + tree + b"NK\x01Nu.",
        "an item of a frozenset": b"\x80\x04(" + tree + b"\x91.",
        "a dict's only key": b"(" + tree + b"Nd.",
        "a persistent id": b"\x80\x04" + tree + b"Q.",
        "a state": array_without_state() + tree + b"b.",
        "a shape": array_without_state() + b"(K\x01" + tree + dtype() + b"\x89C\x00tb.",
        "an order": array_without_state() + b"(K\x01K\x01\x85" + dtype() + tree + b"C\x00tb.",
        "objects": array_without_state() + b"(K\x00\x85" + dtype("O") + b"\x89" + tree + b"tb.",
        "a byte order": unfinished_dtype() + b"(K\x03" + tree + b"NNNK\x04K\x01K\x00tb.",
        "fields": unfinished_dtype() + b"(K\x03X\x01\x00\x00\x00<N" + tree + b"NK\x04K\x01K\x00tb.",
        "a module": b"\x80\x04" + tree + text("dtype") + b"\x93.",
    }
    for name in CALLS:
        found[f"the argument of {name}"] = call(name, tree + b"\x85") + b"."
        found[f"the arguments of {name}"] = call(name, tree) + b"."
        found[f"a later argument of {name}"] = call(name, text("x") + tree + b"\x86") + b"."
        for count in range(2, 6):
            found[f"{count} arguments of {name}"] = (
                call(name, b"(" + tree + b"2" * (count - 1) + b"t") + b"."
            )
    return found


def main(folder):
    from dynmm.data.mosei.restricted_pickle import load
    from dynmm.errors import InputError

    results = {}
    for name, content in hostile().items():
        path = folder / "hostile.pkl"
        path.write_bytes(content)
        started = time.process_time()
        try:
            message = f"loaded a {type(load(path)).__name__}"
        except InputError as error:
            message = str(error)
        results[name] = [time.process_time() - started, message]
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
