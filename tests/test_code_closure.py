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
