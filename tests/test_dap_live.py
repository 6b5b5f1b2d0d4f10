"""An editor attached to a run: `tracer.debug(model, images, dap=PORT)`."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager

import pytest
import test_debug
import torch
from dap_client import Refused, connected
from test_debug import Net, X, line
from torch import nn

import tracer
from tracer.errors import InputError
from tracer.stepper import Stepper

HERE = test_debug.__file__


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Run:
    """A run in a thread of its own, and what came of it."""

    def __init__(self, *args, **options):
        self.port = free_port()
        self.trace = self.error = None
        self.thread = threading.Thread(target=self._run, args=args, kwargs=options, daemon=True)
        self.thread.start()

    def _run(self, *args, **options):
        try:
            self.trace = tracer.debug(*args, dap=self.port, **options)
        except BaseException as error:
            self.error = error

    def over(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.trace


@contextmanager
def attached(*args, begin=True, **options):
    run = Run(*args, **options)
    with connected(run.port) as client:
        client.ask("initialize", adapterID="test")
        client.ask("attach")
        client.event("initialized")
        if begin:
            client.ask("configurationDone")
            client.event("stopped")
        yield client, run
    run.over()


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def stepped(client, walk):
    """Carry out requests; return the steps that they led to, as long as the run lasts."""
    found = []
    for command in walk:
        client.ask(command, threadId=1)
        while (message := client.events.popleft() if client.events else client.read()) is not None:
            if message["event"] == "terminated":
                return found
            if message["event"] == "stopped":
                break
        found.append(client.step())
    return found


WALKS = [
    ["stepIn"] * 30,
    ["next"] * 12,
    ["stepIn", "stepIn", "next", "stepIn", "next", "stepIn", "stepOut", "stepOut", "next"],
    ["next"] * 4 + ["stepBack"] * 2 + ["next", "stepIn", "stepIn", "stepBack", "stepOut"],
    ["next"] * 3 + ["reverseContinue", "stepIn", "next", "next", "next", "next"],
    ["stepOut"],
]
WORDS = {
    **{"next": "n", "stepIn": "s", "stepOut": "r"},
    **{"stepBack": "rn", "continue": "c", "reverseContinue": "rc"},
}


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: " ".join(map(WORDS.get, walk)))
def test_a_run_is_stepped_as_its_recording_is(net, walk):
    stepper, expected = Stepper(tracer.trace(net, X, grain="line")), []
    for command in walk:
        stepper.do(WORDS[command])
        expected.append(stepper.tick)
    with attached(net, X) as (client, _):
        found = stepped(client, walk)
    assert found == expected[: len(found)]
    if len(found) < len(expected):
        assert expected[len(found)] == stepper.timeline.ticks[-1]


def test_the_result_and_the_recording_are_those_of_a_plain_trace(net):
    plain = tracer.trace(net, X, grain="line")
    with attached(net, X) as (client, run):
        stepped(client, ["stepIn", "next", "stepBack", "next", "continue"])
    assert run.error is None
    assert [c.label for c in run.trace.calls] == [c.label for c in plain.calls]
    assert [t.summary for t in run.trace.tensors] == [t.summary for t in plain.tensors]
    assert sorted(run.trace.sources) == sorted(plain.sources)
    assert hooks(net) == 0


def test_breakpoints_lie_in_what_is_to_come(net):
    with attached(net, X, begin=False) as (client, _):
        asked = [
            {"line": line("y = x * factor"), "condition": "x.max > 2"},
            {"line": line("out = self.relu(out)"), "hitCondition": "2"},
            {"line": line("return y"), "logMessage": "y is {y.max}"},
        ]
        found = client.ask("setBreakpoints", source={"path": HERE}, breakpoints=asked)
        assert [b["verified"] for b in found["breakpoints"]] == [True] * 3
        assert not any("message" in b for b in found["breakpoints"])
        blank = {"line": line("def scale") - 1}
        moved = client.ask("setBreakpoints", source={"path": HERE}, breakpoints=[blank])
        assert moved["breakpoints"][0]["message"].endswith("where the next statement begins")
        found = client.ask("setBreakpoints", source={"path": HERE}, breakpoints=asked)
        client.ask("configurationDone")
        assert client.event("stopped")["reason"] == "entry"
        ids = [b["id"] for b in found["breakpoints"]]
        assert client.go("continue")["hitBreakpointIds"] == [ids[1]]
        assert client.top()["source"]["path"] == HERE
        assert client.go("continue")["hitBreakpointIds"] == [ids[0]]
        assert client.ask("evaluate", expression="x.max")["result"] == "3.0"
        told = [m["body"]["output"] for m in client.log if m.get("event") == "output"]
        assert told == ["y is 6.0\n", "y is 4.0\n"]


def test_it_stops_where_a_tensor_is_written_in_place(net):
    with attached(net, X) as (client, _):
        client.ask("setFunctionBreakpoints", breakpoints=[{"name": "blocks.1"}])
        client.go("continue")
        for _ in range(2):
            client.go("next")
        frame = client.top()
        info = client.ask(
            "dataBreakpointInfo", variablesReference=client.scopes()["Locals"], name="out"
        )
        assert info["description"] == "writes in place over out"
        client.ask("setDataBreakpoints", breakpoints=[{"dataId": info["dataId"]}])
        before = client.step()
        stop = client.go("continue")
        assert stop["reason"] == "data breakpoint"
        assert client.top()["name"].startswith("relu")
        assert client.step() > before
        client.go("stepBack")
        assert client.top()["line"] == frame["line"] == line("out = self.relu(out)")
        assert client.go("continue")["reason"] == "data breakpoint"


def test_the_console_has_the_live_tensors(net):
    with attached(net, X) as (client, _):
        client.ask("setFunctionBreakpoints", breakpoints=[{"name": "Block.forward"}])
        client.go("continue")
        client.ask("evaluate", expression="s 6", context="repl")
        assert client.event("stopped")
        answer = client.ask("evaluate", expression="! x.sum().item()", context="repl")
        assert answer["result"] == "-3.0"
        with pytest.raises(Refused, match="is not an expression"):
            client.ask("evaluate", expression="! x.sum()", context="watch")


def test_a_disconnect_lets_the_run_go_on_and_a_terminate_ends_it(net):
    with attached(net, X) as (client, run):
        client.ask("disconnect")
    assert run.error is None
    assert run.trace.calls[0].result is not None
    with attached(net, X) as (client, run):
        client.go("next")
        client.ask("disconnect", terminateDebuggee=True)
    assert re.fullmatch(r"the run was left at step \d+", run.trace.notes[-1])
    assert hooks(net) == 0


def test_a_client_that_disappears_lets_the_run_go_on(net):
    with attached(net, X) as (_, run):
        pass
    assert run.over().calls[0].result is not None
    run = Run(net, X)
    with connected(run.port) as client:
        client.send("initialize", adapterID="test")
    assert run.over().calls[0].result is not None
    assert hooks(net) == 0


class Slow(nn.Module):
    """Runs until it is told to stop."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.stop = threading.Event()

    def forward(self, x):
        while not self.stop.is_set():
            self.net(x)
        return x


def test_a_run_that_goes_on_can_be_paused_and_given_breakpoints(net):
    slow = Slow(net)
    with attached(slow, X) as (client, _):
        client.ask("continue", threadId=1)
        with pytest.raises(Refused, match="pause it first"):
            client.ask("stackTrace", threadId=1)
        assert client.ask("threads")["threads"]
        client.ask("pause", threadId=1)
        assert client.event("stopped")["reason"] == "pause"
        first = client.step()
        client.ask("continue", threadId=1)
        client.ask("setFunctionBreakpoints", breakpoints=[{"name": "blocks.2"}])
        assert client.event("stopped")["reason"] == "function breakpoint"
        assert client.step() > first
        slow.stop.set()
        client.ask("setFunctionBreakpoints", breakpoints=[])
        client.ask("continue", threadId=1)
        client.event("terminated")


def test_post_mortem_stays_at_the_line_that_raised(net):
    with attached(net, X[:3], post_mortem=True) as (client, run):
        client.ask("continue", threadId=1)
        stop = client.event("stopped")
        assert stop["reason"] == "exception"
        info = client.ask("exceptionInfo", threadId=1)
        assert info["exceptionId"] == "RuntimeError"
        client.go("stepBack")
        client.ask("disconnect")
    assert isinstance(run.error, RuntimeError)


def test_what_raises_stops_a_run_where_it_raised(net):
    with attached(net, X[:3], begin=False) as (client, run):
        client.ask("setExceptionBreakpoints", filters=["raised"])
        client.ask("configurationDone")
        client.event("stopped")
        assert client.go("continue")["reason"] == "exception"
        assert client.ask("exceptionInfo", threadId=1)["exceptionId"] == "RuntimeError"
        client.ask("continue", threadId=1)
        client.event("terminated")
    assert isinstance(run.error, RuntimeError)


def test_an_editor_takes_the_place_of_the_prompt(net):
    with pytest.raises(InputError, match="commands= is for the prompt"):
        tracer.debug(net, X, commands=["c"], dap=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}"):
            tracer.debug(net, X, dap=port)
    assert hooks(net) == 0
