"""The numpy names that a restricted pickle may use, and what stands in for them.

Nothing of numpy's own pickle support runs: its `__setstate__` of arrays and dtypes trusts the file
(a forged dtype turns raw bytes into pointers). The stand-ins read the same states, check them and
build the arrays from bytes; an array shares the memory of the bytes that the file held.
"""

import re
from functools import partial

import numpy as np

from dynmm.data.mosei.pickle_bounds import AXES, PLAIN, RefusedError, named, short


class Pending:
    """An object under construction: the pickle makes it first and gives it its state later.

    Args:
        build: function of the state that returns the finished object.
    """

    def __init__(self, build):
        self.build = build
        self.places = []  # in the memo of the pickle


class Named:
    """A name that the pickle may put on its stack, and call if `call` is given."""

    def __init__(self, name, call=None):
        self.name, self.call = name, call


_DTYPE = re.compile(r"[<>|=]?(f[248]|[iu][1248]|b1|[SU][1-9]\d{0,5}|O8?)")
_BYTE_ORDERS = tuple("<>|=")


def admitted_names(bounds):
    """The `Named` objects by (module, name); what they copy is counted by `bounds`."""
    ndarray = Named("numpy.ndarray")
    names = {
        ("numpy", "ndarray"): ndarray,
        ("numpy", "dtype"): Named("numpy.dtype", _dtype),
        ("_codecs", "encode"): Named("_codecs.encode", partial(_latin1_bytes, bounds)),
    }
    for core in ("numpy.core", "numpy._core"):
        for module, name, call in (
            ("multiarray", "_reconstruct", partial(_reconstruct, bounds, ndarray)),
            ("multiarray", "scalar", partial(_scalar, bounds)),
            ("numeric", "_frombuffer", partial(_frombuffer, bounds)),
        ):
            names[f"{core}.{module}", name] = Named(f"{core}.{module}.{name}", call)
    for module in ("builtins", "__builtin__"):
        for name, call in (
            ("set", partial(_container, bounds, set)),
            ("frozenset", partial(_container, bounds, frozenset)),
            ("bytearray", partial(_bytearray, bounds)),
            ("bytes", _empty_bytes),
        ):
            names[module, name] = Named(f"{module}.{name}", call)
    return names


def _dtype(text, *flags):
    if isinstance(text, bytes):
        text = text[:AXES].decode("ascii")
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise RefusedError(f"numpy.dtype({short(text)})")
    dtype = np.dtype(text)

    def with_state(state):
        order, *parts = state[1:5]
        if isinstance(order, bytes):
            order = order[:AXES].decode("ascii")
        if len(parts) != 3 or any(part is not None for part in parts):
            raise RefusedError(f"numpy.dtype({text!r}) with fields")
        if not isinstance(order, str) or order not in _BYTE_ORDERS:
            raise RefusedError(f"numpy.dtype({text!r}) of the byte order {short(order)}")
        return dtype.newbyteorder(order)

    return Pending(with_state)


def _reconstruct(bounds, ndarray, cls, shape, typecode):
    if cls is not ndarray:
        raise RefusedError(f"an array of the class {named(cls)}")
    return Pending(partial(_array, bounds))


def _array(bounds, state):
    """State of an array: (version,) shape, dtype, Fortran order, bytes or a list of objects."""
    shape, dtype, fortran, content = state[-4:]
    order = "F" if type(fortran) in (bool, int) and fortran else "C"
    if isinstance(dtype, np.dtype) and dtype.hasobject:
        return _objects(bounds, content, shape, order)
    return _frombuffer(bounds, content, dtype, shape, order)


def _frombuffer(bounds, content, dtype, shape, order, axis_order=None):
    if isinstance(content, str):  # bytes of Python 2
        content = _latin1_bytes(bounds, content)
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise RefusedError(f"an array of {named(dtype)}")
    if not isinstance(content, bytes | bytearray):
        raise RefusedError(f"an array over {named(content)}")
    if not isinstance(order, str):
        raise RefusedError(f"an array in the order {named(order)}")
    shape, array = _sizes(shape), np.frombuffer(content, dtype)
    if order == "K" and axis_order is not None:
        return array.reshape(shape).transpose(_sizes(axis_order))
    return array.reshape(shape, order=order)


def _objects(bounds, content, shape, order):
    if not isinstance(content, list):
        raise RefusedError(f"an array of the objects of {named(content)}")
    bounds.copy(len(content))
    if not all(type(item) in PLAIN for item in content):
        raise RefusedError("an array of objects that are no texts or numbers")
    array = np.empty(len(content), object)
    array[:] = content
    return array.reshape(_sizes(shape), order=order)


def _scalar(bounds, dtype, content):
    return _frombuffer(bounds, content, dtype, (1,), "C")[0]


def _sizes(sizes):
    """Sizes or numbers of axes."""
    if not isinstance(sizes, tuple) or len(sizes) > AXES:
        raise RefusedError(f"an array of the shape of {named(sizes)}, or of too many axes")
    if not all(type(n) is int and 0 <= n < 2**63 for n in sizes):
        raise RefusedError("an array of a shape that is not made of sizes")
    return sizes


def _latin1_bytes(bounds, text, encoding="latin1"):
    if not isinstance(text, str) or not isinstance(encoding, str):
        raise RefusedError(f"_codecs.encode of {named(text)} to {named(encoding)}")
    if encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"_codecs.encode to {short(encoding)}")
    bounds.copy(len(text))
    return text.encode("latin-1")


def _container(bounds, kind, items=()):
    if not isinstance(items, list | tuple | set):
        raise RefusedError(f"{kind.__name__} of {named(items)}")
    bounds.keys(items)
    return bounds.made(kind(items))


def _bytearray(bounds, *arguments):
    if arguments and isinstance(arguments[0], str):
        return bytearray(_latin1_bytes(bounds, *arguments))
    if not all(isinstance(argument, bytes | bytearray) for argument in arguments):
        raise RefusedError(f"builtins.bytearray of {named(arguments[0])}")
    bounds.copy(sum(map(len, arguments)))
    return bytearray(*arguments)


def _empty_bytes():
    return b""
