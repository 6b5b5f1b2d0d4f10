"""Every recording can be saved and read back, whatever is missing of it."""

from __future__ import annotations

import importlib.util
import linecache
import subprocess
import sys

import pytest
import torch
from torch import nn

import tracer
from tracer.record import checks

PROGRAM = """
import sys, torch, tracer
class Plain(torch.nn.Module):
    def forward(self, x):
        y = x + 1
        return y
trace = tracer.trace(Plain(), torch.ones(2), grain="line")
trace.save(sys.argv[1])
"""


def saved(trace, tmp_path):
    """Save a recording, and read it back the same."""
    assert checks.problems(trace) == []
    trace.save(tmp_path / "it.safetensors")
    found = tracer.load(tmp_path / "it.safetensors")
    assert found == trace
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("how", "name"), [("-c", "<string>"), ("-", "<stdin>")])
def test_a_program_without_a_file_is_recorded_with_empty_lines(how, name, tmp_path):
    file = str(tmp_path / "it.safetensors")
    start = ["-c", PROGRAM] if how == "-c" else ["-"]
    subprocess.run([sys.executable, *start, file], input=PROGRAM, text=True, check=True)
    trace = tracer.load(file)
    if not trace.sources[name].text.strip():  # newer interpreters keep the text
        assert trace.notes == (f"the text of {name} as it ran is not at hand: its lines are empty",)
    assert [line.line for line in trace.lines] == [5, 6]
    assert trace.sources[name].text.count("\n") >= 6
    assert "Plain" in str(trace.tree())


def module_of(path, text):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("edited", ["", "# a line more\n" + PROGRAM, PROGRAM[:60]])
def test_a_module_that_was_edited_after_its_import_has_no_text(edited, tmp_path, monkeypatch):
    file = tmp_path / "edited_since.py"
    text = PROGRAM[: PROGRAM.index("trace =")]
    module = module_of(file, text)
    monkeypatch.delitem(sys.modules, "edited_since")
    whole = saved(tracer.trace(module.Plain(), torch.ones(2), grain="line"), tmp_path)
    assert (whole.sources["edited_since.py"].text, whole.notes) == (text, ())
    file.write_text(edited)
    linecache.clearcache()
    trace = saved(tracer.trace(module.Plain(), torch.ones(2), grain="line"), tmp_path)
    assert trace.sources["edited_since.py"].text.strip() == ""
    assert "edited_since.py" in trace.notes[0]
    assert [line.line for line in trace.lines] == [line.line for line in whole.lines]


class Make(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = [make]

    def forward(self, x):
        return self.make[0](x)


LARGE = {
    "doubles": torch.full((50,), 1.7e308, dtype=torch.float64),
    "many doubles": torch.full((5000,), 1.7e308, dtype=torch.float64),
    "doubles of both signs": torch.tensor([1.7e308, -1.7e308] * 3000, dtype=torch.float64),
    "a map": torch.full((2, 3, 40, 40), 1e300, dtype=torch.float64),
    "integers": torch.tensor([2**63 - 1, -(2**63)]),
    "many integers": torch.tensor([2**63 - 1, -(2**63)] * 3000),
}


@pytest.mark.parametrize("values", LARGE.values(), ids=LARGE)
def test_numbers_that_overflow_are_saved(values, tmp_path):
    trace = saved(tracer.trace(Make(lambda x: values), torch.ones(2), keep=True), tmp_path)
    summary = trace.tensors[trace.calls[0].result.tensor].summary
    exact = values.flatten().tolist()
    assert (summary.min, summary.max) == (min(exact), max(exact))
    mean = sum(value / len(exact) for value in exact)
    assert summary.mean == pytest.approx(mean, abs=abs(max(exact)) * 1e-12)


def test_modules_nested_deep_are_saved(tmp_path):
    model = nn.Identity()
    for _ in range(150):
        model = nn.Sequential(model)
    trace = saved(tracer.trace(model, torch.ones(2)), tmp_path)
    assert len(trace.modules) == 151
    assert str(trace.architecture()).count("Sequential") == 150


class Changing(nn.Module):
    """Makes a part, replaces another and drops a third while it runs."""

    def __init__(self):
        super().__init__()
        self.replaced = nn.Linear(3, 3)
        self.dropped = nn.Linear(3, 3)

    def forward(self, x):
        self.made = nn.Sequential(nn.Linear(3, 3))
        x = self.made(self.replaced(self.dropped(x)))
        del self.dropped
        self.replaced = nn.ReLU()
        return self.replaced(x)


def test_modules_made_and_replaced_meanwhile_stand_in_the_architecture(tmp_path):
    model = Changing()
    trace = saved(tracer.trace(model, torch.ones(2, 3)), tmp_path)
    assert str(trace.architecture()) == str(model)
    assert list(trace.modules) == [name for name, _ in model.named_modules()]
    assert "dropped" in str(trace.table())
    for view in (trace.tree, trace.page, lambda: trace.architecture(annotated=True)):
        assert str(view())


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.LazyLinear(4)

    def forward(self, x):
        return self.linear(x)


def test_a_model_that_is_not_initialised_yet_is_recorded(tmp_path):
    model = Lazy()
    with tracer.Recorder(model) as recorder:
        model(torch.ones(2, 3)).sum().backward()
    trace = saved(recorder.trace, tmp_path)
    assert [p.shape for p in trace.parameters] == [(4, 3), (4,)]
