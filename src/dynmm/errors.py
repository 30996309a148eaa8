"""The one exception for input a user can mend, and what its messages say of a value."""

import difflib

LONGEST_SHOWN = 60  # characters of a value in a message
LONGEST_PART = 1000  # of anything in a message: what a file holds may have no end


class InputError(Exception):
    """Bad input, said in one message; the programs print it and exit with 1.

    Args:
        problem: what is wrong, in a few words.
        file: the file (or directory) at fault.
        key: the data set, config key or column inside it.
        found: what was there.
        expected: what should have been there.
        fix: what the user can do about it.
    """

    def __init__(self, problem, *, file=None, key=None, found=None, expected=None, fix=None):
        self.problem, self.file, self.key = problem, file, key
        self.found, self.expected, self.fix = found, expected, fix
        super().__init__(str(self))

    def __str__(self):
        parts = [self.problem]
        for name in ("file", "key", "found", "expected"):
            value = getattr(self, name)
            if value is not None:
                text = str(value)
                parts.append(
                    f"{name}: {text if len(text) <= LONGEST_PART else text[:LONGEST_PART] + '...'}"
                )
        text = "; ".join(parts)
        return _on_one_line(f"{text}. {self.fix}" if self.fix else text)


def shown(value):
    """A value for a message: short, and on one line whatever a text holds."""
    try:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    except (ValueError, RecursionError):  # thousands of digits, or lists in lists
        return f"{type(value).__name__} that cannot be shown"
    if not text.isprintable() or text != text.strip() or not text:
        text = repr(text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _on_one_line(text):
    """A text with what cannot be printed as escapes; names of files may hold anything."""
    shows = [c if c.isprintable() else c.encode("unicode_escape").decode() for c in text]
    return text if text.isprintable() else "".join(shows)


def did_you_mean(name, known, most=1):
    """A question that offers the known names nearest to one; None where none is near."""
    near = difflib.get_close_matches(
        name if isinstance(name, str) else shown(name), map(str, known), n=most
    )
    return f"Did you mean {' or '.join(near)}?" if near else None
