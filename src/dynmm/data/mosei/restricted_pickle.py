"""Reading a pickle from the internet without running anything that it says.

A pickle is a program. This module reads its operations with `pickletools`, which executes nothing,
and carries out those that build plain containers and numpy arrays; the few names it may call are
the stand-ins of `pickled_numpy`. There is no import, no attribute access and no class to
instantiate anywhere, so there is nothing that a file could reach for.
"""

import pickletools

from dynmm.data.mosei.pickled_numpy import Named, Pending, RefusedError, admitted_names
from dynmm.errors import InputError

ADMITTED = "numpy arrays of numbers and texts, dicts, lists, tuples, sets, numbers and texts"

# operations whose argument is the object itself
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED = {"PROTO", "FRAME"}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_MARK = object()


def load(path):
    """The object in the pickle file `path`, protocols 0 to 5.

    Arrays share the memory of the bytes that were read, so the peak is the size of the arrays (a
    pickle of protocol 2 or older takes up to three times the largest array on top). They may be
    read-only.

    Raises:
        InputError: the file is missing, truncated or no pickle, or it holds anything but numpy
            arrays and plain containers; what was refused is named. Nothing of it has run.
    """
    try:
        with open(path, "rb") as file:
            return _Machine().run(file)
    except RefusedError as error:
        raise InputError(
            "refused: the pickle asks for more than data",
            file=path,
            found=str(error),
            expected=ADMITTED,
            fix="Do not open this file with pickle; fetch the official one.",
        ) from None
    except OSError as error:
        raise InputError("cannot be read", file=path, found=error.strerror) from error
    # what damaged or forged bytes end in; nothing else in here can raise these
    except (
        ValueError,
        TypeError,
        LookupError,
        MemoryError,
        OverflowError,
        RecursionError,
    ) as error:
        raise InputError(
            "not a complete pickle of data",
            file=path,
            found=f"{type(error).__name__}: {error}",
            expected=ADMITTED,
            fix="Fetch the file again.",
        ) from error


class _Machine:
    """The stack machine of pickle, less everything that reaches outside of it."""

    def __init__(self):
        self.stack, self.memo = [], {}
        self.names = admitted_names()

    def run(self, file):
        for operation, argument, _ in pickletools.genops(file):
            name = operation.name
            if name == "STOP":
                return self._finished()
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _PUT:
                self.memo[argument] = self.stack[-1]
            elif name in _GET:
                self.stack.append(self.memo[argument])
            elif name == "GLOBAL":
                self._push_name(*argument.split(" ", 1))
            elif name not in _IGNORED:
                step = _STEPS.get(name)
                if step is None:
                    raise RefusedError(_description(name, argument))
                step(self)

    def _finished(self):
        (result,) = self.stack
        if isinstance(result, Pending | Named):
            raise RefusedError(f"{_name(result)} without a content")
        return result

    def _push_name(self, module, name):
        found = self.names.get((module, name))
        if found is None:
            raise RefusedError(f"{module}.{name}")
        self.stack.append(found)

    def stack_global(self):
        name, module = self.stack.pop(), self.stack.pop()
        self._push_name(module, name)

    def reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        call = getattr(function, "call", None)
        if call is None:
            raise RefusedError(f"a call of {_name(function)}")
        self.stack.append(call(*arguments))

    def build(self):
        state, pending = self.stack.pop(), self.stack[-1]
        if not isinstance(pending, Pending):
            raise RefusedError(f"a state for {_name(pending)}")
        finished = pending.build(state)
        self.stack[-1] = finished
        # an array is memoised between its creation and its state, among the last few
        for key in reversed(self.memo):
            if self.memo[key] is pending:
                self.memo[key] = finished
                break

    def memoize(self):
        self.memo[len(self.memo)] = self.stack[-1]

    def mark(self):
        self.stack.append(_MARK)

    def above_mark(self):
        """Take everything above the topmost mark, and the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark on the stack")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def pop(self):
        self.stack.pop()

    def dup(self):
        self.stack.append(self.stack[-1])

    def append(self):
        item = self.stack.pop()
        self._top(list).append(item)

    def appends(self):
        items = self.above_mark()
        self._top(list).extend(items)

    def setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._top(dict)[key] = value

    def setitems(self):
        items = self.above_mark()
        self._top(dict).update(_pairs(items))

    def additems(self):
        items = self.above_mark()
        self._top(set).update(items)

    def tuple_of(self, count):
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        self.stack.append(tuple(items))

    def _top(self, kind):
        if type(self.stack[-1]) is not kind:
            raise RefusedError(f"items for {_name(self.stack[-1])}")
        return self.stack[-1]


def _pairs(items):
    if len(items) % 2:
        raise ValueError("a key without a value")
    return zip(items[::2], items[1::2], strict=True)


def _name(thing):
    return getattr(thing, "name", None) or f"a {type(thing).__name__}"


def _description(operation, argument):
    """What to call a refused operation: the name it asks for, where it holds one."""
    if operation == "INST":
        return argument.replace(" ", ".")
    if operation.startswith("EXT"):
        return f"extension {argument} of the copyreg registry"
    if operation == "PERSID":
        return f"persistent id {argument!r}"
    if operation == "BINPERSID":
        return "a persistent id"
    return f"the operation {operation}"


_STEPS = {
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "MEMOIZE": _Machine.memoize,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.above_mark,
    "DUP": _Machine.dup,
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "EMPTY_SET": lambda machine: machine.stack.append(set()),
    "EMPTY_TUPLE": lambda machine: machine.stack.append(()),
    "LIST": lambda machine: machine.stack.append(machine.above_mark()),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.above_mark())),
    "DICT": lambda machine: machine.stack.append(dict(_pairs(machine.above_mark()))),
    "FROZENSET": lambda machine: machine.stack.append(frozenset(machine.above_mark())),
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.setitem,
    "SETITEMS": _Machine.setitems,
    "ADDITEMS": _Machine.additems,
}
