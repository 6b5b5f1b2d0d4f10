"""The recording that people hold: it equals its Trace, and its methods say what they take."""

from __future__ import annotations

import ast
import copy
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import handmade
import pytest

import tracer
from tracer import recording
from tracer.errors import MissingError
from tracer.record import Trace, store
from tracer.recording import Recording
from tracer.views.explorers import EXPLORERS

# method → the function that it is, and the options that only the method has
VIEWS = {
    "table": ("tracer.views.reports.table.table", {}),
    "tree": ("tracer.views.reports.tree.tree", {}),
    "board": ("tracer.views.reports.board.stages", {}),
    "architecture": ("tracer.views.reports.architecture.architecture", {}),
    "to_json": ("tracer.views.reports.contract.to_json", {}),
    "dataframe": ("tracer.views.reports.table.dataframe", {}),
    "page": ("tracer.views.page.page", {"height"}),
    "slides": ("tracer.views.slides.deck", {"path", "overwrite"}),
}
NEEDED = "needed"
METHODS = [n for n, f in vars(Recording).items() if inspect.isfunction(f) and not n.startswith("_")]


def plain() -> Trace:
    made = handmade.tiny_pass()
    return Trace(**{f.name: getattr(made, f.name) for f in dataclasses.fields(made)})


def found(name: str):
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)


def options(function) -> dict[str, object]:
    """The options with their defaults; one function's default is another's of the same name."""
    given = [*inspect.signature(function).parameters.values()][1:]
    return {p.name: p.default if not callable(p.default) else "function" for p in given}


def test_a_recording_is_its_trace():
    trace, held = plain(), Recording.of(plain())
    assert type(trace) is Trace
    assert isinstance(held, Trace)
    assert held == trace
    assert trace == held
    assert Recording.of(held) is held
    assert type(copy.copy(held)) is Recording
    assert type(dataclasses.replace(held, subject="other")) is Recording
    assert dataclasses.replace(held, subject="other") != trace


def test_saved_and_loaded(tmp_path):
    path = handmade.tiny_pass().save(tmp_path / "a.safetensors")
    assert type(tracer.load(path)) is Recording
    assert type(store.load(path)) is Trace
    assert tracer.load(path) == store.load(path) == plain()


def test_a_view_takes_the_data_alone():
    from tracer.views.reports.table import table

    assert table(plain()) == Recording.of(plain()).table()
    assert not {*METHODS} & {*vars(Trace)}


@pytest.mark.parametrize("name", VIEWS)
def test_a_method_has_the_options_of_its_view(name):
    view, own = VIEWS[name]
    mine = options(getattr(Recording, name))
    assert {k: v for k, v in mine.items() if k not in own} == options(found(view))


def test_figures_have_the_options_of_their_folder():
    from tracer.views.figures.folder import Options

    mine = options(Recording.figures)
    theirs = {f.name: f.default for f in dataclasses.fields(Options) if f.name != "title"}
    assert {k: v for k, v in mine.items() if k not in ("folder", "progress", "also")} == theirs


def explorers() -> dict[str, dict[str, Any]]:
    """What the overloads of `explore` take, by explorer; `typing` tells from Python 3.11 on."""
    tree = ast.parse(Path(recording.__file__).read_text("utf-8"))
    written = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "explore"]
    return dict(_taken(node) for node in written if node.decorator_list)


def _taken(node: ast.FunctionDef) -> tuple[str, dict[str, Any]]:
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    given = {arg.arg: NEEDED if d is None else ast.literal_eval(d) for arg, d in pairs}
    assert given.pop("lang") == "en"
    return ast.literal_eval(node.args.args[1].annotation.slice), given


def test_every_explorer_has_its_overload():
    taken = explorers()
    assert set(taken) == set(EXPLORERS)
    for name, mine in taken.items():
        theirs = options(found(f"tracer.views.explorers.{name}.explorer"))
        del theirs["lang"]
        if name == "compare":  # which cannot do without a second recording, and says so
            assert (mine.pop("other"), theirs.pop("other")) == (NEEDED, None)
        if name == "what_if":  # nor that one without what runs the pass again
            assert (mine.pop("run"), theirs.pop("run")) == (NEEDED, None)
        assert mine == theirs, name


TYPED = """
import pandas
import torch
from torch import nn

import tracer
from tracer.views.page import Page
from tracer.views.reports.report import Table
from tracer.views.explorers.explorer import Explorer

model, x = nn.Linear(2, 2), torch.ones(1, 2)
recording: tracer.Recording = tracer.trace(model, x, keep=True)
data: tracer.Trace = recording
table: Table = tracer.trace(model, x).table(depth=2, columns=["call", "time"])
loaded: tracer.Recording = tracer.load("a.safetensors")
page: Page = loaded.page(lang="zh", at="call=a")
explorer: Explorer = loaded.explore("anchors", level="P4")
"""
WRONG = {
    "recording.table(deth=2)": 'Unexpected keyword argument "deth" for "table" of "Recording"',
    'recording.table(depth="two")': 'Argument "depth" to "table" of "Recording" has incompatible',
    'recording.explore("anchors", blend=0.5)': "No overload variant",
    'recording.explore("compare")': "No overload variant",
    "tracer.trace(model, x, grain=3)": 'Argument "grain" to "trace" has incompatible type "int"',
    "tracer.load(3)": 'Argument 1 to "load" has incompatible type "int"',
}


@pytest.mark.slow
def test_a_type_checker_knows_the_options(tmp_path):
    """What is right passes, and each line that is wrong is an error of its own.

    With the settings of `make lint`, whose cache makes it short.
    """
    file = tmp_path / "typed.py"
    file.write_text(TYPED + "\n".join(WRONG) + "\n")
    first = TYPED.count("\n") + 1
    line = [sys.executable, "-m", "mypy", "--hide-error-context", str(file)]
    root = Path(__file__).parents[1]
    done = subprocess.run(line, cwd=root, capture_output=True, text=True, encoding="utf-8")
    errors = re.findall(r"typed\.py:(\d+): error: (.*)", done.stdout)
    assert done.stderr == ""
    assert [int(line) - first for line, _ in errors] == [*range(len(WRONG))], done.stdout
    for (_, said), wanted in zip(errors, WRONG.values(), strict=True):
        assert wanted in said


def test_a_call_is_found_by_its_path_label_or_number():
    trace = handmade.repeated_pass()
    again = next(call for call in trace.calls if call.nth)
    first = next(call for call in trace.calls if call.path == again.path)
    assert trace.find(again.path) == trace.find(f"{again.path}#0") == first
    assert trace.find(again.label) == trace.find(str(again.id)) == again
    with pytest.raises(MissingError, match="no call 'nowhere'"):
        trace.find("nowhere")
