"""Plant one mistake at a time into a copy of the tree and see which test notices.

    python tests/mutants/run.py [NAME...] [--telling] [--jobs N] [--out FOLDER]

Reads `edits.yaml`, runs the fast tests on the tree as it is and then on each mutant: first the
test files that ought to notice, and all of them where those do not. Writes `table.md` and
`table.csv` and exits with 1 if a mutant survives that is not said to, or one dies that is said to
survive.
"""

import argparse
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
EDITS = Path(__file__).with_name("edits.yaml")
PACKAGE = Path("src/dynmm")
LINKED = ("resources", "docs", "tools")  # large or without influence: linked, not copied
MADE = ("results", "reports", "logs", "data")  # by programs; of the top level alone
OWN_TESTS = (
    "tests/test_mutants.py"  # they hold edits.yaml against the tree, so every edit ends them
)
TIME_LIMIT = 1800  # seconds of one run of tests; a mutant that loops for ever is noticed too
SHARE = 0.95  # of the mutants that must be killed


@dataclass(frozen=True)
class Edit:
    """A mistake; see the head of `edits.yaml`."""

    name: str
    file: str
    find: str
    replace: str
    breaks: str
    tests: tuple
    telling: bool = False
    survives: str = ""

    def applied(self, text):
        """`text` with the mistake.

        Raises:
            ValueError: the text to find does not occur exactly once.
        """
        count = text.count(self.find)
        if count != 1:
            raise ValueError(f"{self.name}: found {count} times in {self.file}: {self.find!r}")
        return text.replace(self.find, self.replace)


@dataclass
class Outcome:
    """What became of one mutant: the test that killed it ("" where it survived)."""

    edit: Edit
    killed_by: str
    seconds: float

    @property
    def as_said(self):
        """Whether it died, or survived as `edits.yaml` says."""
        return bool(self.killed_by) != bool(self.edit.survives)


def read_edits(path=EDITS):
    """All edits of a file.

    Raises:
        ValueError: an unknown or missing key, a name that occurs twice.
    """
    edits, known = [], {field.name for field in fields(Edit)}
    for entry in yaml.safe_load(Path(path).read_text(encoding="utf-8")):
        unknown = set(entry) - known
        if unknown:
            raise ValueError(f"{entry.get('name')}: unknown keys {sorted(unknown)}")
        try:
            edits.append(Edit(**{**entry, "tests": tuple(entry["tests"])}))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{entry.get('name')}: {error}") from None
    twice = [name for name, count in Counter(edit.name for edit in edits).items() if count > 1]
    if twice:
        raise ValueError(f"names that occur twice: {', '.join(twice)}")
    return edits


def copy_tree(root, folder):
    """A copy of the tree that can be changed, without what was made in it."""
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")

    def left_out(path, names):
        here = {*MADE, *LINKED} & set(names) if Path(path) == root else set()
        return unwanted(path, names) | here

    shutil.copytree(root, folder, ignore=left_out)
    for name in LINKED:
        if (root / name).exists():
            (folder / name).symlink_to(root / name)


def run_tests(tree, files=(), processes=0):
    """Run the fast tests of a tree until the first one fails.

    Args:
        tree: folder with `src` and `tests`.
        files: test files below `tests` (or single tests of them), in this order; all where empty.
        processes: spread the files over so many processes.

    Returns:
        The name of the test that failed, "" where all passed.

    Raises:
        RuntimeError: the tests could not be run, such as after an edit that breaks an import.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
    ]
    command += [f"--ignore={OWN_TESTS}", *(f"tests/{name}" for name in files or [""])]
    if processes > 1:
        command += ["-n", str(processes), "--dist", "loadfile"]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a group of its own, so that its children end with it
    )
    try:
        output, _ = run.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return "time limit"
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    if run.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+::.+?)(?: - .*)?$", output, re.MULTILINE)
    if run.returncode != 1 or not failed:
        raise RuntimeError(output[-3000:])
    return failed[1]


def tried(edit, whole):
    """The `Outcome` of one edit on a copy of the tree `whole`."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(whole, tree)
        path = tree / PACKAGE / edit.file
        path.write_text(edit.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
        try:
            killed_by = run_tests(tree, edit.tests) or run_tests(tree)
        except RuntimeError as error:
            raise RuntimeError(f"{edit.name}: the tests do not run: {error}") from None
    return Outcome(edit, killed_by, time.monotonic() - started)


def outcomes_of(edits, root, jobs, everything):
    """Yield the `Outcome` of every edit, as they come.

    Args:
        edits: list of `Edit`.
        root: the tree; what changes there meanwhile does not matter.
        jobs: mutants tried at a time.
        everything: run all fast tests on the tree as it is, not only those that edits name.

    Raises:
        RuntimeError: a test fails without any edit, or the tests do not run with one.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        whole = Path(folder) / "tree"
        copy_tree(root, whole)
        names = sorted({name for edit in edits for name in edit.tests})
        failed = run_tests(whole, () if everything else names, jobs)
        if failed:
            raise RuntimeError(f"without any mistake this test fails: {failed}")
        print(f"the tree passes; {len(edits)} mutants, {jobs} at a time", flush=True)
        with ThreadPoolExecutor(jobs) as pool:
            waiting = [pool.submit(tried, edit, whole) for edit in edits]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            finally:
                pool.shutdown(cancel_futures=True)


def rows_of(outcomes):
    """One dict a mutant, for the tables."""
    return [
        {
            "name": outcome.edit.name,
            "file": outcome.edit.file,
            "breaks": outcome.edit.breaks,
            "killed by": outcome.killed_by,
            "survives": "" if outcome.killed_by else outcome.edit.survives or "NOT NOTICED",
            "seconds": f"{outcome.seconds:.0f}",
        }
        for outcome in outcomes
    ]


def by_room(outcomes):
    """One dict a room of the package: mutants and how many of them were killed."""
    counts = Counter(outcome.edit.file.split("/")[0] for outcome in outcomes)
    killed = Counter(o.edit.file.split("/")[0] for o in outcomes if o.killed_by)
    rows = [{"room": r, "mutants": str(n), "killed": str(killed[r])} for r, n in counts.items()]
    total = {"mutants": str(len(outcomes)), "killed": str(sum(killed.values()))}
    return [*rows, {"room": "together", **total}]


def markdown(rows):
    """Rows of equal keys as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    for row in rows:
        cells = (value.replace("|", "\\|").replace("\n", " ") for value in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_tables(outcomes, folder):
    """Write `table.md`, with a summary by room on top, and `table.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows_of(outcomes)
    text = f"{markdown(by_room(outcomes))}\n{markdown(rows)}"
    (folder / "table.md").write_text(text, encoding="utf-8")
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these edits alone")
    parser.add_argument("--telling", action="store_true", help="the most telling edits alone")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "mutants")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree")
    parser.add_argument("--edits", type=Path, default=EDITS, help="the list of edits")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the mutants; the exit code."""
    options = parse(argv)
    edits = read_edits(options.edits)
    unknown = set(options.names) - {edit.name for edit in edits}
    if unknown:
        raise SystemExit(f"no such edit: {', '.join(sorted(unknown))}")
    for edit in edits:  # all of them, and before anything runs
        edit.applied((options.root / PACKAGE / edit.file).read_text(encoding="utf-8"))
    chosen = [
        edit
        for edit in edits
        if (edit.name in options.names or not options.names)
        and (edit.telling or not options.telling)
    ]
    outcomes = []
    everything = len(chosen) == len(edits)
    for outcome in outcomes_of(chosen, options.root, options.jobs, everything):
        outcomes.append(outcome)
        fate = outcome.killed_by or f"SURVIVES {outcome.edit.survives}"
        print(f"{outcome.edit.name:<44} {outcome.seconds:>5.0f} s  {fate}", flush=True)
        write_tables(sorted(outcomes, key=lambda o: chosen.index(o.edit)), options.out)
    killed = sum(bool(outcome.killed_by) for outcome in outcomes)
    print(f"{killed} of {len(outcomes)} killed; {options.out / 'table.md'}")
    wrong = [outcome for outcome in outcomes if not outcome.as_said]
    for outcome in wrong:
        what = "dies and is said to survive" if outcome.killed_by else "survives"
        print(f"{outcome.edit.name}: {what}")
    return 1 if wrong or killed < SHARE * len(outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
