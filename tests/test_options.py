"""Options in messages: in Python's words in Python, in the shell's words on a command line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import tracer
from tracer.errors import MissingError, NotRecorded, in_a_shell, option, together
from tracer.languages import FOLDERS

PACKAGE = Path(tracer.__file__).parent

# What reads like an option in either place; a whole command (tracer why --object 0) is one in both.
NAMES = "keep|grain|only|columns|fold|previews|overwrite"
SPELT = re.compile(rf"(?<![\w(-])--[a-z]+(?![a-z:-])|\b({NAMES})=(?!\{{)")
OWN = ("cli.py", "commands", "rcnn/demo/commands.py", "rcnn/findings.py", "errors.py")


@pytest.mark.parametrize(
    ("given", "python", "shell"),
    [
        ({"keep": "anatomy"}, 'keep="anatomy"', "--keep anatomy"),
        ({"keep": ["a", "b.*"]}, 'keep=["a", "b.*"]', "--keep a --keep 'b.*'"),
        ({"keep": True}, "keep=True", "--keep all"),
        ({"grain": "op", "depth": 2}, 'grain="op", depth=2', "--grain op --depth 2"),
        ({"fold": False}, "fold=False", "--no-fold"),
        ({"overwrite": True}, "overwrite=True", "--overwrite"),
        ({"max_size": None}, "max_size=", "--max-size"),
    ],
)
def test_an_option_is_written_as_it_is_given(given, python, shell):
    assert option(**given) == python
    with in_a_shell():
        assert option(**given) == shell
    assert option(**given) == python


def test_a_reason_is_said_once():
    missing = [
        ("a", NotRecorded("the values of A are missing", keep="anatomy")),
        ("b", MissingError("there are no losses")),
        ("c", NotRecorded("the values of C are missing", keep="anatomy")),
    ]
    assert together(missing) == ['a, c: record with keep="anatomy"', "b: there are no losses"]


def spelt(text: str) -> bool:
    return bool(SPELT.search(text)) and not re.search(r"\btracer [a-z]+ .*--", text)


def messages(path: Path) -> list[str]:
    """The strings of a file that may be shown: no docstrings, and no comments."""
    source = path.read_text("utf-8")
    if not SPELT.search(source):
        return []
    nodes = [*ast.walk(ast.parse(source))]
    told = {node.value for node in nodes if isinstance(node, ast.Expr)}
    strings = (n for n in nodes if isinstance(n, ast.Constant) and n not in told)
    return [node.value for node in strings if isinstance(node.value, str)]


def test_no_message_spells_an_option_by_itself():
    files = [p for p in PACKAGE.rglob("*.py") if not str(p.relative_to(PACKAGE)).startswith(OWN)]
    found = {f"{p.name}: {text}" for p in files for text in messages(p) if spelt(text)}
    found |= {
        f"{file.name}: {line}"
        for folder in FOLDERS
        for file in folder.glob("*/*.toml")
        for line in file.read_text("utf-8").splitlines()
        if spelt(line)
    }
    assert sorted(found) == []
