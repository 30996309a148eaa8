"""How much a pickle may ask for: nothing that it says costs more than a few readings of the file.

A pickle can name one object many times: ninety bytes of tuples in tuples are a tree of 2^40 leaves
to whatever walks it (a hash, a repr, a comparison), and one text may be copied a million times. So
keys are plain values, nesting is shallow, and what is copied is counted.
"""

OPERATIONS = 1_000_000  # the true file has some hundred, or some 100,000 where its ids are texts
DEPTH = 16  # containers in containers; the true file has five
KEYS = 1_000  # of dicts and sets in the whole file, since numbers can be chosen to collide
ARGUMENTS = 8  # of one call
AXES = 32
SHORT = 80  # characters of a text in a message
CONTAINERS = (list, dict, set, frozenset, tuple)
PLAIN = (str, bytes, int, float, bool, type(None))


class RefusedError(Exception):
    """Something that is not admitted; the message says what."""


class Bounds:
    """What one file has asked for so far.

    Args:
        size: its length in bytes; texts and bytes of twice that may be copied.
    """

    def __init__(self, size):
        self._copies = 2 * size + (1 << 20)
        self._operations = self._keys = 0
        # by id: a container that takes over the id of one that is gone is noted anew
        self._depths, self._contained = {}, set()

    def operation(self):
        """Count one operation of the pickle."""
        self._operations += 1
        if self._operations > OPERATIONS:
            raise RefusedError(f"more than {OPERATIONS} operations")

    def copy(self, count):
        """Count bytes or items that are about to be copied."""
        self._copies -= count
        if self._copies < 0:
            raise RefusedError("copies of far more than the file holds")

    def keys(self, keys):
        """Look at keys that are about to be hashed."""
        self._keys += len(keys)
        if self._keys > KEYS:
            raise RefusedError(f"more than {KEYS} keys of dicts and items of sets")
        for key in keys:
            if type(key) not in PLAIN:
                raise RefusedError(f"{named(key)} as a key, which is no plain value")
            if type(key) is int and not -(2**63) <= key < 2**64:
                raise RefusedError("a number of more than 64 bits as a key")

    def made(self, container, items=()):
        """Note a container that was just made of these items; returns it."""
        self._contained.discard(id(container))
        self._depths[id(container)] = 0
        return self.filled(container, items)

    def filled(self, container, items):
        """Note items that were put into a container; returns it."""
        depth = self._depths[id(container)]
        for item in items:
            if type(item) in CONTAINERS:
                self._contained.add(id(item))
                depth = max(depth, 1 + self._depths[id(item)])
        if depth > DEPTH or id(container) in self._contained:
            raise RefusedError(f"more than {DEPTH} containers in one another, or one in itself")
        self._depths[id(container)] = depth
        return container

    def fillable(self, container):
        """Refuse to fill what lies in another container already: depths would not be known."""
        if id(container) in self._contained:
            raise RefusedError("a container that is filled after it was put into another")
        return container


def named(thing):
    """What to call an object of a pickle in a message; never its content, which may be anything."""
    return getattr(thing, "name", None) or f"a {type(thing).__name__}"


def short(text):
    """A text of the file for a message, or what else stands in its place."""
    return repr(text[:SHORT]) if isinstance(text, str) else named(text)
