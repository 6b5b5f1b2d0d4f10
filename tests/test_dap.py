"""The server of the Debug Adapter Protocol: what each request answers; that nothing breaks it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import re
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from random import Random

import handmade
import pytest
from dap_client import Refused, Started, connected, definitions, frame, over, require_valid
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_stepper import STORIES

from tracer.commands.dap import lessons
from tracer.commands.dap import recorded as record
from tracer.dap.opening import Opening
from tracer.dap.protocol import MAX_BODY, framed
from tracer.dap.server import over as connection_to
from tracer.dap.server import serve
from tracer.dap.session import FAULT, REQUESTS, Session, texts
from tracer.dap.sources import Sources
from tracer.errors import TracerError
from tracer.record import SourceFile
from tracer.recording import load
from tracer.stepper import Stepper, address


@contextmanager
def served():
    """A client of a server that runs in a thread of this process."""
    ours, theirs = socket.socketpair()
    channel = connection_to(theirs)
    opening = lambda inbox: Opening(inbox, record, lessons)  # noqa: E731
    thread = threading.Thread(target=serve, args=(channel, opening, "en"), daemon=True)
    thread.start()
    with theirs:
        with over(ours) as client:
            yield client
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def client():
    with served() as found:
        yield found


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dap")
    return {
        name: str(trace.save(folder / f"{name}.safetensors")) for name, trace in STORIES.items()
    }


# --- beginning ------------------------------------------------------------------------------------


def test_an_editor_starts_it_and_steps_through_a_recording(files):
    with Started() as client:
        stop = client.begin(recording=files["tiny"])
        assert stop["reason"] == "entry"
        frame = client.top()
        assert (frame["line"], frame["name"]) == (28, "(root)#0 TinyNet.forward() · call")
        client.go("stepIn")
        assert client.step() == 1
        client.go("stepBack")
        assert client.step() == 0
        client.ask("disconnect")
        assert client.read() is None
        assert client.process.wait(20) == 0
        assert client.process.stderr.read() == b""


def test_a_launch_of_a_saved_recording_loads_no_torch(files):
    script = (
        "import sys; from tracer.cli import main; code = main(['dap']); "
        "print(sorted({'torch', 'matplotlib', 'pandas'} & set(sys.modules)), file=sys.stderr)"
    )
    with Started(script=script) as client:
        client.begin(recording=files["tiny"])
        client.ask("disconnect")
        client.process.wait(20)
        assert client.process.stderr.read().strip() == b"[]"


# --- moving as the terminal does ------------------------------------------------------------------

MOVES = {
    "next": "n",
    "stepIn": "s",
    "stepOut": "r",
    "stepBack": "rn",
    "continue": "c",
    "reverseContinue": "rc",
}


class Silent:
    """A client that only counts."""

    def __init__(self):
        self.messages = []

    def send(self, message):
        self.messages.append(message)


def session(trace):
    found = Session(Silent(), None)
    found.initialized = True
    found.open(Stepper(trace), Sources(trace))
    return found


def do(session, command, **arguments):
    """Carry out a request; return its body."""
    session.client.messages.clear()
    session.handle({"seq": 1, "type": "request", "command": command, "arguments": arguments})
    answer = session.client.messages[0]
    if not answer["success"]:
        raise Refused(answer["message"])
    return answer.get("body")


def seen(session):
    """What a client sees of a position: the stack, and every local in words."""
    frames = do(session, "stackTrace", threadId=1)["stackFrames"]
    return [(frame["name"].partition(" · ")[0], frame["line"]) for frame in frames]


def is_set(stepper, command):
    try:
        return bool(stepper.do(command))
    except TracerError:
        return False


def expected(stepper):
    from tracer.stepper import text

    places = [stepper.timeline.place(call, stepper.tick) for call in stepper.stack]
    names = [text.call_name(call) for call in stepper.stack]
    return [(n, p.line if p else 0) for n, p in zip(names, places, strict=True)]


@settings(max_examples=60)
@given(st.sampled_from(sorted(STORIES)), st.lists(st.sampled_from(sorted(MOVES)), max_size=40))
def test_a_walk_is_that_of_the_terminal_position_by_position(name, walk):
    terminal, editor = Stepper(STORIES[name]), session(STORIES[name])
    places = ("conv", "layer", "stage fpn")
    asked = [{"name": place} for place in places]
    answers = do(editor, "setFunctionBreakpoints", breakpoints=asked)["breakpoints"]
    for place, answer in zip(places, answers, strict=True):
        assert answer["verified"] == is_set(terminal, f"b {place}")
    for move in walk:
        terminal.do(MOVES[move])
        do(editor, move, threadId=1)
        assert editor.cursor.tick == terminal.tick
        assert seen(editor) == expected(terminal)


# --- looking --------------------------------------------------------------------------------------

PASSED = "Arguments, as they were passed"


def ready(client, files, name="tiny", **launch):
    """Stand somewhere in a recording."""
    client.begin(recording=files[name], **launch)
    return client


def test_the_stack_is_that_of_the_calls_and_comes_in_pages(client, files):
    ready(client, files, at="4")
    whole = client.ask("stackTrace", threadId=1)
    assert [(f["name"], f["line"]) for f in whole["stackFrames"]] == [
        ("sub#0() · call", 10),
        ("normalize#0()", 10),
        ("(root)#0 TinyNet.forward()", 29),
    ]
    page = client.ask("stackTrace", threadId=1, startFrame=1, levels=1)
    assert page == {"stackFrames": whole["stackFrames"][1:2], "totalFrames": 3}
    with pytest.raises(Refused, match="one thread"):
        client.ask("stackTrace", threadId=7)
    assert client.ask("threads")["threads"] == [{"id": 1, "name": "pass of TinyNet"}]


def test_lines_and_columns_are_counted_as_the_client_does(client, files):
    client.ask("initialize", adapterID="t", linesStartAt1=False, columnsStartAt1=False)
    client.ask("launch", recording=files["tiny"])
    source = {"path": handmade.TINY}
    asked = [{"line": 9}]
    assert (
        client.ask("setBreakpoints", source=source, breakpoints=asked)["breakpoints"][0]["line"]
        == 9
    )
    client.ask("configurationDone")
    client.event("stopped")
    client.go("continue")
    assert (client.top()["line"], client.top()["column"]) == (9, 0)


def test_a_tensor_reads_shape_dtype_and_range(client, files):
    ready(client, files, at="28")
    value = client.locals()["x"]
    assert value["value"] == "1×3×6×8 float32 −0.9945 … 0.9944"
    facts = client.variables(value["variablesReference"])
    assert facts["shape"]["value"] == "(1, 3, 6, 8)"
    assert facts["made by"]["value"] == "'__getitem__#0'"
    assert facts["mean"]["evaluateName"] == "x.mean"
    first = client.variables(facts["shape"]["variablesReference"], filter="indexed", count=2)
    assert [v["value"] for v in first.values()] == ["1", "3"]


def test_kept_values_are_opened_row_by_row_and_read_as_bytes(client, files):
    ready(client, files, at="22")
    value = client.variables(client.scopes()["Result"])["result"]
    data = client.variables(value["variablesReference"])["data"]
    assert (data["indexedVariables"], data["value"][:15]) == (1, "1×4×6×8 float32")
    rows = client.variables(client.variables(data["variablesReference"])["0"]["variablesReference"])
    assert list(rows) == ["0", "1", "2", "3"]
    array = STORIES["tiny"].data(6)
    found = client.ask("readMemory", memoryReference=value["memoryReference"], offset=8, count=16)
    assert base64.b64decode(found["data"]) == array.tobytes()[8:24]
    last = client.ask("readMemory", memoryReference="state:6", offset=array.nbytes - 4, count=100)
    assert base64.b64decode(last["data"]) == array.tobytes()[-4:]
    assert last["unreadableBytes"] == 96
    with pytest.raises(Refused, match="not kept: record with"):
        client.ask("readMemory", memoryReference="state:0", count=4)
    for name in ("state:99", "state:-1", "memory", "state:" + "9" * 40):
        with pytest.raises(Refused, match=r"no memory|no tensor state"):
            client.ask("readMemory", memoryReference=name, count=4)


def test_the_scopes_of_a_frame(client, files):
    ready(client, files, at="37")
    assert list(client.scopes()) == ["Result", "Locals", PASSED, "Module settings"]
    result = client.variables(client.scopes()["Result"])["result"]
    parts = client.variables(result["variablesReference"])
    assert parts["scores"]["value"].startswith("1×2 float32")
    client.ask("evaluate", expression="goto 6", context="repl")
    client.event("stopped")
    assert set(client.variables(client.scopes()["Changed by the last line"])) == {"centred"}
    frames = client.ask("stackTrace", threadId=1)["stackFrames"]
    outer = client.scopes(frames[1]["id"])
    assert "Result" not in outer
    assert set(client.variables(outer["Locals"])) == {"images"}
    module = client.variables(outer["Module settings"])
    assert "Sequential" in module["body"]["value"]


def test_arguments_are_as_they_were_passed_and_locals_as_they_are_now(client, files):
    ready(client, files, at="body.relu")
    before = client.locals()["input"]["value"]
    assert "−" in before
    client.go("stepOut")
    assert client.top()["name"] == "body.relu#0 ReLU.forward() · return"
    passed = client.variables(client.scopes()[PASSED])["input"]
    assert passed["value"] == before
    assert client.locals()["input"]["value"].startswith("1×4×6×8 float32 0 … ")
    assert "evaluateName" not in passed  # as an expression, `input` is what it is now
    assert client.locals()["input"]["evaluateName"] == "input"


def test_numbers_go_when_the_cursor_moves(client, files):
    ready(client, files)
    frame, reference = client.top()["id"], client.scopes()["Locals"]
    client.go("next")
    for command, arguments in (
        ("scopes", {"frameId": frame}),
        ("evaluate", {"expression": "images", "frameId": frame}),
        ("variables", {"variablesReference": reference}),
        ("restartFrame", {"frameId": frame}),
        ("stepInTargets", {"frameId": frame}),
    ):
        with pytest.raises(Refused, match="is gone: the run has moved on"):
            client.ask(command, **arguments)
    for number in (0, 10**9):
        with pytest.raises(Refused, match="is not there"):
            client.ask("variables", variablesReference=number)
        with pytest.raises(Refused, match="is not there"):
            client.ask("scopes", frameId=number)


def test_expressions_are_evaluated_in_a_frame_and_never_by_python(client, files):
    ready(client, files, at="6")
    frames = client.ask("stackTrace", threadId=1)["stackFrames"]
    inner, outer = frames[0]["id"], frames[1]["id"]
    assert client.ask("evaluate", expression="mean + 1", frameId=inner)["result"] == "1.5"
    assert client.ask("evaluate", expression="len(images)", frameId=outer)["result"] == "1"
    found = client.ask("evaluate", expression="images", frameId=outer, context="watch")
    assert client.variables(found["variablesReference"])["0"]["evaluateName"] == "images[0]"
    with pytest.raises(Refused, match="'images' is not there"):
        client.ask("evaluate", expression="images", frameId=inner)
    for attack in (
        "__import__('os').system('true')",
        "[x for x in ()]",
        "().__class__",
        "open('x')",
    ):
        with pytest.raises(Refused):
            client.ask("evaluate", expression=attack, context="hover")
    with pytest.raises(Refused, match="a recording runs no Python"):
        client.ask("evaluate", expression="!1+1", context="repl")


def test_the_console_takes_the_steppers_commands(client, files):
    ready(client, files)
    answer = client.ask("evaluate", expression="s 2", context="repl")["result"]
    assert answer.startswith("> --Call-- tiny/model.py(8) normalize#0()")
    assert client.event("stopped")["reason"] == "goto"
    assert client.step() == 2
    answer = client.ask("evaluate", expression="b model.py:30", context="repl")["result"]
    assert answer.startswith("Breakpoint 1")
    added = client.event("breakpoint")
    assert (added["reason"], added["breakpoint"]["line"]) == ("new", 30)
    assert client.go("continue")["hitBreakpointIds"] == [1]
    client.ask("setBreakpoints", source=added["breakpoint"]["source"], breakpoints=[])
    assert client.ask("evaluate", expression="b", context="repl")["result"] == "no breakpoints"
    client.ask("evaluate", expression="b body", context="repl")
    assert client.go("continue")["reason"] == "breakpoint"
    client.ask("evaluate", expression="q", context="repl")
    assert client.event("terminated") == {}


TOUR = """
title = { en = "Two stops", zh = "两站" }
about = { en = "Body and head.", zh = "主体和头。" }
kind = "pass"

[[stop]]
at = "call=body"
panel = "tensor"
title = { en = "Body", zh = "主体" }
text = { en = "Its body.", zh = "它的主体。" }

[[stop]]
at = "call=head"
panel = "tensor"
title = { en = "Head", zh = "头" }
text = { en = "Its head.", zh = "它的头。" }
"""


def test_the_console_follows_a_tour_and_asks_questions(client, files, tmp_path):
    tour = tmp_path / "two.toml"
    tour.write_text(TOUR, "utf-8")
    ready(client, files)

    def typed(text):
        return client.ask("evaluate", expression=text, context="repl")["result"]

    told = typed(f"tour {tour}")
    assert "Its body." in told
    assert client.event("stopped")["reason"] == "goto"
    assert client.top()["name"] == "body#0 Sequential.forward() · call"
    assert "Its head." in typed("tour on")
    assert client.event("stopped")["reason"] == "goto"
    assert client.top()["name"] == "head#0 Linear.forward() · call"
    terminal = Stepper(STORIES["tiny"])
    terminal.lessons = lessons(STORIES["tiny"])
    assert terminal.do(f"tour {tour}").text == told
    for command in ("guess", "guess a"):
        assert typed(command) == terminal.do(command).text != ""


def test_completions(client, files):
    ready(client, files, at="6")

    def complete(text):
        targets = client.ask("completions", text=text, column=len(text) + 1)["targets"]
        return {t["label"]: (t["start"], t["length"]) for t in targets}

    assert complete("cen") == {"centred": (0, 3)}
    assert complete("centred.sh") == {"shape": (8, 2)}
    assert "where" in complete("w")
    assert "where" not in complete("1 + w")
    assert complete("nothing.x") == complete("f(x).y") == {}


def test_where_the_page_opens(client, files):
    ready(client, files)
    trace = STORIES["tiny"]
    for tick in Stepper(trace).timeline.ticks:
        client.ask("evaluate", expression=f"goto {tick}", context="repl")
        found = client.ask("tracer/position")
        assert address.tick_at(trace, address.read(found["address"])) == tick
    assert found["recording"] == files["tiny"]
    assert found["step"] == found["last"] == tick


# --- sources --------------------------------------------------------------------------------------


def test_a_source_that_is_elsewhere_comes_from_the_recording(client, files):
    ready(client, files)
    source = client.top()["source"]
    assert source["path"] == "tiny/model.py"
    assert source["origin"] == "tiny 1.0"
    reference = source["sourceReference"]
    text = client.ask("source", sourceReference=reference, source=source)
    assert text["content"] == handmade.TINY_TEXT
    assert client.ask("loadedSources")["sources"] == [source]
    modules = client.ask("modules")
    assert modules["modules"] == [{"id": "tiny 1.0", "name": "tiny", "version": "1.0"}]
    with pytest.raises(Refused, match="there is no source 99"):
        client.ask("source", sourceReference=99)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_source_with_the_same_text_is_the_file_itself(client, files, tmp_path, ends):
    path = tmp_path / "tiny" / "model.py"
    path.parent.mkdir()
    path.write_text(handmade.TINY_TEXT, "utf-8", newline=ends)
    ready(client, files, sourceFolders=[str(tmp_path)])
    assert client.top()["source"] == {"name": "model.py", "path": str(path)}


def test_a_client_may_have_the_same_file_elsewhere(client, files, tmp_path):
    other = tmp_path / "venv" / "tiny" / "model.py"
    other.parent.mkdir(parents=True)
    other.write_text(handmade.TINY_TEXT)
    ready(client, files)
    found = client.ask("setBreakpoints", source={"path": str(other)}, breakpoints=[{"line": 10}])
    assert found["breakpoints"][0]["source"]["path"] == str(other)
    client.go("continue")
    assert client.top()["source"]["path"] == str(other)


def test_a_file_of_another_version_takes_no_breakpoint(client, files, tmp_path):
    other = tmp_path / "tiny" / "model.py"
    other.parent.mkdir()
    other.write_text("# of another version\n" + handmade.TINY_TEXT)
    ready(client, files, sourceFolders=[str(tmp_path)])
    assert "sourceReference" in client.top()["source"]
    (found,) = client.ask(
        "setBreakpoints", source={"path": str(other)}, breakpoints=[{"line": 11}]
    )["breakpoints"]
    assert not found["verified"]
    assert "another text than the recorded tiny/model.py (tiny 1.0)" in found["message"]


def test_installed_packages_are_found_without_importing_them():
    text = Path(find_spec("numpy").origin).read_text("utf-8")
    ours = Path(__file__).with_name("dap_client.py")
    files = {
        "numpy/__init__.py": SourceFile("numpy/__init__.py", text),
        "dap_client.py": SourceFile(
            "dap_client.py", Path(__file__).with_name("dap_client.py").read_text()
        ),
        "../secret.py": SourceFile("../secret.py", ""),
        "/etc/passwd": SourceFile("/etc/passwd", ""),
    }
    trace = dataclasses.replace(STORIES["tiny"], sources=files)
    found = {file: Sources(trace).path(file) for file in files}
    assert found.pop("numpy/__init__.py") == Path(find_spec("numpy").origin)
    assert found.pop("dap_client.py") == ours
    assert set(found.values()) == {None}


# --- breakpoints ----------------------------------------------------------------------------------

SOURCE = {"path": handmade.TINY}


def set_lines(client, *asked):
    return client.ask("setBreakpoints", source=SOURCE, breakpoints=list(asked))["breakpoints"]


def test_a_breakpoint_moves_to_the_next_line_that_ran_or_says_why_not(client, files):
    ready(client, files)
    lines = handmade.TINY_TEXT.split("\n")
    blank = lines.index("    def forward(self, images):")
    asked = [10, 9, blank, lines.index("def make_body(width):") + 2, len(lines)]
    here, moved, between, idle, beyond = set_lines(client, *({"line": n} for n in asked))
    assert (here["verified"], here["line"], "message" in here) == (True, 10, False)
    assert (moved["line"], moved["message"]) == (10, "moved to line 10, the next that ran")
    assert between["line"] == blank + 1
    assert not idle["verified"]
    assert idle["message"] == "make_body did not run in this recording"
    assert beyond["message"] == f"nothing from line {len(lines)} of tiny/model.py on ran"
    (found,) = client.ask(
        "setBreakpoints", source={"path": "/elsewhere/other.py"}, breakpoints=[{"line": 3}]
    )["breakpoints"]
    assert found["message"] == "/elsewhere/other.py did not run in this recording"


def test_conditions_and_hit_counts(client, files):
    ready(client, files, "pyramid")
    trace = STORIES["pyramid"]
    ran = Counter((trace.calls[ln.call].source.file, ln.line) for ln in trace.lines)
    (file, line), times = ran.most_common(1)[0]
    assert times >= 4
    source = {"path": file}
    cursor = Stepper(trace)
    ticks = cursor.add_breakpoint(f"{file}:{line}").ticks

    def steps(**asked):
        client.ask("setBreakpoints", source=source, breakpoints=[{"line": line, **asked}])
        client.ask("evaluate", expression="first", context="repl")
        client.event("stopped")
        found = []
        while client.go("continue")["reason"] == "breakpoint":
            found.append(client.step())
        return found

    assert steps() == ticks
    assert steps(hitCondition="2") == ticks[1:2]
    assert steps(hitCondition=">= 3") == ticks[2:]
    assert steps(hitCondition="% 2") == ticks[1::2]
    assert steps(condition="nth >= 0 and iteration >= 0", hitCondition="> 1") == ticks[1:]
    for wrong in ("often", "% 0", "-1", "1" * 40):
        (found,) = client.ask(
            "setBreakpoints", source=source, breakpoints=[{"line": line, "hitCondition": wrong}]
        )["breakpoints"]
        assert not found["verified"]
        assert "hit condition" in found["message"]
    for wrong, why in (("x ==", "not an expression"), ("nothing > 1", "names 'nothing'")):
        (found,) = client.ask(
            "setBreakpoints", source=source, breakpoints=[{"line": line, "condition": wrong}]
        )["breakpoints"]
        assert why in found["message"]


def test_log_messages_are_told_in_the_order_in_which_one_passes(client, files):
    ready(client, files)
    first, second = 10, 30
    set_lines(
        client,
        {"line": first, "logMessage": "mean {mean}, {nothing}"},
        {"line": second, "logMessage": "x is {x.shape}", "condition": "x.ndim == 3"},
    )

    def told(command):
        before = len(client.log)
        assert client.go(command)["reason"] == "pause"
        return [m["body"]["output"] for m in client.log[before:] if m.get("event") == "output"]

    forth = told("continue")
    assert forth == ["mean 0.5, (name 'nothing' is not there)\n", "x is (3, 6, 8)\n"]
    assert told("reverseContinue") == forth[::-1]


def test_breakpoint_locations_are_the_lines_that_ran(client, files):
    ready(client, files)
    found = client.ask("breakpointLocations", source=SOURCE, line=1, endLine=31)["breakpoints"]
    assert [b["line"] for b in found] == [8, 10, 11, 28, 29, 30, 31]
    assert client.ask("breakpointLocations", source=SOURCE, line=9)["breakpoints"] == []


def test_functions_modules_and_stages(client, files):
    ready(client, files)
    names = ["normalize", "body.*", "stage head", "nothing", ""]
    found = client.ask("setFunctionBreakpoints", breakpoints=[{"name": name} for name in names])[
        "breakpoints"
    ]
    assert [b["verified"] for b in found] == [True, True, True, False, False]
    assert (found[0]["line"], found[0]["source"]["path"]) == (8, "tiny/model.py")
    assert "no call of 'nothing'" in found[3]["message"]
    stops = []
    while (stop := client.go("continue"))["reason"] == "function breakpoint":
        stops.append((client.step(), stop["hitBreakpointIds"]))
    ids = [b["id"] for b in found[:3]]
    assert stops == [(2, [ids[0]]), *((t, [ids[1]]) for t in (15, 19, 23)), (32, [ids[2]])]


def data_info(client, name, scope="Locals"):
    return client.ask("dataBreakpointInfo", variablesReference=client.scopes()[scope], name=name)


def test_a_tensor_that_is_written_in_place(client, files):
    ready(client, files, at="22")
    info = data_info(client, "result", "Result")
    assert info["accessTypes"] == ["write"]
    found = client.ask("setDataBreakpoints", breakpoints=[{"dataId": info["dataId"]}])
    stop = client.go("continue")
    assert (stop["reason"], client.step()) == ("data breakpoint", 25)
    assert stop["hitBreakpointIds"] == [found["breakpoints"][0]["id"]]
    assert client.top()["name"].startswith("relu_")
    client.go("continue")
    assert client.go("reverseContinue")["reason"] == "data breakpoint"
    assert client.step() == 25
    client.ask("evaluate", expression="goto 31", context="repl")
    never = data_info(client, "pooled")
    assert never["dataId"] is None
    assert never["description"] == "pooled is never written in place in this recording"


def test_a_name_that_is_bound_and_a_condition_that_becomes_true(client, files):
    ready(client, files, at="1")
    client.ask("evaluate", expression="goto 10", context="repl")
    client.event("stopped")
    info = data_info(client, "x")
    assert info["description"] == "x is never written in place in this recording"
    becomes = client.ask("dataBreakpointInfo", name="features.min == 0")
    found = client.ask("setDataBreakpoints", breakpoints=[{"dataId": becomes["dataId"]}])
    assert found["breakpoints"][0]["verified"]
    assert client.go("continue")["reason"] == "data breakpoint"
    assert client.step() == 28
    for name in ("no such", "__import__('os')", "nothing"):
        with pytest.raises(Refused):
            client.ask("dataBreakpointInfo", name=name)
    for wrong in ("", "write", "write x", "bound 1", "read 3", "when", "write 999", "bound 99 x"):
        (found,) = client.ask("setDataBreakpoints", breakpoints=[{"dataId": wrong}])["breakpoints"]
        assert not found["verified"]


def test_a_local_that_is_bound_anew(client, files):
    ready(client, files, "construction")
    client.ask("evaluate", expression="b TinyNet.__init__", context="repl")
    client.go("continue")
    client.go("next")
    info = data_info(client, "self")
    assert info["description"] == "self is bound anew in TinyNet.__init__#0"
    client.ask("setDataBreakpoints", breakpoints=[{"dataId": info["dataId"]}])
    client.ask("evaluate", expression="cl 1", context="repl")
    stops = []
    while client.go("continue")["reason"] == "data breakpoint":
        stops.append(client.top()["line"])
    trace = STORIES["construction"]
    init = trace.find("TinyNet.__init__")
    changes = [ln for ln in trace.lines if ln.call == init.id and "self" in dict(ln.changed)]
    assert len(stops) == len(changes) == 2


def test_exceptions_stop_where_they_were_raised(client, files):
    stop = client.begin(recording=files["failed"])
    assert stop["reason"] == "exception"
    assert "mat1 and mat2" in stop["text"]
    info = client.ask("exceptionInfo", threadId=1)
    assert info["exceptionId"] == "RuntimeError"
    assert info["description"].startswith("mat1 and mat2 shapes cannot be multiplied")
    client.ask("setExceptionBreakpoints", filters=["raised"])
    client.ask("evaluate", expression="first", context="repl")
    client.event("stopped")
    with pytest.raises(Refused, match="does not stand at an exception"):
        client.ask("exceptionInfo", threadId=1)
    assert client.go("continue")["reason"] == "exception"
    assert client.top()["name"] == "linear#0() · exception"
    assert client.go("continue")["reason"] == "pause"
    assert client.go("reverseContinue")["reason"] == "exception"


def test_where_a_nan_appears(client, tmp_path):
    trace = STORIES["tiny"]
    bad = trace.tensors[5]
    odd = dataclasses.replace(bad, summary=dataclasses.replace(bad.summary, nan=3, inf=1))
    tensors = tuple(odd if s.id == bad.id else s for s in trace.tensors)
    path = dataclasses.replace(trace, tensors=tensors).save(tmp_path / "nan.safetensors")
    client.begin(recording=str(path))
    options = [{"filterId": "nan"}, {"filterId": "inf", "condition": "nth > 99"}]
    found = client.ask("setExceptionBreakpoints", filters=["rare"], filterOptions=options)
    assert [b["verified"] for b in found["breakpoints"]] == [False, True, True]
    assert client.go("continue")["reason"] == "exception"
    info = client.ask("exceptionInfo", threadId=1)
    assert info["exceptionId"] == "NAN"
    assert "NAN ×3" in info["description"]
    cursor = Stepper(odd_trace := load(path))
    cursor.add_watch("has_nan()")
    cursor.on()
    assert client.step() == cursor.tick
    assert odd_trace.tensors[bad.id].summary.nan == 3


# --- jumps ----------------------------------------------------------------------------------------


def test_frames_begin_again_and_lines_are_gone_to(client, files):
    ready(client, files, at="6")
    outer = client.ask("stackTrace", threadId=1)["stackFrames"][1]["id"]
    client.ask("restartFrame", frameId=outer)
    assert client.event("stopped")["reason"] == "restart"
    assert client.step() == 0
    targets = client.ask("gotoTargets", source=SOURCE, line=31)["targets"]
    assert [(t["label"], t["line"]) for t in targets] == [
        ("(root)#0 TinyNet.forward(), step 13", 31)
    ]
    client.ask("goto", threadId=1, targetId=targets[0]["id"])
    assert client.event("stopped")["reason"] == "goto"
    assert client.step() == 13
    with pytest.raises(Refused, match="no step 999"):
        client.ask("goto", threadId=1, targetId=999)
    with pytest.raises(Refused, match="make_body did not run"):
        client.ask("gotoTargets", source=SOURCE, line=15)


def test_one_steps_into_the_call_that_was_chosen(client, files):
    ready(client, files, at="13")
    targets = client.ask("stepInTargets", frameId=client.top()["id"])["targets"]
    assert [t["label"] for t in targets] == ["body#0 → [1, 4, 6, 8] float32"]
    client.go("stepIn", targetId=targets[0]["id"])
    assert client.step() == 14
    client.go("stepBack")
    client.ask("setFunctionBreakpoints", breakpoints=[{"name": "body.bn"}])
    client.go("stepIn", granularity="instruction")
    with pytest.raises(Refused, match="no call 99"):
        client.ask("stepIn", threadId=1, targetId=99)
    client.go("stepBack", granularity="instruction")
    assert client.step() == 13


# --- bad input ------------------------------------------------------------------------------------


def test_a_recording_without_lines_says_how_to_record_one_and_steps_calls(client, files):
    ready(client, files, "repeated")
    (told,) = [m["body"]["output"] for m in client.log if m.get("event") == "output"]
    assert "record them with" in told
    client.go("stepIn")
    assert client.top()["name"].startswith("layer#0")
    (refused,) = client.ask("setBreakpoints", source=SOURCE, breakpoints=[{"line": 1}])[
        "breakpoints"
    ]
    assert not refused["verified"]
    assert "record them with" in refused["message"]
    with pytest.raises(Refused, match="did not run"):
        client.ask("breakpointLocations", source=SOURCE, line=1)


def test_what_cannot_be_launched_is_an_error_and_another_launch_may_follow(client, files, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"no recording")
    client.ask("initialize", adapterID="t")
    for launch, why in (
        ({"recording": str(other)}, "is not|damaged|no recording"),
        ({"recording": str(tmp_path / "missing.safetensors")}, "missing"),
        ({"recording": 7}, "recording is a text"),
        ({"recording": files["tiny"], "at": "nothing"}, "nothing"),
        ({"recording": files["tiny"], "at": "999"}, "no step 999"),
        ({"recording": files["tiny"], "cwd": str(tmp_path / "nowhere")}, "cannot be used"),
        ({}, "needs"),
        ({"recordnig": "x"}, "did you mean 'recording'"),
        ({"pictures": [str(tmp_path / "missing.png")]}, "missing.png"),
        ({"pictures": [True]}, "'pictures' is"),
        ({"build": "yes"}, "'build' is true or false"),
        ({"pictures": ["a.png"], "minSize": "large"}, "min-size"),
        ({"pictures": ["a.png"], "build": True}, "takes no pictures"),
    ):
        with pytest.raises(Refused, match=why):
            client.ask("launch", **launch)
    client.ask("launch", recording=files["tiny"])
    with pytest.raises(Refused, match="launch comes once"):
        client.ask("launch", recording=files["tiny"])
    with pytest.raises(Refused, match="attach comes once"):
        client.ask("attach")


def test_requests_come_in_order(client, files):
    with pytest.raises(Refused, match="launch comes after initialize"):
        client.ask("launch", recording=files["tiny"])
    client.ask("initialize", adapterID="t")
    with pytest.raises(Refused, match="initialize comes once"):
        client.ask("initialize", adapterID="t")
    with pytest.raises(Refused, match="threads comes after launch or attach"):
        client.ask("threads")
    with pytest.raises(Refused, match=r"tracer\.debug"):
        client.ask("attach")
    client.ask("launch", recording=files["tiny"])
    client.ask("configurationDone")
    with pytest.raises(Refused, match="configurationDone comes once"):
        client.ask("configurationDone")
    with pytest.raises(Refused, match=r"no request 'steps' here; did you mean"):
        client.ask("steps", valid=False)
    client.ask("terminate")
    client.event("terminated")
    client.ask("disconnect")
    assert client.read() is None


def test_it_speaks_the_clients_language(client, files):
    found = client.ask("initialize", adapterID="t", locale="zh-cn")
    assert found["exceptionBreakpointFilters"][1]["label"] == texts("filter.nan", "zh")
    client.ask("launch", recording=files["tiny"])
    frame = client.top()
    assert frame["name"].endswith(texts("at.start", "zh"))
    assert texts("scope.locals", "zh") in client.scopes(frame["id"])


def raw(client, data):
    """Send bytes; return the next message."""
    client.raw(data)
    return client.read()


def test_malformed_messages_are_errors_and_the_next_one_is_read(client):
    for body, why in (
        (b"{", "no JSON"),
        (b"[1]", "a JSON object"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"type": "request", "command": 3, "seq": 4}', "no request '3'"),
        (b'{"type": "request", "seq": 4}', "a request without a command"),
        (b'{"type": "request", "command": "next", "seq": 5, "arguments": 1}', "is an object"),
    ):
        answer = raw(client, frame(body))
        assert not answer["success"]
        assert why in answer["message"]
    huge = b'{"x": "' + b"y" * MAX_BODY + b'"}'
    assert "at most 4,194,304 bytes" in raw(client, frame(huge))["message"]
    assert client.ask("initialize", adapterID="t")["supportsStepBack"] is True


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: 2\r\nHost: x\r\n\r\n{}",
        b"Content-Length: -2\r\n\r\n{}",
        b"Content-Length: 99999999999\r\n\r\n",
        b"\r\n\r\n",
        b"x" * 1000,
    ],
)
def test_bytes_that_are_no_message_end_the_session_with_an_error(data):
    with served() as client:
        answer = raw(client, data)
        assert not answer["success"]
        assert answer["message"].startswith("expected a header")
        assert client.read() is None


def test_a_port_of_this_machine_serves_one_client_and_ends_with_it(files):
    with Started("--port", "0") as server:
        port = int(re.search(rb":(\d+)\n", server.process.stderr.readline())[1])
        with connected(port) as client:
            client.begin(recording=files["tiny"])
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
        assert server.process.wait(20) == 0


def test_an_editor_that_disappears_ends_the_server(files):
    with Started() as server:
        server.begin(recording=files["tiny"])
        server.send("threads")
        server.process.stdin.close()
        assert server.process.wait(20) == 0


# --- fuzz -----------------------------------------------------------------------------------------

ARGUMENTS = sorted(
    {
        name
        for found in definitions().values()
        for name in found.get("properties", {})
        if "arguments" not in found.get("properties", {})
    }
)
NAMES = st.sampled_from(ARGUMENTS) | st.sampled_from(["recording", "expression", "frameId"])
ODD = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 3, 10**30, 0.5, "", "x", "1", "state:6", "a" * 5000])
    | st.sampled_from([handmade.TINY, "x.shape", "b body", "write 6", "raised", "x\x00\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=6,
)
EXAMPLES = int(os.environ.get("TRACER_FUZZ", "300"))


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(
    st.sampled_from(sorted(STORIES)),
    st.lists(st.tuples(st.sampled_from(sorted(REQUESTS)), st.dictionaries(NAMES, ODD)), max_size=8),
)
def test_whatever_is_asked_gets_one_answer(name, requests):
    editor = session(STORIES[name])
    for command, arguments in requests:
        editor.client.messages.clear()
        message = {"seq": 1, "type": "request", "command": command, "arguments": arguments}
        editor.handle(message)
        answers = [m for m in editor.client.messages if m["type"] == "response"]
        assert len(answers) == 1
        assert FAULT not in answers[0].get("message", "")
        for sent in editor.client.messages:
            framed(sent)
            require_valid({"seq": 1, **sent})


def pieces(random):
    """Bytes of a client that has lost its way."""
    command = random.choice(sorted(REQUESTS))
    arguments = {random.choice(ARGUMENTS): random.choice([0, 1, "x", [], {}, None, 10**20])}
    body = json.dumps({"seq": 1, "type": "request", "command": command, "arguments": arguments})
    good = frame(body.encode())
    return random.choice(
        [
            good,
            good,
            good[: random.randrange(len(good))],
            frame(random.randbytes(random.randrange(50))),
            random.randbytes(random.randrange(80)),
            b"Content-Length: %d\r\n\r\n" % random.randrange(10**6),
        ]
    )


@pytest.mark.parametrize("seed", range(max(20, EXAMPLES // 10)))
def test_no_bytes_break_or_hang_the_server(files, seed):
    random = Random(seed)
    with served() as client:
        if seed % 2:
            ready(client, files)
        with contextlib.suppress(OSError):  # the server may hang up
            client.raw(b"".join(pieces(random) for _ in range(6)))
            client.connection.shutdown(socket.SHUT_WR)
            while (message := client.read()) is not None:
                assert FAULT not in message.get("message", "")


def test_every_request_is_one_of_the_protocol():
    known = {name.removesuffix("Request") for name in definitions() if name.endswith("Request")}
    ours = {name for name in REQUESTS if f"{name[:1].upper()}{name[1:]}" not in known}
    assert ours == {"tracer/position"}


# --- recording first ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "grey.png"
    Image.new("RGB", (80, 64), (90, 120, 150)).save(path)
    return path


def begun(client, **launch):
    client.ask("initialize", adapterID="t", supportsProgressReporting=True)
    return client.send("launch", **launch)


@pytest.mark.slow
def test_pictures_are_recorded_first_and_one_sees_how_far_it_is(client, picture, tmp_path):
    kept = tmp_path / "kept.safetensors"
    options = {"weights": "none", "minSize": 64, "maxSize": 96, "set": ["num_classes=3"]}
    launch = {**options, "pictures": [picture.name], "cwd": str(picture.parent)}
    here = os.getcwd()
    try:
        assert client.response(begun(client, **launch, output=str(kept)))["success"]
    finally:
        os.chdir(here)
    names = [m["event"] for m in client.log if m["type"] == "event"]
    assert names[0] == "progressStart"
    assert "progressUpdate" in names
    assert names[-1] == "progressEnd"
    assert "random weights" in "".join(
        m["body"]["output"] for m in client.log if m.get("event") == "output"
    )
    client.event("initialized")
    client.ask("configurationDone")
    assert client.event("stopped")["reason"] == "entry"
    source = client.top()["source"]
    assert (
        Path(source["path"]).read_text("utf-8")
        == load(kept).sources["torchvision/models/detection/generalized_rcnn.py"].text
    )
    client.ask("setFunctionBreakpoints", breakpoints=[{"name": "stage rpn"}])
    assert client.go("continue")["reason"] == "function breakpoint"
    assert client.ask("evaluate", expression="len(features)")["result"] == "5"


@pytest.mark.slow
def test_a_construction_is_recorded_first(client):
    assert client.response(begun(client, build=True, weights="none"))["success"]
    assert client.ask("threads")["threads"][0]["name"] == "construction by fasterrcnn_resnet50_fpn"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["cancel", "disconnect"])
def test_a_recording_can_be_given_up(client, picture, way):
    launch = begun(client, pictures=[str(picture)], weights="none", minSize=320)
    client.event("progressStart")
    client.event("progressUpdate")
    arguments = {"progressId": "recording"} if way == "cancel" else {}
    asked = client.send(way, **arguments)
    answer = client.response(launch)
    assert not answer["success"]
    assert "given up" in answer["message"]
    assert client.response(asked)["success"]
    if way == "cancel":
        with pytest.raises(Refused, match="nothing is open"):
            client.ask("threads")


@pytest.mark.slow
def test_a_run_that_fails_is_stepped_up_to_there(client, picture):
    wrong = {"weights": "none", "minSize": 64, "set": ["image_mean=[0.5,0.5]"]}
    assert client.response(begun(client, pictures=[str(picture)], **wrong))["success"]
    client.event("initialized")
    client.ask("configurationDone")
    assert client.event("stopped")["reason"] == "exception"
    assert client.ask("exceptionInfo", threadId=1)["exceptionId"]
