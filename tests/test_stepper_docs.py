"""The command reference says what there is, in both languages alike."""

from __future__ import annotations

import re
from pathlib import Path

import handmade
import pytest

from tracer.stepper import COMMANDS, Stepper
from tracer.stepper.evaluate import FUNCTIONS, parse

DOCS = Path(__file__).parent.parent / "docs"
LANGUAGES = ("stepper.md", "stepper.zh.md")


def text(name):
    return (DOCS / name).read_text("utf-8")


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_command_is_documented(name):
    told = {
        word.strip() for span in re.findall(r"`([^`\n]+)`", text(name)) for word in span.split()[:1]
    }
    missing = [
        names for names in _commands() if not told & {re.sub(r"\W+$", "", n) or n for n in names}
    ]
    assert not missing


def _commands():
    """Return the names of each command together."""
    by_handler = {}
    for name, handler in COMMANDS.items():
        by_handler.setdefault(handler, set()).add(name)
    return by_handler.values()


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_function_is_documented(name):
    assert not [f for f in FUNCTIONS if f"`{f}" not in text(name) and f not in ("isnan", "isinf")]


def test_both_languages_show_the_same_code():
    english, chinese = (re.findall(r"`[^`\n]+`", text(name)) for name in LANGUAGES)
    assert set(english) == set(chinese)


def test_the_documented_conditions_parse():
    table = text("stepper.md").split("| condition |")[1].split("\n\n")[0]
    conditions = re.findall(r"`([^`]+)`", table)
    assert len(conditions) > 12
    for condition in conditions:
        assert parse(condition).text == condition


def test_the_documented_names_of_places_are_understood():
    stepper = Stepper(handmade.tiny_pass())
    for place in ("body", "body.*", "Conv2d", "Conv2d.forward", "normalize", "model.py:30", "30"):
        assert "Breakpoint" in stepper.do(f"b {place}").text
