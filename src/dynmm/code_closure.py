"""Which source files a program depends on: the closure of its imports inside this package.

Only the standard library is used here: the Snakefile calls this at every start.
"""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = "dynmm"


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


def code_hash(paths):
    """Hex digest over the contents of the files; their places on disk do not count."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).name.encode())
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()


@functools.cache
def _imports(path, source_root):
    """The files of the package that one file imports."""
    names = set()
    package = _dotted(path, source_root)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
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
