"""`tracer.debug`: a real run, paused, looked at, stepped back in, left, and dissected."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import tracer
from tracer.errors import InputError, TracerError
from tracer.record.checks import problems
from tracer.stepper import Stepper


def scale(x, factor):
    y = x * factor
    return y  # noqa: RET504 (one more line to step over)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = scale(x, -2)
        out = self.relu(out)
        return out  # noqa: RET504


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        total = torch.zeros(4)
        for index, block in enumerate(self.blocks):
            total = total + block(x + index)
        if total.shape[0] > 4:
            total = total / 0
        return self.head(total)


class Wrapped(nn.Module):
    def forward(self, x):
        return scale(
            x,
            factor=3,
        )


FILE = "test_debug.py"


def line(text):
    """The number of the source line that begins with a text."""
    lines = Path(__file__).read_text("utf-8").split("\n")
    return 1 + next(i for i, found in enumerate(lines) if found.strip().startswith(text))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


X = torch.tensor([-1.0, 0.0, 1.0, -3.0])


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def told(net, commands, x=X, **options):
    """Run under the debugger; return the trace and what was written."""
    out = io.StringIO()
    trace = tracer.debug(net, x, commands=commands, stdout=out, **options)
    return trace, out.getvalue()


def test_it_stops_at_the_beginning_and_goes_on_to_the_end(net):
    before = sys.gettrace()
    trace, out = told(net, "p x.shape\nc\n")
    assert "--Call--" in out
    assert "(4,)" in out
    assert trace.error is None
    assert trace.calls[0].end == max(c.end for c in trace.calls)
    assert hooks(net) == 0
    assert sys.gettrace() is before


def test_a_breakpoint_within_a_statement_stops_at_the_statement():
    _, out = told(Wrapped(), f"b {FILE}:{line('factor=3,')}\nc\np x\nc\n")
    assert f"({line('return scale(')})" in out
    assert "[4] float32" in out


def test_the_result_and_the_recording_are_those_of_a_plain_trace(net):
    plain = tracer.trace(net, X, grain="line")
    live, _ = told(net, "s\nn\nrs\nc", break_at=["Block.forward", "scale"])
    assert [c.label for c in live.calls] == [c.label for c in plain.calls]
    assert [(line.tick, line.line) for line in live.lines] == [
        (line.tick, line.line) for line in plain.lines
    ]
    assert [t.summary for t in live.tensors] == [t.summary for t in plain.tensors]


SCRIPTS = [
    ["s"] * 25,
    ["n"] * 12,
    ["s", "s", "n", "s", "n", "s", "s", "r", "r", "n", "n", "r"],
    ["n", "n", "n", "n", "until", "n", "n"],
    ["s 7", "rs 3", "s 5", "n 2", "r", "s 4", "u", "n", "n"],
    ["s op", "s op", "s op", "s op", "s op", "s", "n"],
    ["b scale", "c", "c", "rc", "c", "c", "n", "r", "n"],
    ["b scale, factor == -2 and nth == 1", "c", "n"],
    ["b blocks.1", "b blocks.*.relu, result.min >= 0", "c", "c", "c", "rs", "c"],
    ["tbreak Block", "c", "c"],
    ["b Block.forward", "ignore 1 2", "c"],
    ["b Block.forward, hits == 2", "c", "c"],
    ["watch overwritten(out)", "c", "c", "c"],
    ["watch x.max > 2", "c", "n", "c"],
    ["watch total.max > 1", "c", "rn", "n", "c"],
    ["b stage head", "c", "n"],
    [f"b {FILE}:{line('total = total + block')}, index == 1", "c", "n", "n", "n", "c"],
    [f"b {FILE}:{line('total = total + block')}#2", "c", "s", "c"],
    ["b *, has_nan(result)", "c"],
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: "; ".join(s)[:60])
def test_live_and_recorded_steps_are_the_same(net, script):
    stepper = Stepper(tracer.trace(net, X, grain="line"))
    expected = [0]
    for command in script:
        reply = stepper.do(command)
        expected += [stepper.tick] * reply.moved
    _, out = told(net, script)
    live = [int(n) for n in re.findall(r"  step (\d+)/", out)]
    ended = len(live) < len(expected)  # the run was over before the script
    assert live == (expected[: len(live)] if ended else expected)
    if ended:
        assert expected[len(live)] == stepper.timeline.ticks[-1]


def test_python_computes_with_the_live_tensors(net):
    commands = """
    n
    n
    !out.sum().item()
    !half = out / 2
    !half.max()
    !print("seen", x.shape)
    !nothing
    u
    !self.head.weight.shape
    rs
    !out
    last
    !type(out)
    """
    _, out = told(net, commands, break_at="Block.forward")
    answers = out.split("(tracer) ")
    assert answers[3].startswith("!out.sum().item()\n6.0")
    assert "!half.max()\ntensor(3.)" in out
    assert "seen torch.Size([4])" in out
    assert "*** NameError: name 'nothing' is not defined" in out
    assert "torch.Size([2, 4])" in out
    assert "*** Python sees the present only" in out
    assert "<class 'torch.Tensor'>" in out


def test_python_at_the_prompt_is_not_recorded(net):
    plain = tracer.trace(net, X, grain="line")
    live, _ = told(net, ["n", "!torch.zeros(3) + 1", "!scale(x, 3)", "c"])
    assert [c.label for c in live.calls] == [c.label for c in plain.calls]


def test_q_leaves_cleanly(net):
    before = sys.gettrace()
    trace, out = told(net, ["n", "n", "q", "n"], break_at="blocks.1")
    assert hooks(net) == 0
    assert sys.gettrace() is before
    assert trace.error is None
    assert not any(c.error for c in trace.calls)
    assert not any(line.raised for line in trace.lines)
    assert "the run was left at step" in trace.notes[-1]
    assert "RunLeft" not in out
    assert trace.calls[-1].start < tracer.trace(net, X, grain="line").calls[-1].start
    assert torch.isfinite(net(X)).all()


@pytest.mark.parametrize(
    "commands",
    [["q"], ["n", "n", "q"], ["s", "q"], ["until", "q"], ["r", "r", "q"]],
    ids=lambda commands: "; ".join(commands),
)
def test_the_last_trace_says_that_the_run_was_left(net, commands):
    trace, _ = told(net, commands, break_at="blocks.1")
    last = tracer.last_trace()
    assert last is trace
    assert last.error is None
    assert not any(c.error for c in last.calls)
    assert not any(line.raised for line in last.lines)
    assert re.fullmatch(r"the run was left at step \d+", last.notes[-1])
    assert "RunLeft" not in last.to_json()
    assert problems(last) == []
    assert "the run was left at step" in last._repr_html_()


def test_an_error_that_the_run_caught_before_it_was_left_is_none_of_the_run(net):
    class Trying(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            with contextlib.suppress(RuntimeError):
                self.net(x[:3])
            return self.net(x)

    trace, _ = told(Trying(), ["q"], break_at="net#1")
    assert trace.error is None
    assert [c.label for c in trace.calls if c.path == "net" and c.error] == ["net#0"]


def test_a_run_that_is_left_is_not_caught_by_the_model(net):
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            try:
                return self.net(x)
            except Exception:
                return x

    trace, _ = told(Careful(), ["q"], break_at="net.blocks.1")
    assert "was left" in trace.notes[-1]


def test_a_stream_can_be_typed_into(net):
    out = io.StringIO()
    tracer.debug(net, X, stdin=io.StringIO("n\nnxt\n\nq\n"), stdout=out)
    assert out.getvalue().count("(tracer) ") == 4
    assert "*** no command or name 'nxt'" in out.getvalue()


def test_the_prompt_asks_at_the_terminal(net, monkeypatch, capsys):
    typed = iter(["n", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    tracer.debug(net, X)
    assert "-> total = torch.zeros(4)" in capsys.readouterr().out


def test_an_error_comes_through_and_post_mortem_looks_at_it(net):
    bad = torch.zeros(3)
    with pytest.raises(RuntimeError, match="must match"):
        told(net, ["c"], x=bad)
    out = io.StringIO()
    commands = ["p x.shape", "!x.shape", "u", "w", "rs", "q"]
    with pytest.raises(RuntimeError, match="must match"):
        tracer.debug(
            *(net, bad),
            break_at="head",
            post_mortem=True,
            commands=commands,
            stdout=out,
        )
    shown = out.getvalue()
    assert shown.startswith("*** RuntimeError: The size of tensor a")
    assert "-> total = total + block(x + index)" in shown
    assert "total = [4] float32" in shown
    assert "(tracer) p x.shape\n(3,)" in shown
    assert "torch.Size([3])" in shown
    assert hooks(net) == 0
    assert tracer.last_trace().error.type == "RuntimeError"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("blocks.7", "no module, function or op 'blocks.7'; did you mean 'blocks.2'"),
        ("scael", "no module, function or op 'scael'"),
        ("nowhere.py:3", "no source file 'nowhere.py'"),
        (f"{FILE}:100000", "there is no line 100000"),
        (f"{FILE}:2", "blank or a comment"),
        ("head, x ==", "is not an expression"),
        ("stage haed", "no stage 'haed' in this model; it has blocks, head"),
        ("", "needs a place"),
        ("12", "line 12 of which file?"),
    ],
)
def test_breakpoints_that_cannot_be_are_refused_before_the_run(net, place, says):
    ran = []
    net.register_forward_pre_hook(lambda *_: ran.append(1))
    with pytest.raises(TracerError, match=re.escape(says)):
        told(net, ["c"], break_at=[place])
    assert not ran


def test_breakpoints_that_the_run_never_came_to_are_named_at_its_end(net):
    _, out = told(net, "c\nc\nc\nc\nc", break_at=["relu6", "(root)", "softmx*"])
    assert "note: breakpoint 1 (relu6): no call of 'relu6' in this recording" in out
    assert "note: breakpoint 3 (softmx*)" in out
    assert "breakpoint 2 (" not in out


@pytest.mark.parametrize("place", ["blocks.*", "relu", "ReLU.forward", "scale", "linear", "add_"])
def test_breakpoints_may_be_on_what_has_not_run_yet(net, place):
    _, out = told(net, ["c"] * 20, break_at=place)
    assert ("Breakpoint 1" in out) == (place != "add_")


def test_what_cannot_run_is_refused(net):
    with pytest.raises(InputError, match="takes a model or a builder; found int"):
        tracer.debug(3)


def test_a_keyword_of_the_model_may_be_called_like_an_option(net):
    with pytest.raises(InputError, match="takes comands=; did you mean 'commands'"):
        told(net, "c", comands="c")


def test_a_construction_is_debugged_too():
    out = io.StringIO()
    trace = tracer.debug(Net, break_at="Block.__init__", commands=["n", "n", "c"], stdout=out)
    assert "-> self.relu = nn.ReLU(inplace=True)" in out.getvalue()
    assert trace.kind == "construction"


def test_stages_of_the_detector_are_breakpoints(rcnn, two_images):
    out = io.StringIO()
    with torch.no_grad():
        tracer.debug(
            *(rcnn, two_images),
            break_at=["stage rpn", "stage fpn"],
            commands=["c", "p len(features)", "tbreak filter_proposals", "c", "a", "q"],
            stdout=out,
        )
    shown = out.getvalue()
    assert "Breakpoint 2: stage fpn" in shown
    assert "Breakpoint 1: stage rpn" in shown
    assert "(tracer) p len(features)\n5" in shown
    assert "num_anchors_per_level = list of 5" in shown


def test_beside_another_debugger_it_says_what_it_cannot_see(net):
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        trace, out = told(net, ["c", "c"], break_at="head")
    finally:
        sys.settrace(before)
    assert "Breakpoint 1: head" in out
    blind = sys.version_info < (3, 12)  # later Pythons can have several watchers
    assert ("note: another trace function" in out) == blind
    assert bool(trace.lines) != blind


CELL = """
import torch, tracer
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        y = x * 2
        return y

trace = tracer.debug(Net(), torch.ones(3))
print(trace)
"""


@pytest.mark.slow
def test_the_prompt_asks_in_a_notebook_cell():
    """In a real kernel, its questions answered as a person would in the cell."""
    from jupyter_client.manager import start_new_kernel

    typed, asked, shown = iter(["n 2", "!y.sum()", "c"]), [], []

    def answer(message):
        asked.append(message["content"]["prompt"])
        client.input(next(typed))

    def keep(message):
        shown.append(message["content"].get("text", ""))

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        reply = client.execute_interactive(
            CELL, allow_stdin=True, stdin_hook=answer, output_hook=keep, timeout=None
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert reply["content"]["status"] == "ok"
    assert asked == ["(tracer) "] * 3
    out = "".join(shown)
    assert "-> return y" in out
    assert "tensor(6.)" in out
    assert "<Recording: pass of Net" in out
