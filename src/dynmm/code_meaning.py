"""What one Python file does: a digest of its syntax tree without what changes no result.

Only the standard library is used here: the Snakefile calls this at every start.
"""

import ast
import functools
import hashlib
from typing import NamedTuple

TOLD = ("fix", "help")  # arguments of this name are words for the user


class Content(NamedTuple):
    """What a file says.

    Attributes:
        imports: the nodes that import, inside functions too.
        meaning: digest of what it does.
        constants: name -> `Constant` of a module that does nothing but name values; else None.
    """

    imports: list
    meaning: str
    constants: dict | None


class Constant(NamedTuple):
    """A named value: its digest, and the names that it is made of."""

    meaning: str
    names: set


def content_of(path):
    """The `Content` of a file; it is parsed once as long as it stays as it is.

    Comments, docstrings, the layout of the text, `__version__`, the words of errors and of
    `--help`, and what is written to a log change no digest. Digests are the same in every version
    of Python.
    """
    found = path.stat()
    return _parsed(path, found.st_ino, found.st_size, found.st_mtime_ns)


@functools.cache
def _parsed(path, *_):
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    tree = _Bare().visit(tree)
    return Content(imports, _digest(tree), _constants(tree))


def _digest(tree):
    return hashlib.sha256(repr(_shape(tree)).encode()).hexdigest()


def _constants(module):
    """The named values of a module that has nothing else."""
    found = {}
    for node in module.body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            return None
        pairs = _pairs(node.targets[0], node.value)
        for target, value in pairs:
            if not isinstance(target, ast.Name) or target.id in found:
                return None
            nodes = ast.walk(value)
            names = {each.id for each in nodes if isinstance(each, ast.Name)}
            found[target.id] = Constant(f"{target.id} {_digest(value)}", names)
    return found


def _pairs(target, value):
    """(target, value) of an assignment, or of each of several side by side."""
    both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
    if both and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _shape(node):
    """A syntax tree as nested tuples; what is left empty is left out, as other Pythons do."""
    if isinstance(node, list):
        return [_shape(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    told = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        if value is not None and value != [] and name != "ctx":
            told.append((name, _shape(value)))
    return tuple(told)


class _Bare(ast.NodeTransformer):
    """Takes off docstrings, log lines, the version and the words of errors and of --help."""

    def visit_Pass(self, node):
        return None

    def visit_Expr(self, node):
        silent = isinstance(node.value, ast.Constant) or _logs(node.value)
        return None if silent else self.generic_visit(node)

    def visit_Import(self, node):
        return None if [alias.name for alias in node.names] == ["logging"] else node

    def visit_Assign(self, node):
        named = _named(node)
        return None if named in ("__version__", "log") else self.generic_visit(node)

    def visit_Raise(self, node):
        self.generic_visit(node)
        if isinstance(node.exc, ast.Call):
            node.exc.args = [value for value in node.exc.args if not _is_text(value)]
        return node

    def visit_Call(self, node):
        named = node.func.id if isinstance(node.func, ast.Name) else None
        if named == "InputError" or _logs(node):
            return ast.Call(node.func, [], [])
        node.keywords = [each for each in node.keywords if each.arg not in TOLD]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        return _WithoutText(node).visit(node)


class _WithoutText(ast.NodeTransformer):
    """Takes off texts that a function gives a name and, without its errors, never reads."""

    def __init__(self, function):
        self.read = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self.read.add(node.id)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                self.read.update(node.names)

    def visit_ClassDef(self, node):
        return node  # its attributes are read from elsewhere

    def visit_Assign(self, node):
        name = _named(node)
        return None if name and name not in self.read and _is_text(node.value) else node


def _named(node):
    """The one plain name that an assignment gives a value, if it is one."""
    target = node.targets[0] if len(node.targets) == 1 else None
    return target.id if isinstance(target, ast.Name) else None


def _is_text(node):
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _logs(node):
    """Whether a node is a call such as log.info(...)."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
    )
