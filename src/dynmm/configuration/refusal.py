"""How a bad configuration is refused."""

from dynmm.errors import InputError


def refused(key, found, expected, fix=None):
    """The InputError of a bad configuration: the key's path, what was found, what is allowed."""
    return InputError("bad configuration", key=key, found=found, expected=expected, fix=fix)
