"""How the tests are run: what counts as slow, in which order, and what stays together."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import conftest
import pytest

FILES = sorted(Path(__file__).parent.glob("test_*.py"))
COSTLY = {"browsers", "nbclient", "anatomy_passes"}


def imported(file: Path) -> set[str]:
    nodes = [*ast.walk(ast.parse(file.read_text("utf-8")))]
    found = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    return found | {n.module for n in nodes if isinstance(n, ast.ImportFrom)}


def test_who_imports_what_is_costly_is_slow():
    costly = [file for file in FILES if COSTLY & imported(file)]
    assert len(costly) >= 5
    assert [f.name for f in costly if "pytest.mark.slow" not in f.read_text("utf-8")] == []


def item(file: str, *fixtures: str):
    marks: list = []
    path = Path(file)
    return SimpleNamespace(
        path=path, fixturenames=[*fixtures], add_marker=marks.append, marks=marks
    )


def test_users_of_a_costly_fixture_are_slow():
    items = [item("test_a.py", "tmp_path"), item("test_a.py", "tmp_path", "rcnn")]
    conftest.pytest_collection_modifyitems(items)
    assert ["slow" in each.marks for each in items] == [False, True]


def test_a_files_tests_stay_together_but_for_the_chapters():
    items = [item("test_notebooks.py"), item("test_b.py"), item("test_b.py")]
    conftest.pytest_collection_modifyitems(items)
    together = pytest.mark.xdist_group("test_b").mark
    assert [[mark.mark for mark in each.marks] for each in items] == [[], [together], [together]]


def test_the_longest_files_come_first():
    items = [item("test_a.py"), item("test_b.py"), *map(item, reversed(conftest.LONGEST))]
    conftest.pytest_collection_modifyitems(items)
    assert [each.path.stem for each in items] == [*conftest.LONGEST, "test_a", "test_b"]


def test_every_file_and_fixture_that_is_named_is_there():
    assert {*conftest.LONGEST} <= {file.stem for file in FILES}
    texts = [file.read_text("utf-8") for file in (*FILES, Path(conftest.__file__))]
    assert [n for n in conftest.SLOW if not any(f"\ndef {n}(" in text for text in texts)] == []


@pytest.mark.parametrize("name", ["test_store", "test_query", "test_stepper", "test_view_table"])
def test_what_runs_on_handmade_recordings_is_fast(name):
    (file,) = (file for file in FILES if file.stem == name)
    assert "pytest.mark.slow" not in file.read_text("utf-8")
