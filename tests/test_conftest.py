"""How the tests are run: what counts as slow, in which order, and what stays together."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import conftest
import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(Path(__file__).parent.glob("test_*.py"))
COSTLY = {"browsers", "nbclient", "anatomy_passes", "kinds"}


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


def test_a_file_that_is_slow_as_a_whole_is_not_read_for_the_fast_ones():
    def left_out(name: str, wanted: str) -> bool:
        config = SimpleNamespace(option=SimpleNamespace(markexpr=wanted))
        return bool(conftest.pytest_ignore_collect(Path(__file__).with_name(name), config))

    assert left_out("test_anatomy.py", "not slow")
    assert not left_out("test_anatomy.py", "")
    assert not left_out("test_query.py", "not slow")
    assert not left_out("test_lasting.py", "not slow")


def options() -> str:
    """What `make test` gives pytest."""
    return re.search(r"^PYTEST \?= (.*)", (ROOT / "Makefile").read_text("utf-8"), re.M)[1]


def test_the_hosted_run_differs_by_its_coverage_alone():
    hosted = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    told = re.search(r"^ +PYTEST: (.*)", hosted, re.M)[1]
    assert told.startswith(f"{options()} --cov=tracer ")


@pytest.mark.slow
def test_a_files_tests_stay_on_one_worker():
    """In a run of their own, with the options of `make test`."""
    line = [sys.executable, "-m", "pytest", *options().split(), "-vv", "-p", "no:cacheprovider"]
    own = [f"tests/{name}.py" for name in ("test_query", "test_record", "test_checks")]
    done = subprocess.run([*line, *own], cwd=ROOT, capture_output=True, text=True)
    ran = re.findall(r"^\[(gw\d)\].* PASSED tests/(test_\w+\.py)", done.stdout, re.M)
    assert len(ran) > 50, done.stdout
    assert len({*ran}) == 3
    assert {worker for worker, _ in ran} == {"gw0", "gw1"}


def test_the_longest_files_come_first():
    items = [item("test_a.py"), item("test_b.py"), *map(item, reversed(conftest.LONGEST))]
    conftest.pytest_collection_modifyitems(items)
    assert [each.path.stem for each in items] == [*conftest.LONGEST, "test_a", "test_b"]


def test_every_file_and_fixture_that_is_named_is_there():
    assert {*conftest.LONGEST} <= {file.stem for file in FILES}
    texts = [file.read_text("utf-8") for file in Path(__file__).parent.glob("*.py")]
    assert [n for n in conftest.SLOW if not any(f"\ndef {n}(" in text for text in texts)] == []


@pytest.mark.parametrize("name", ["test_store", "test_query", "test_stepper", "test_view_table"])
def test_what_runs_on_handmade_recordings_is_fast(name):
    (file,) = (file for file in FILES if file.stem == name)
    assert "pytestmark = pytest.mark.slow" not in file.read_text("utf-8")
