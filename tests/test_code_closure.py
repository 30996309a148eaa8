"""A program's code closure is what decides whether its results are stale."""

import pytest

from dynmm.code_closure import code_closure, code_hash


@pytest.fixture
def tree(tmp_path):
    files = {
        "program.py": "import os\nfrom dynmm import a\nfrom dynmm.sub.b import value\n",
        "src/dynmm/__init__.py": "",
        "src/dynmm/a.py": "import dynmm.c\n",
        "src/dynmm/c.py": "def late():\n    from dynmm.d import x\n    return x\n",
        "src/dynmm/d.py": "from dynmm import a\nx = 1\n",
        "src/dynmm/unused.py": "",
        "src/dynmm/sub/__init__.py": "",
        "src/dynmm/sub/b.py": "from .e import value\nfrom ..f import other\n",
        "src/dynmm/sub/e.py": "value = 1\n",
        "src/dynmm/f.py": "other = 1\n",
        "src/other/a.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def names(tree, program="program.py"):
    found = code_closure(tree / program, tree / "src")
    return [path.relative_to(tree).as_posix() for path in found]


def test_imports_are_followed_wherever_they_stand(tree):
    assert names(tree) == [
        "program.py",
        "src/dynmm/__init__.py",
        "src/dynmm/a.py",
        "src/dynmm/c.py",  # import dynmm.c
        "src/dynmm/d.py",  # imported inside a function; it imports a again
        "src/dynmm/f.py",  # from ..f
        "src/dynmm/sub/__init__.py",
        "src/dynmm/sub/b.py",
        "src/dynmm/sub/e.py",  # from .e
    ]


def test_a_module_of_the_package_lists_itself_once(tree):
    assert names(tree, "src/dynmm/d.py").count("src/dynmm/d.py") == 1


def test_the_hash_follows_the_content_and_not_the_place(tree, tmp_path_factory):
    paths = code_closure(tree / "program.py", tree / "src")
    before = code_hash(paths)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    tree.rename(elsewhere)
    moved = [elsewhere / path.relative_to(tree) for path in paths]
    assert code_hash(moved) == before
    moved[-1].write_text("value = 2\n")
    assert code_hash(moved) != before


CODE = '''"""A module."""

__version__ = "1"


def work(x):
    """Say what it does."""
    log.info("working on %s", x)
    if x < 0:
        raise InputError("too small", found=x)
    return x + 1  # one more
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("  # one more", "", True),
        ("A module.", "The module.", True),
        ("Say what it does.", "Add one.", True),
        ("x + 1", "(x\n        + 1)", True),
        ('"1"', '"2"', True),
        ('"working on %s"', '"at work on %s"', True),
        ('"too small", found=x', '"too small", found=x, expected="0 or more"', True),
        ("x + 1", "x + 2", False),
        ("x < 0", "x <= 0", False),
        ("raise InputError", "return InputError", False),
        ("        raise InputError", "        pass  # raise InputError", False),
        ("def work(x)", "def work(x=1)", False),
    ],
)
def test_the_hash_follows_what_code_does_and_not_how_it_is_put(tmp_path, old, new, same):
    assert old in CODE
    path = tmp_path / "module.py"
    path.write_text(CODE)
    before = code_hash([path])
    path.write_text(CODE.replace(old, new))
    assert (code_hash([path]) == before) is same


def test_the_choice_of_a_device_is_no_part_of_it(tree):
    (tree / "src/dynmm/device.py").write_text("x = 1\n")
    (tree / "src/dynmm/a.py").write_text("import dynmm.c\nimport dynmm.device\n")
    before = code_hash(code_closure(tree / "program.py", tree / "src"))
    (tree / "src/dynmm/device.py").write_text("x = 2\n")
    assert code_hash(code_closure(tree / "program.py", tree / "src")) == before
