"""What a program's code does: a hash over the closure of its imports inside this package.

Only the standard library is used here: the Snakefile calls this at every start.
"""

import ast
import functools
import hashlib
import sys
from pathlib import Path

PACKAGE = "dynmm"
# which device computes, how a program starts, speaks and is stopped: no result follows from it
UNSEEN = (
    "device.py",
    "device_lease.py",
    "gpu_presence.py",
    "program.py",
    "errors.py",
    "execution.py",
    "stop_signals.py",
    "checkpoints.py",
)


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


def imported_libraries(paths):
    """Names of the modules from outside the package and the standard library that files import."""
    names = {name.split(".")[0] for path in map(Path, paths) for name in _outside(path)}
    return names - {PACKAGE, *sys.stdlib_module_names}


def _outside(path):
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def code_hash(paths):
    """Hex digest of what the files do; their places on disk do not count.

    Comments, docstrings, the layout of the text, `__version__`, the words of an InputError and what
    is written to a log are no part of it, and neither are the modules of `UNSEEN`.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        if path.name not in UNSEEN:
            digest.update(path.name.encode())
            digest.update(_meaning(path.read_text(encoding="utf-8")))
    return digest.hexdigest()


@functools.cache
def _meaning(text):
    """Digest of a syntax tree without what changes no result; most files are in many hashes."""
    tree = _Bare().visit(ast.parse(text))
    return hashlib.sha256(ast.dump(tree).encode()).digest()


class _Bare(ast.NodeTransformer):
    """Takes off docstrings, log lines, the version and the arguments of errors."""

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant) or _logs(node.value):
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Assign(self, node):
        named = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return ast.Pass() if named == ["__version__"] else self.generic_visit(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name) and node.func.id == "InputError":
            return ast.Call(node.func, [], [])
        return self.generic_visit(node)


def _logs(node):
    """Whether a node is a call such as log.info(...)."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
    )


def _parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@functools.cache
def _imports(path, source_root):
    """The files of the package that one file imports."""
    names = set()
    package = _dotted(path, source_root)
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
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
