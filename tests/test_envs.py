"""The conda environments hold the pins of requirements.txt, and what their programs import."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from dynmm.code_closure import code_closure

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
DISTRIBUTIONS = {  # import name -> distribution, where they differ
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
UNPINNED_DEPENDENCIES = {"pillow"}  # installed with matplotlib and torchvision


def pins(lines):
    found = {}
    for line in lines:
        if match := re.match(r"([A-Za-z0-9._-]+)==(\S+)$", line):
            found[match[1].lower().replace("_", "-")] = match[2]
    return found


def conda_pins(path):
    *_, last = yaml.safe_load(path.read_text())["dependencies"]
    return pins(last["pip"])


REQUIREMENTS = (ROOT / "requirements.txt").read_text().splitlines()


def test_requirements_are_plain_pins():
    for line in REQUIREMENTS:
        assert not line or line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line
    named = pins(REQUIREMENTS)
    assert named["torch"] == "2.12.0" and named["torchvision"] == "0.27.0"
    assert not [name for name in named if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_requirements_lie_in_the_ranges_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = pins(REQUIREMENTS)
    for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(named[wanted.name.lower()]), text


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_the_pins_of_the_requirements(path):
    named, own = pins(REQUIREMENTS), conda_pins(path)
    assert own and own == {name: named.get(name) for name in own}


def rules():
    """(program, environment) of every rule that runs a program, which its `code` has to hash."""
    found = []
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for text in re.split(r"^ *rule\b", path.read_text(), flags=re.M)[1:]:
            program = re.search(r'python "\$DYNMM_SCRIPTS/(\w+)\.py" ', text)
            environment = re.search(r'conda:\s+"\.\./(envs/\w+\.yaml)"', text)
            if program:
                hashed = re.search(r'code=(?:task_)?code_of\(\s*"(\w+)"', text)
                assert hashed[1] == program[1], f"{path}: {program[1]}"
                found.append((f"workflow/scripts/{program[1]}.py", environment[1]))
    return found


def test_every_program_has_a_rule_or_is_a_command_of_make():
    programs = {path.name for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    commands = set(re.findall(r"workflow/scripts/(\w+\.py)", (ROOT / "Makefile").read_text()))
    assert {Path(program).name for program, _ in rules()} | commands == programs


@pytest.mark.parametrize(("program", "environment"), rules())
def test_an_environment_has_what_its_programs_import(program, environment):
    imported = set()
    for path in code_closure(ROOT / program, ROOT / "src"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - {"dynmm"}
    wanted = {DISTRIBUTIONS.get(name, name).lower() for name in third_party}
    assert wanted - UNPINNED_DEPENDENCIES <= set(conda_pins(ROOT / environment))
