"""What the package says of itself: what it needs, and which version it is."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import pytest

import tracer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OWN = {"tracer", *(path.stem for path in Path(__file__).parent.glob("*.py"))}


def declared(*extras: str) -> set[str]:
    wanted = [*PROJECT["dependencies"]]
    for extra in extras:
        wanted += PROJECT["optional-dependencies"][extra]
    return {plain(re.match(r"[\w.-]+", line)[0]) for line in wanted}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what `ast.walk` does but for expressions, which are most of a file."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.expr):
            yield node
            yield from statements(node)


def imported(folder: str) -> Iterator[tuple[str, Path]]:
    for path in (ROOT / folder).rglob("*.py"):
        for node in statements(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0], path


@pytest.mark.parametrize("folder", ["tracer", "tests"])
def test_every_import_is_declared(folder):
    extras = [
        name for name in PROJECT["optional-dependencies"] if name not in ("bench", "dev", "test")
    ]
    known = declared(*extras, *(["dev", "test"] if folder == "tests" else []))
    ships = packages_distributions()
    missing = {
        f"{module} in {path.relative_to(ROOT)}"
        for module, path in imported(folder)
        if module not in OWN | sys.stdlib_module_names
        and (module, path.name) != ("pytest", "pytest_plugin.py")  # pytest itself loads that file
        and not {plain(name) for name in ships.get(module, [module])} & known
    }
    assert not missing


def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    newest = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert cited[1] == newest[1] == tracer.__version__


def test_the_types_are_marked():
    assert files("tracer").joinpath("py.typed").is_file()
