"""What a program's code does: a hash over the closure of its imports inside this package.

Only the standard library is used here: the Snakefile calls this at every start.
"""

import ast
import functools
import hashlib
import itertools
import sys
from pathlib import Path
from typing import NamedTuple

PACKAGE = "dynmm"
# how a program starts, speaks, is stopped, keeps what it has and says where that comes from, which
# device computes, and what only refuses: no result follows from it
UNSEEN = (
    "dynmm/carried_provenance.py",
    "dynmm/code_closure.py",
    "dynmm/data/array_digests.py",
    "dynmm/device.py",
    "dynmm/device_lease.py",
    "dynmm/errors.py",
    "dynmm/execution.py",
    "dynmm/files.py",
    "dynmm/locks.py",
    "dynmm/gpu_presence.py",
    "dynmm/kept_checksums.py",
    "dynmm/options.py",
    "dynmm/program.py",
    "dynmm/provenance.py",
    "dynmm/published_weights.py",
    "dynmm/stop_signals.py",
    "dynmm/stored_arrays.py",
    "dynmm/stored_records.py",
    "dynmm/training/checkpoints.py",
)
TOLD = ("fix", "help")  # arguments of this name are words for the user


def code_closure(program, source_root):
    """The program and every module of the package that it imports, directly or not.

    Args:
        program: path of a Python file.
        source_root: the folder that holds the package (`src`).

    Returns:
        Sorted list of paths, the program first. Imports inside functions count too.
    """
    source_root = Path(source_root)
    found, waiting = set(), [Path(program)]
    while waiting:
        for module in _imports(waiting.pop(), source_root):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return [Path(program), *sorted(found - {Path(program)})]


def joint_closure(programs, source_root):
    """The closures of several files, each file once."""
    closures = (code_closure(program, source_root) for program in programs)
    return list(dict.fromkeys(itertools.chain.from_iterable(closures)))


def imported_libraries(paths):
    """Names of the modules from outside the package and the standard library that files import."""
    names = set()
    for node in itertools.chain.from_iterable(_read(path).imports for path in map(Path, paths)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif not node.level:
            names.add(node.module.split(".")[0])
    return names - {PACKAGE, *sys.stdlib_module_names}


def is_seen(path):
    """Whether results follow from what a file does; see `UNSEEN`."""
    return not Path(path).as_posix().endswith(tuple(f"/{name}" for name in UNSEEN))


def code_hash(paths):
    """Hex digest of what the files do; their order and their places on disk do not count.

    Comments, docstrings, the layout of the text, `__version__`, the words of errors and of
    `--help`, and what is written to a log are no part of it, and neither are the modules of
    `UNSEEN`. It is the same in every version of Python.
    """
    seen = filter(is_seen, map(Path, paths))
    told = sorted(f"{path.name} {_read(path).meaning}" for path in seen)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


class _Content(NamedTuple):
    imports: list  # the nodes that import
    meaning: str  # digest of the syntax tree without what changes no result


def _read(path):
    found = path.stat()
    return _parsed(path, found.st_ino, found.st_size, found.st_mtime_ns)


@functools.cache
def _parsed(path, *_):
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    told = repr(_shape(_Bare().visit(tree)))
    return _Content(imports, hashlib.sha256(told.encode()).hexdigest())


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
        if isinstance(node.func, ast.Name) and node.func.id == "InputError":
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


@functools.cache
def _imports(path, source_root):
    """The files of the package that one file imports."""
    names = set()
    package = _dotted(path, source_root)
    for node in _read(path).imports:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        else:
            base = _absolute(node, package)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    files = set()
    for name in names:
        parts = name.split(".")
        if parts[0] != PACKAGE:
            continue
        for end in range(1, len(parts) + 1):
            files.update(_module_file(parts[:end], source_root))
    return frozenset(files)


def _absolute(node, package):
    if not node.level:
        return node.module or ""
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _dotted(path, source_root):
    """Package of the file as a list of names; empty outside the source root."""
    try:
        return list(path.relative_to(source_root).parent.parts)
    except ValueError:
        return []


def _module_file(parts, source_root):
    stem = source_root.joinpath(*parts)
    return [p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()]
