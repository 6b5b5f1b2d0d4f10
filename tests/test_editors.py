"""A recording in the editors that people use: the real ones, with what they need from us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from code_server import TOOLS, Hand, code_server, merge, tool

import tracer
from tracer.stepper.address import of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.machine,  # `make editors` fetches 1 GB, and no registry has nvim-dap
]


@pytest.fixture(scope="module")
def workspace(recorded, tmp_path_factory):
    """A folder with a recording in it."""
    folder = tmp_path_factory.mktemp("workspace")
    recorded.save(folder / "pass.safetensors")
    return folder


@pytest.fixture(scope="module")
def vscode(tmp_path_factory):
    with code_server(tmp_path_factory.mktemp("code-server")) as address:
        yield address


@pytest.fixture
def stepper(workspace):
    """The stepper of the terminal, which says what an editor has to show."""
    return tracer.Stepper(tracer.load(workspace / "pass.safetensors"))


def test_vs_code_steps_a_recording_both_ways(vscode, browser, workspace, stepper):
    file, line = merge()
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        hand = Hand(context.new_page(), vscode, workspace)
        hand.menu(lambda: hand.file("pass.safetensors"), "Step This Recording")
        hand.until_at("FasterRCNN.forward() · call")

        hand.open(file, line)
        hand.breakpoint("idx == 1")
        hand.press("continue")
        hand.until_at("backbone.fpn#0 FeaturePyramidNetwork.forward()", line)
        stepper.do(f"b {file.name}:{line}, idx == 1")
        stepper.do("c")
        for name in ("inner_lateral", "inner_top_down", "last_inner"):
            shape = "×".join(map(str, stepper.evaluate(f"{name}.shape")))
            hand.until_holds(name, f"{shape} float32")

        for _ in range(2):
            hand.press("step-back")
            stepper.do("rn")
            hand.until_at("FeaturePyramidNetwork.forward()", stepper.position.line.line)

        written = stepper.evaluate("x[0]").state
        hand.menu(lambda: hand.item("x", "0"), "Break on Value Change")
        hand.until_set("data")
        hand.press("reverse-continue")
        write = stepper.trace.calls[written.producer]
        assert (write.path, written.previous is not None) == ("relu", True)
        hand.until_at(f"{write.label}() · return")
        hand.until_within("layer1.2.relu#2 ReLU.forward()")


def test_vs_code_shows_the_page_at_the_step(vscode, browser, workspace, stepper):
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        hand = Hand(context.new_page(), vscode, workspace)
        hand.menu(lambda: hand.file("pass.safetensors"), "Step This Recording")
        hand.until_at("FasterRCNN.forward() · call")
        hand.press("step-over")
        stepper.do("n")
        hand.until_at("FasterRCNN.forward()", stepper.position.line.line)
        hand.command("rcnn-tracer: Open the Page at This Step")
        hand.until(
            lambda: hand.shown_address() == f"#{of(stepper.timeline, stepper.position)}", "the page"
        )
        hand.press("step-over")
        stepper.do("n")
        hand.until(
            lambda: hand.shown_address() == f"#{of(stepper.timeline, stepper.position)}",
            "its next step",
        )


SAID = {
    "en": ("Step This Recording", "names /nowhere/python", "Open Settings"),
    "zh-cn": ("逐步查看这份记录", "指定的 /nowhere/python", "打开设置"),
}


@pytest.mark.parametrize("lang", SAID)
def test_vs_code_says_which_python_has_no_tracer(browser, workspace, tmp_path, lang):
    step, sentence, button = SAID[lang]
    serving = code_server(tmp_path, python="/nowhere/python", lang=lang)
    with serving as address, browser.new_context() as context:
        hand = Hand(context.new_page(), address, workspace)
        hand.menu(lambda: hand.file("pass.safetensors"), step)
        hand.until(lambda: sentence in hand.seen(), "the sentence")
        assert hand.page.get_by_role("button", name=button).count()


# --- other clients --------------------------------------------------------------------------------


def test_a_client_of_others_steps_it_both_ways(workspace, stepper):
    file, line = merge()
    node, script = tool("bin", "node"), Path(__file__).parent / "editors" / "protocol.mjs"
    tool("node_modules", "@vscode", "debugadapter-testsupport")
    recording = str(workspace / "pass.safetensors")
    asked = {"recording": recording, "file": str(file), "line": line, "condition": "idx == 1"}
    command = Path(sys.executable).with_name("tracer")
    words = [node, script, TOOLS, command, json.dumps(asked)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)

    assert found["entry"]["reason"] == "entry"
    assert [each["verified"] for each in found["set"]] == [True]
    stepper.do(f"b {file.name}:{line}, idx == 1")
    stepper.do("c")
    assert found["broken"]["frames"][0]["line"] == line
    names = [call.label for call in stepper.stack]
    assert [f["name"].split()[0] for f in found["broken"]["frames"]] == names
    shape = "×".join(map(str, stepper.evaluate("inner_lateral.shape")))
    assert found["locals"]["inner_lateral"].startswith(f"{shape} float32")
    for back in found["back"]:
        stepper.do("rn")
        assert back["frames"][0]["line"] == stepper.position.line.line
    assert found["data"]["description"] == "writes in place over x[0]"
    write = stepper.trace.calls[stepper.evaluate("x[0]").state.producer]
    assert found["written"]["reason"] == "data breakpoint"
    assert found["written"]["frames"][0]["name"] == f"{write.label}() · return"
    assert found["refused"] == "frame 1000000 is not there"
    assert found["first"]["frames"][0]["name"] == f"{write.label}() · call"


def test_neovim_steps_it_both_ways(workspace, stepper):
    file, line = merge()
    nvim, plugin = tool("bin", "nvim"), tool("nvim-dap")
    script = Path(__file__).parent / "editors" / "neovim.lua"
    asked = {"recording": str(workspace / "pass.safetensors"), "file": str(file), "line": line}
    asked |= {"condition": "idx == 1", "typed": "b layer1.2.relu, overwritten(result)"}
    asked |= {"command": str(Path(sys.executable).with_name("tracer"))}
    words = [nvim, "--headless", "--clean", "--cmd", f"set rtp^={plugin}", "-S", script]
    environment = {**os.environ, "ASKED": json.dumps(asked)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    found = json.loads(done.stdout)
    assert "error" not in found

    assert found["entry"]["name"].endswith("FasterRCNN.forward() · call")
    stepper.do(f"b {file.name}:{line}, idx == 1")
    stepper.do("c")
    assert (found["broken"]["file"], found["broken"]["line"]) == (str(file), line)
    shape = "×".join(map(str, stepper.evaluate("inner_lateral.shape")))
    assert found["broken"]["locals"]["inner_lateral"].startswith(f"{shape} float32")
    for back in found["back"]:
        stepper.do("rn")
        assert back["line"] == stepper.position.line.line
    told = stepper.do(asked["typed"]).text  # by a number of its own
    assert told.partition(":")[2] == found["typed"].partition(":")[2] != ""
    stepper.do("rc")
    assert found["written"]["name"] == f"{stepper.position.call.label} ReLU.forward() · return"
    assert found["over"]
