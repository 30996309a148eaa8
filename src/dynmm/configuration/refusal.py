"""How a bad configuration is refused."""

from dynmm.errors import InputError

LONGEST = 200  # characters of what was found


def refused(key, found, expected, fix=None):
    """The InputError of a bad configuration: the key's path, what was found, what is allowed."""
    if isinstance(found, str) and len(found) > LONGEST:
        found = f"{found[:LONGEST]}..."
    return InputError("bad configuration", key=key, found=found, expected=expected, fix=fix)
