"""Hold the project against a folder of parity fixtures.

    python tests/parity.py FOLDER [NAME...]

prints one line a file (name, worst relative deviation, ok or not) and exits with 1 if one is off.
NAME is a fixture's file name, with or without its suffix; without names every file is checked.
Each module of parity_checks has HANDLERS: a pattern for the whole stem of the file's name, and a
function (record, folder) -> [(case, deviation, tolerance)].
"""

import argparse
import importlib
import pkgutil
import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SUFFIXES = (".json", ".npz")


def check_file(path):
    """(ok, line) for one fixture file."""
    handler = handler_for(path.stem)
    if handler is None:
        return False, f"{path.stem:<34} {'':>9}  NOT OK: nothing here checks this file"
    try:
        cases = handler(_read(path), path.parent)
    except Exception as error:
        return False, f"{path.stem:<34} {'':>9}  NOT OK: {type(error).__name__}: {error}"
    if not cases:
        return False, f"{path.stem:<34} {'':>9}  NOT OK: no case was checked"
    # `not <=` and not `>`: a NaN is off
    off = [case for case in cases if not case[1] <= case[2]]
    worst = max(cases, key=lambda case: (case in off, case[1]))
    line = f"{path.stem:<34} {worst[1]:>9.1e}  "
    if not off:
        return True, f"{line}ok ({len(cases)} cases)"
    listed = ", ".join(f"{name} {value:.1e} > {limit:g}" for name, value, limit in off[:5])
    return False, f"{line}NOT OK: {listed}" + (f" and {len(off) - 5} more" if len(off) > 5 else "")


def handler_for(stem):
    """The function that checks fixtures of this name, or None."""
    for pattern, handler in _handlers().items():
        if re.fullmatch(pattern, stem):
            return handler
    return None


def fixture_files(folder, names=()):
    """Files of the folder by name; SystemExit if the folder or a name is not there."""
    found = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES}
    if not names:
        return list(found.values())
    chosen = []
    for name in names:
        matches = [path for key, path in found.items() if name in (key, path.stem)]
        if not matches:
            raise SystemExit(f"no fixture {name} in {folder}; there are: {', '.join(found)}")
        chosen += matches
    return chosen


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("names", nargs="*", metavar="NAME")
    options = arguments.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"{options.folder} is not a folder")
    files = fixture_files(options.folder, options.names)
    if not files:
        raise SystemExit(f"no fixtures ({' or '.join(SUFFIXES)}) in {options.folder}")
    all_ok = True
    for path in files:
        ok, line = check_file(path)
        all_ok &= ok
        print(line, flush=True)
    return 0 if all_ok else 1


def _handlers():
    import parity_checks

    handlers = {}
    for module in pkgutil.iter_modules(parity_checks.__path__):
        handlers.update(importlib.import_module(f"parity_checks.{module.name}").HANDLERS)
    return handlers


def _read(path):
    from fixture_rules import read_record

    return read_record(path)


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]
    sys.exit(main())
