"""What an edit plans: `plans/edits.yaml` says it for every module, these tests hold it.

Most of it is told without Snakemake, by the functions that the rules use.
"""

import contextlib
import functools
import re
import shutil

import pytest
import yaml

from dynmm.code_closure import UNSEEN, code_hash, is_seen, joint_closure
from dynmm.code_meaning import content_of
from dynmm.vocabulary import MODALITY_TASKS
from source_edits import SILENT, layout, real, renamed_constants
from workflow_tree import ROOT, finished_tree, snakemake

FILE = yaml.safe_load((ROOT / "tests/plans/edits.yaml").read_text())
RULE = r"(?m)^ *rule (\w+):|^ *f\"(download_raw)_|code=(task_)?code_of\(([^)]*)\)"
SCRIPTS, VOCABULARY = "workflow/scripts", "vocabulary.py"  # the latter has a test of its own
BY_ANOTHER_NAME = {"evaluate_modality": {"evaluate_expert", "evaluate_dynamic"}}
ASIDE = {"find_leftovers"}  # programs of no rule
TARGETS = ("mosei", "nyuv2")  # of the dry runs


def programs_of(tree):
    """(rule, task or None) -> the files whose closures are its code, as rules/*.smk say it."""
    found = {}
    for path in sorted((tree / "rules").glob("*.smk")):
        for name, download, by_task, words in re.findall(RULE, path.read_text()):
            if name or download:
                rule = name or download
                continue
            program, *more = re.findall(r'"(\w+)"', words)
            files = [tree / SCRIPTS / f"{program}.py"]
            for task in MODALITY_TASKS if by_task else [None]:
                own = [tree / f"src/dynmm/tasks/{task}/{n}.py" for n in ("task", *more)]
                found[rule, task] = files + (own if by_task else [])
    return found


class Hashes:
    """The code of every rule in a tree, and what an edit changes of it."""

    def __init__(self, tree):
        source = tree / "src"
        self.closures = {key: joint_closure(p, source) for key, p in programs_of(tree).items()}
        self.before = {key: code_hash(files) for key, files in self.closures.items()}

    def changed(self, *paths):
        """(rule, task) of those that an edit of these files changes."""
        using = [key for key, files in self.closures.items() if set(paths) & set(files)]
        return {key for key in using if code_hash(self.closures[key]) != self.before[key]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The sources; a test leaves them as they were."""
    folder = tmp_path_factory.mktemp("edits")
    for part in ("src", "rules", SCRIPTS):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def hashes(tree):
    return Hashes(tree)


@contextlib.contextmanager
def edited(path, text):
    """Another text of a file, for a while."""
    before = path.read_text()
    path.write_text(text)
    yield
    path.write_text(before)


def modules(tree):
    """Name in the table -> path, of every module that has any code."""
    paths = [p for p in sorted((tree / "src").rglob("*.py")) if p.read_text().strip()]
    return {p.relative_to(tree / "src").as_posix().removeprefix("dynmm/"): p for p in paths}


def expected(hashes):
    """Name of a module -> (rule, task) that the table says."""
    found = {name: set() for name in FILE["unseen"]}
    for entry in FILE["planned"]:
        every = entry["rules"] == "every"
        for name in entry["modules"]:
            found.setdefault(name, set()).update(
                (rule, task)
                for rule, task in hashes.before
                if (every or rule in entry["rules"]) and entry.get("task") in (None, task)
            )
    return found


def named(keys):
    return sorted(rule if task is None else f"{rule} {task}" for rule, task in keys)


def test_every_module_has_its_place_in_the_table(tree, hashes):
    there, told = set(modules(tree)), set(expected(hashes))
    assert sorted(there - told) == [], "add them to tests/plans/edits.yaml"
    assert sorted(told - there) == [], "they are gone: take them out of tests/plans/edits.yaml"
    assert all(FILE["unseen"].values())
    assert {f"dynmm/{name}" for name in FILE["unseen"]} == set(UNSEEN)
    rules = {rule for rule, _ in hashes.before}
    assert {r for e in FILE["planned"] if e["rules"] != "every" for r in e["rules"]} <= rules


def test_a_real_edit_of_a_module_changes_the_code_of_its_rules_and_of_no_other(tree, hashes):
    """Every training among them: `unseen` modules aside, none keeps its hash."""
    told, wrong = expected(hashes), []
    for name, path in modules(tree).items():
        if name == VOCABULARY:
            continue
        text = path.read_text()
        with edited(path, real(text) or f"{text}\nEDITED = True\n"):
            found = hashes.changed(path)
        if found != told[name]:
            wrong.append(f"{name}: {named(found)}, the table has {named(told[name])}")
    assert not wrong, "\n".join(wrong)


def test_every_module_behind_a_training_can_be_really_edited(tree, hashes):
    """So that the test above does not hold for an appended line alone."""
    trainings = [files for (rule, _), files in hashes.closures.items() if "train_" in rule]
    for path in set().union(*trainings):
        text = path.read_text()
        if path.name != "__init__.py":
            assert real(text) is not None, path
            assert layout(real(text)) != layout(text)


def test_a_program_is_the_code_of_the_rule_of_its_name(tree, hashes):
    for path in (tree / SCRIPTS).glob("*.py"):
        own = set() if path.stem in ASIDE else {path.stem}
        with edited(path, f"{path.read_text()}\nEDITED = True\n"):
            found = {rule for rule, _ in hashes.changed(path)}
        assert found == BY_ANOTHER_NAME.get(path.stem, own)


@pytest.mark.parametrize("kind", SILENT, ids=lambda kind: kind.__name__)
def test_an_edit_that_changes_no_result_changes_no_code(tree, kind):
    """One of each kind in each package and in the programs."""
    count = 0
    for folder in {path.parent for path in [*tree.rglob("*.py")]}:
        for path in sorted(folder.glob("*.py")):
            text, before = path.read_text(), content_of(path)
            if not text.strip() or (changed := kind(text)) == text:
                continue
            with edited(path, changed):
                assert content_of(path).meaning == before.meaning, path
            count += 1
            break
    assert count >= (1 if kind.__name__ == "version" else 20)


def test_of_the_vocabulary_the_words_count_that_a_program_imports(tree, hashes):
    path = tree / "src/dynmm" / VOCABULARY
    text, union = path.read_text(), set()
    with edited(path, f'{text}\nNEW = "a word more"\n'):
        assert hashes.changed(path) == set()
    for names, changed in renamed_constants(text):
        with edited(path, changed):
            found = hashes.changed(path)
        users = [key for key, files in hashes.closures.items() if _import(files, names)]
        assert set(users) <= found, names
        union |= found
    assert union == expected(hashes)[VOCABULARY]


def _import(files, names):
    files = filter(is_seen, files)
    lines = [
        line for f in files for line in f.read_text().splitlines() if "vocabulary import" in line
    ]
    return any(re.search(rf"\b{name}\b", line) for name in names for line in lines)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_tree(tmp_path_factory.mktemp("finished") / "tree", *TARGETS)


@pytest.mark.slow
def test_all_edits_that_change_no_result_plan_nothing_together(finished, tmp_path):
    tree = shutil.copytree(finished, tmp_path / "tree")
    for folder in ("src", SCRIPTS):
        for path in (tree / folder).rglob("*.py"):
            if text := path.read_text().strip():
                path.write_text(functools.reduce(lambda text, kind: kind(text), SILENT, text))
    assert "Nothing to be done" in snakemake(tree, *TARGETS).stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "models/experts/transformer_gate.py",
        "inference/timing.py",
        "training/loop.py",
    ],
)
def test_snakemake_plans_what_the_table_says_and_what_follows(finished, jobs, hashes, name):
    path = finished / "src/dynmm" / name
    with edited(path, real(path.read_text())):
        found = jobs_in(snakemake(finished, "--dry-run", *TARGETS).stdout, hashes)
    told = expected(hashes)[name] & {key for key, *_ in jobs}
    assert told <= {key for key, *_ in found}
    assert outputs_of(found) == outputs_of(with_followers(jobs, told))


@pytest.fixture(scope="module")
def jobs(finished, hashes):
    return jobs_in(snakemake(finished, "--dry-run", "--forceall", *TARGETS).stdout, hashes)


def jobs_in(said, hashes):
    """((rule, task), inputs, outputs) of every job that a dry run plans."""
    found = []
    for job in re.split(r"(?m)^(?:local)?rule ", said)[1:]:
        rule, task = job.split(":")[0], re.search(r"wildcards: .*\btask=(\w+)", job)
        key = (rule, task[1]) if task and (rule, task[1]) in hashes.before else (rule, None)
        files = [re.search(rf"    {word}: (.*)", job) for word in ("input", "output")]
        found.append((key, *(set(line[1].split(", ")) if line else set() for line in files)))
    return found


def with_followers(jobs, keys):
    """The jobs of these rules, and all that read what they make."""
    chosen, made = [], set()
    while more := [j for j in jobs if j not in chosen and (j[0] in keys or j[1] & made)]:
        chosen += more
        made |= outputs_of(more)
    return chosen


def outputs_of(jobs):
    return set().union(*(outputs for *_, outputs in jobs))
