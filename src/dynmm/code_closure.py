"""What a program does: a hash over the closure of its imports inside this package.

Only the standard library is used here: the Snakefile calls this at every start.
"""

import ast
import functools
import hashlib
import itertools
import sys
from pathlib import Path

from dynmm.code_meaning import content_of

PACKAGE = "dynmm"
# how a program starts, speaks, is stopped, keeps what it has and says where that comes from, which
# device computes, and what only refuses: no result follows from it
UNSEEN = (
    "dynmm/carried_provenance.py",
    "dynmm/code_closure.py",
    "dynmm/code_meaning.py",
    "dynmm/data/array_digests.py",
    "dynmm/device.py",
    "dynmm/device_lease.py",
    "dynmm/errors.py",
    "dynmm/evaluation/sweep_directory.py",
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
    for node in itertools.chain.from_iterable(
        content_of(path).imports for path in map(Path, paths)
    ):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif not node.level:
            names.add(node.module.split(".")[0])
    return names - {PACKAGE, *sys.stdlib_module_names}


def is_seen(path):
    """Whether results follow from what a file does; see `UNSEEN`."""
    return not Path(path).as_posix().endswith(tuple(f"/{name}" for name in UNSEEN))


def code_hash(paths):
    """Hex digest of what the files do (`content_of`); their order and their places do not count.

    Of a module of constants alone, such as the vocabulary, those count that the others import. The
    modules of `UNSEEN` are no part of it.
    """
    seen = list(filter(is_seen, map(Path, paths)))
    wanted = set(itertools.chain.from_iterable(map(_names_imported, seen)))
    told = sorted(f"{path.name} {_told(path, wanted)}" for path in seen)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _told(path, wanted):
    """What counts of a file, where the closure imports the `wanted` names."""
    content, module = content_of(path), _module_of(path)
    if not content.constants or module is None or module in wanted:
        return content.meaning
    names = [name for name in content.constants if f"{module}.{name}" in wanted]
    for name in names:  # it grows
        made_of = content.constants[name].names
        names += [n for n in content.constants if n in made_of and n not in names]
    return " ".join(sorted(content.constants[name].meaning for name in names))


def _names_imported(path):
    """Dotted names that a file imports; where it takes all of a module, the module's too."""
    for node in content_of(path).imports:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            base = _absolute(node, (_module_of(path) or "").split(".")[:-1])
            yield from (base if a.name == "*" else f"{base}.{a.name}" for a in node.names)


def _module_of(path):
    """Dotted name of a module of the package; None for other files."""
    parts = list(path.with_suffix("").parts)
    if PACKAGE not in parts:
        return None
    place = len(parts) - 1 - parts[::-1].index(PACKAGE)
    return ".".join(parts[place:])


@functools.cache
def _imports(path, source_root):
    """The files of the package that one file imports."""
    names = set()
    package = _dotted(path, source_root)
    for node in content_of(path).imports:
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
