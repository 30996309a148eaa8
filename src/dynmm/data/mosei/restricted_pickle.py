"""Reading a pickle from the internet without running anything that it says.

A pickle is a program. This module reads its operations with `pickletools`, which executes nothing,
and carries out those that build plain containers and numpy arrays; the few names it may call are
the stand-ins of `pickled_numpy`. There is no import, no attribute access and no class to
instantiate anywhere, so there is nothing that a file could reach for; `pickle_bounds` sees to it
that nothing is asked for without end either.
"""

import os
import pickletools

from dynmm.data.mosei.pickle_bounds import ARGUMENTS, SHORT, Bounds, RefusedError, named, short
from dynmm.data.mosei.pickled_numpy import Named, Pending, admitted_names
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
        InputError: the file is missing, truncated or no pickle, goes on after its end, or holds
            anything but numpy arrays and plain containers, or too much of them; what was refused is
            named. Nothing of it has run.
    """
    try:
        with open(path, "rb") as file:
            return _Machine(os.fstat(file.fileno()).st_size).run(file)
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
            found=f"{type(error).__name__}: {str(error)[:200]}",
            expected=ADMITTED,
            fix="Fetch the file again.",
        ) from error


class _Machine:
    """The stack machine of pickle, less everything that reaches outside of it."""

    def __init__(self, size):
        self.stack, self.memo = [], {}
        self.bounds = Bounds(size)
        self.names = admitted_names(self.bounds)

    def run(self, file):
        for operation, argument, _ in pickletools.genops(file):
            name = operation.name
            self.bounds.operation()
            if name == "STOP":
                return self._finished(file)
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _PUT:
                self.put(argument)
            elif name in _GET:
                self.stack.append(self.memo[argument])
            elif name == "GLOBAL":
                self._push_name(*argument.split(" ", 1))
            elif name not in _IGNORED:
                step = _STEPS.get(name)
                if step is None:
                    raise RefusedError(_description(name, argument))
                step(self)

    def _finished(self, file):
        (result,) = self.stack
        if isinstance(result, Pending | Named):
            raise RefusedError(f"{named(result)} without a content")
        if file.read(1):
            raise ValueError(f"there are bytes after the end of the pickle, at {file.tell() - 1}")
        return result

    def _push_name(self, module, name):
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError(f"a name that is {named(module)} and {named(name)}")
        found = self.names.get((module, name))
        if found is None:
            raise RefusedError(f"{module[:SHORT]}.{name[:SHORT]}")
        self.stack.append(found)

    def stack_global(self):
        name, module = self.stack.pop(), self.stack.pop()
        self._push_name(module, name)

    def reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        call = getattr(function, "call", None)
        if call is None:
            raise RefusedError(f"a call of {named(function)}")
        if not isinstance(arguments, tuple) or len(arguments) > ARGUMENTS:
            raise RefusedError(f"{named(function)} of {named(arguments)}, or of too many arguments")
        self.stack.append(call(*arguments))

    def build(self):
        state, pending = self.stack.pop(), self.stack[-1]
        if not isinstance(pending, Pending):
            raise RefusedError(f"a state for {named(pending)}")
        finished = pending.build(state)
        self.stack[-1] = finished
        for place in pending.places:  # an array is memoised between its creation and its state
            self.memo[place] = finished

    def put(self, place):
        if not 0 <= place < 2**32:
            raise ValueError("a place in the memo beyond its numbers")
        self.memo[place] = self.stack[-1]
        if isinstance(self.stack[-1], Pending):
            self.stack[-1].places.append(place)

    def memoize(self):
        self.put(len(self.memo))

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

    def push(self, kind, items=()):
        """Put a new container onto the stack."""
        if kind is dict:
            self.stack.append(self.bounds.made({}))
            self.fill_dict(items)
            return
        if kind in (set, frozenset):
            self.bounds.keys(items)
        self.stack.append(self.bounds.made(kind(items), items))

    def fill(self, kind, items):
        """Put items into the list or set on top of the stack."""
        top = self._top(kind)
        if kind is set:
            self.bounds.keys(items)
        (top.update if kind is set else top.extend)(items)
        self.bounds.filled(top, items)

    def fill_dict(self, items):
        """Put keys and values, in turn, into the dict on top of the stack."""
        top, keys, values = self._top(dict), items[::2], items[1::2]
        if len(keys) != len(values):
            raise ValueError("a key without a value")
        self.bounds.keys(keys)
        top.update(zip(keys, values, strict=True))
        self.bounds.filled(top, values)

    def take(self, count):
        """Take so many things off the stack."""
        if count > len(self.stack):
            raise ValueError("fewer things on the stack than a tuple has")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def _top(self, kind):
        if type(self.stack[-1]) is not kind:
            raise RefusedError(f"items for {named(self.stack[-1])}")
        return self.bounds.fillable(self.stack[-1])


def _description(operation, argument):
    """What to call a refused operation: the name it asks for, where it holds one."""
    if operation == "INST":
        return argument[:SHORT].replace(" ", ".")
    if operation.startswith("EXT"):
        return f"extension {argument} of the copyreg registry"
    if operation == "PERSID":
        return f"persistent id {short(argument)}"
    if operation == "BINPERSID":
        return "a persistent id"
    return f"the operation {operation}"


_STEPS = {
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "MEMOIZE": _Machine.memoize,
    "MARK": lambda machine: machine.stack.append(_MARK),
    "POP": lambda machine: machine.stack.pop(),
    "POP_MARK": _Machine.above_mark,
    "DUP": lambda machine: machine.stack.append(machine.stack[-1]),
    "EMPTY_LIST": lambda machine: machine.push(list),
    "EMPTY_DICT": lambda machine: machine.push(dict),
    "EMPTY_SET": lambda machine: machine.push(set),
    "EMPTY_TUPLE": lambda machine: machine.push(tuple),
    "LIST": lambda machine: machine.push(list, machine.above_mark()),
    "TUPLE": lambda machine: machine.push(tuple, machine.above_mark()),
    "DICT": lambda machine: machine.push(dict, machine.above_mark()),
    "FROZENSET": lambda machine: machine.push(frozenset, machine.above_mark()),
    "TUPLE1": lambda machine: machine.push(tuple, machine.take(1)),
    "TUPLE2": lambda machine: machine.push(tuple, machine.take(2)),
    "TUPLE3": lambda machine: machine.push(tuple, machine.take(3)),
    "APPEND": lambda machine: machine.fill(list, machine.take(1)),
    "APPENDS": lambda machine: machine.fill(list, machine.above_mark()),
    "SETITEM": lambda machine: machine.fill_dict(machine.take(2)),
    "SETITEMS": lambda machine: machine.fill_dict(machine.above_mark()),
    "ADDITEMS": lambda machine: machine.fill(set, machine.above_mark()),
}
