"""Experts and gates as their source declares them, so that none is imported to check options.

A registered class is read by its syntax tree: the decorator says task and name, the constructor the
options and, by annotations, what they may be (`dynmm.options`). What cannot be told so, such as a
base class of another library, is left to the job that builds the class.
"""

import ast
import functools
from pathlib import Path
from typing import NamedTuple

from dynmm import options, vocabulary
from dynmm.errors import InputError

EXPERT, GATE = "expert", "gate"
REGISTERING = {"register_expert": EXPERT, "register_gate": GATE}
PACKAGE = Path(__file__).resolve().parents[1] / "models" / "experts"
OUTPUTS = "outputs"  # an argument that the data say, and no option


class Declared(NamedTuple):
    """What a class says of itself.

    Attributes:
        options: name -> `options.Option`; None where the source does not tell.
        has_widths: whether a factor may scale it; None where the source does not tell.
    """

    options: dict | None
    has_widths: bool | None


class Sources:
    """The classes that Python files register.

    Args:
        known: classes by name to which theirs may refer, as `classes`.

    Attributes:
        classes: name -> syntax tree of every class.
        registered: (kind, task, name) -> `Declared`.
        told: whether every registration could be read.
    """

    def __init__(self, paths, known=None):
        trees = [_parsed(Path(path)) for path in paths]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        own = [node for node in nodes if isinstance(node, ast.ClassDef)]
        self.classes = {**(known or {}), **{node.name: node for node in own}}
        self.registered = {}
        for node in own:
            for key in filter(None, map(_registration, node.decorator_list)):
                self.registered[key] = self._declared(node)
        calls = [n for n in nodes if isinstance(n, ast.Call) and _name(n.func) in REGISTERING]
        self.told = len(calls) == len(self.registered) > 0

    def _declared(self, node):
        lineage, whole = self._lineage(node)
        inits = [init for each in lineage if (init := _constructor(each))]
        has_widths = any("width_options" in _assigned(each) for each in lineage)
        return Declared(
            _options(inits[0]) if inits else None,
            has_widths or (False if whole else None),
        )

    def _lineage(self, node):
        """A class and those that it derives from, and whether all of these are known."""
        found, whole = [node], True
        for base in node.bases:
            known = self.classes.get(_name(base))
            if known is None or known in found:
                whole = whole and _name(base) in ("Module", "Sequential", "object")
                continue
            above, complete = self._lineage(known)
            found, whole = found + above, whole and complete
        return found, whole


@functools.cache
def package_sources():
    """`Sources` of the experts and gates of this package."""
    return Sources(sorted(PACKAGE.glob("*.py")))


@functools.cache
def module_sources(path):
    """`Sources` of a user's Python file.

    Raises:
        InputError: the file is missing or is no Python.
    """
    return Sources([path], package_sources().classes)


def _parsed(path):
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError:
        raise InputError(
            "no such Python file",
            file=path,
            key="module",
            fix="It registers an expert or a gate; its path is as seen from the working folder.",
        ) from None
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        found = f"{error.args[0]}" + (f" in line {line}" if line else "")
        raise InputError("not a Python file", file=path, key="module", found=found) from None


def _registration(decorator):
    """(kind, task, name) of a decorator that registers a class, where it says both in words."""
    if not isinstance(decorator, ast.Call) or _name(decorator.func) not in REGISTERING:
        return None
    words = [_word(argument) for argument in decorator.args]
    if len(words) != 2 or None in words:
        return None
    return (REGISTERING[_name(decorator.func)], *words)


def _word(node):
    """The text of a literal, or of a name of the vocabulary."""
    value = getattr(vocabulary, node.id, None) if isinstance(node, ast.Name) else None
    value = node.value if isinstance(node, ast.Constant) else value
    return value if isinstance(value, str) else None


def _name(node):
    """The last name of `a`, `a.b` or of the call of either."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _constructor(node):
    return next(
        (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None
    )


def _assigned(node):
    """Names that the body of a class gives a value."""
    targets = [t for n in node.body if isinstance(n, ast.Assign) for t in n.targets]
    targets += [n.target for n in node.body if isinstance(n, ast.AnnAssign) and n.value]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _options(init):
    """Options of a constructor: what follows `self` and its first two arguments."""
    arguments = init.args
    if arguments.vararg:
        return None
    placed = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(placed) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(placed, defaults, strict=True)][3:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found = {
        argument.arg: options.Option(_kind(argument.annotation), _default(default))
        for argument, default in pairs
        if argument.arg != OUTPUTS
    }
    if arguments.kwarg:
        found[options.ANY] = options.Option(None, None)
    return found


def _kind(annotation):
    """The `Kind` that an annotation names, or makes of words: `Size`, `shared_by("heads")`."""
    if isinstance(annotation, ast.Call):
        maker, words = getattr(options, _name(annotation.func) or "", None), annotation.args
        if callable(maker) and words and all(isinstance(word, ast.Constant) for word in words):
            made = maker(*(word.value for word in words))
            return made if isinstance(made, options.Kind) else None
        return None
    named = getattr(options, _name(annotation) or "", None)
    return named if isinstance(named, options.Kind) else None


def _default(node):
    """A default that is a literal; of another one only that there is one."""
    if node is None:
        return options.REQUIRED
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
