"""The numpy names that a restricted pickle may use, and what stands in for them.

Nothing of numpy's own pickle support runs: its `__setstate__` of arrays and dtypes trusts the file
(a forged dtype turns raw bytes into pointers). The stand-ins read the same states, check them and
build the arrays from bytes; an array shares the memory of the bytes that the file held.
"""

import re

import numpy as np


class RefusedError(Exception):
    """A name, or a use of it, that is not admitted; the message is the name."""


class Pending:
    """An object under construction: the pickle makes it first and gives it its state later.

    Args:
        build: function of the state that returns the finished object.
    """

    def __init__(self, build):
        self.build = build


class Named:
    """A name that the pickle may put on its stack, and call if `call` is given."""

    def __init__(self, name, call=None):
        self.name, self.call = name, call


_DTYPE = re.compile(r"[<>|=]?(f[248]|[iu][1248]|b1|[SU][1-9]\d{0,5}|O8?)")
_BYTE_ORDERS = "<>|="
_PLAIN = (str, bytes, int, float, type(None))


def admitted_names():
    """The `Named` objects by (module, name)."""
    ndarray = Named("numpy.ndarray")
    names = {
        ("numpy", "ndarray"): ndarray,
        ("numpy", "dtype"): Named("numpy.dtype", _dtype),
        ("_codecs", "encode"): Named("_codecs.encode", _latin1_bytes),
    }
    for core in ("numpy.core", "numpy._core"):
        for name, call in (
            ("_reconstruct", lambda *arguments: _reconstruct(ndarray, *arguments)),
            ("scalar", _scalar),
        ):
            names[f"{core}.multiarray", name] = Named(f"{core}.multiarray.{name}", call)
        names[f"{core}.numeric", "_frombuffer"] = Named(f"{core}.numeric._frombuffer", _frombuffer)
    for module in ("builtins", "__builtin__"):
        names[module, "set"] = Named(f"{module}.set", _container(set))
        names[module, "frozenset"] = Named(f"{module}.frozenset", _container(frozenset))
        names[module, "bytearray"] = Named(f"{module}.bytearray", _bytearray)
        names[module, "bytes"] = Named(f"{module}.bytes", _empty_bytes)
    return names


def _dtype(text, *flags):
    if isinstance(text, bytes):
        text = text.decode("ascii")
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise RefusedError(f"numpy.dtype({text!r})")
    dtype = np.dtype(text)

    def with_state(state):
        order, subtype, names, fields = state[1:5]
        if isinstance(order, bytes):
            order = order.decode("ascii")
        if (subtype, names, fields) != (None, None, None) or order not in _BYTE_ORDERS:
            raise RefusedError(f"numpy.dtype({text!r}) with fields")
        return dtype.newbyteorder(order)

    return Pending(with_state)


def _reconstruct(ndarray, cls, shape, typecode):
    if cls is not ndarray:
        raise RefusedError(f"an array of the class {getattr(cls, 'name', cls)!r}")
    return Pending(_array)


def _array(state):
    """State of an array: (version,) shape, dtype, Fortran order, bytes or a list of objects."""
    shape, dtype, fortran, content = state[-4:]
    order = "F" if fortran else "C"
    if isinstance(dtype, np.dtype) and dtype.hasobject:
        return _objects(content, shape, order)
    return _frombuffer(content, dtype, shape, order)


def _frombuffer(content, dtype, shape, order, axis_order=None):
    if isinstance(content, str):  # bytes of Python 2
        content = content.encode("latin-1")
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise RefusedError(f"an array of dtype {dtype!r}")
    shape = _shape(shape)
    if not isinstance(content, bytes | bytearray):
        raise RefusedError(f"an array over a {type(content).__name__}")
    array = np.frombuffer(content, dtype)
    if order == "K" and axis_order is not None:
        return array.reshape(shape).transpose(axis_order)
    return array.reshape(shape, order=order)


def _objects(content, shape, order):
    if not isinstance(content, list) or not all(isinstance(item, _PLAIN) for item in content):
        raise RefusedError("an array of objects that are no texts or numbers")
    array = np.empty(len(content), object)
    array[:] = content
    return array.reshape(_shape(shape), order=order)


def _scalar(dtype, content):
    return _frombuffer(content, dtype, (1,), "C")[0]


def _shape(shape):
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise RefusedError(f"an array of the shape {shape!r}")
    return shape


def _latin1_bytes(text, encoding):
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"_codecs.encode to {encoding!r}")
    return text.encode("latin-1")


def _container(kind):
    def make(items=()):
        if not isinstance(items, list | tuple | set):
            raise RefusedError(f"{kind.__name__} of a {type(items).__name__}")
        return kind(items)

    return make


def _bytearray(*arguments):
    if arguments and isinstance(arguments[0], str):
        return bytearray(_latin1_bytes(*arguments))
    if not all(isinstance(argument, bytes | bytearray) for argument in arguments):
        raise RefusedError(f"builtins.bytearray of a {type(arguments[0]).__name__}")
    return bytearray(*arguments)


def _empty_bytes():
    return b""
