"""`tracer step` in lines of text: scripts, pipes, and what it refuses."""

from __future__ import annotations

import io
import subprocess
import sys

import handmade
import pytest

from tracer.cli import main
from tracer.errors import InputError
from tracer.record.store import load
from tracer.stepper import Stepper
from tracer.views.screen import prompt as plain


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("pass") / "pass.safetensors"
    handmade.tiny_pass().save(path)
    return str(path)


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "lesson.txt"
        path.write_text(text, "utf-8")
        return str(path)

    return write


def test_a_script_is_told_with_its_answers(saved, script, capsys):
    lesson = script("# into the body\nb body\n\nc\np input.shape\nq\nn\n")
    assert main(["step", saved, "--commands", lesson]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pass of TinyNet: 15 calls, 8 lines (h for help)",
        "> --Call-- tiny/model.py(28) (root)#0 TinyNet.forward()  step 0/37",
        "-> def forward(self, images):",
        "   images = list of 1: [3, 6, 8] float32",
        "# into the body",
        "(tracer) b body",
        "Breakpoint 1: body: 1 place, step 14",
        "(tracer) c",
        "Breakpoint 1: body (hit 1)",
        "> --Call-- tiny/model.py(31) body#0 Sequential.forward()  [body]  step 14/37",
        "-> features = self.body(x)",
        "   input = [1, 3, 6, 8] float32  -0.9945 … 0.9944  mean 0.07258  std 0.6006",
        "(tracer) p input.shape",
        "(1, 3, 6, 8)",
        "(tracer) q",
    ]


def test_a_wrong_command_names_its_line(saved, script, capsys):
    lesson = script("n\n\n# so far\nnxt\nn\n")
    assert main(["step", saved, "--commands", lesson]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(
        f"tracer: {lesson}, line 4: 'nxt': no command or name 'nxt'; did you mean 'next'"
    )
    assert captured.err.count("\n") == 1
    assert captured.out.splitlines()[-1] == "(tracer) nxt"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a recording (PASS.safetensors), or pictures to record, or --build"),
        (["--build", "x.jpg"], "--build records the construction"),
        (["a.safetensors", "b.safetensors"], "one recording at a time"),
        (["nowhere.safetensors"], "nowhere.safetensors"),
        (["nowhere.jpg"], "there is no picture 'nowhere.jpg'"),
    ],
)
def test_what_is_not_a_target(arguments, says, capsys):
    assert main(["step", *arguments]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_script_that_cannot_be_read(saved, tmp_path, capsys):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for name, says in [("nowhere.txt", "No such file"), (str(binary), "not text in UTF-8")]:
        assert main(["step", saved, "--commands", name]) == 2
        assert says in capsys.readouterr().err


def test_it_begins_where_it_is_told(saved, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["step", saved, "--at", "28"]) == 0
    assert "step 28/37" in capsys.readouterr().out
    assert main(["step", saved, "--at", "99"]) == 2
    assert "there is no step 99" in capsys.readouterr().err


def test_piped_commands_are_answered_and_errors_do_not_end_them(saved, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("nxt\ns\n\nq\ns\n"))
    assert main(["step", saved]) == 0
    out = capsys.readouterr().out
    assert "*** no command or name 'nxt'" in out
    assert "step 2/37" in out  # the empty line repeated s
    assert "step 3/37" not in out


def test_help_and_opening_in_chinese(saved, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("h rn\n"))
    assert main(["step", saved, "--lang", "zh", "--plain"]) == 0
    assert "退到同一调用的上一行" in capsys.readouterr().out


def test_a_trace_without_lines_says_so_at_once():
    assert "no lines recorded" in plain.opening(Stepper(handmade.repeated_pass()))


def test_a_failed_run_opens_at_its_last_line():
    opening = plain.opening(Stepper(handmade.failed_pass())).splitlines()
    assert "ended by RuntimeError" in opening[0]
    assert opening[2] == "-> scores = self.head(pooled)"


def test_hostile_names_stay_text():
    told = "\n".join(plain.scripted(Stepper(handmade.hostile_pass()), "c\nw\nlocals\n", "x"))
    assert "\x1b" not in told
    assert "[red]not red[/red]" in "\n".join(
        plain.scripted(Stepper(handmade.hostile_pass()), "find not red\n", "x")
    )


def test_a_cell_shows_commands_with_their_answers():
    stepper = Stepper(handmade.tiny_pass())
    told = plain.walk(stepper, "goto body", "a").splitlines()
    assert told[0] == "(tracer) goto body"
    assert told[1].startswith("> --Call-- ")
    assert "(tracer) a" in told
    assert stepper.position.call.path == "body"
    with pytest.raises(InputError, match="walk, line 2: 'find nowhere'"):
        plain.walk(stepper, "first", "find nowhere")


@pytest.mark.slow
def test_a_closed_pipe_ends_it_quietly(saved, script):
    lesson = script("ll\n" * 5000)
    command = [sys.executable, "-m", "tracer", "step", saved, "--commands", lesson]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("pass of TinyNet")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.slow
def test_pictures_are_recorded_first(tmp_path, script, capsys):
    from PIL import Image

    picture, saved = tmp_path / "picture.png", tmp_path / "pass.safetensors"
    Image.new("RGB", (80, 64), (200, 100, 50)).save(picture)
    options = ["--model", "fasterrcnn_resnet18_fpn", "--min-size", "64", "--max-size", "96"]
    options += ["--keep", "backbone.fpn", "-o", str(saved)]
    lesson = script("b BasicBlock.forward\nc\np x.shape[1]\nb backbone.fpn, len(result) == 5\nc\n")
    assert main(["step", str(picture), *options, "--commands", lesson]) == 0
    out = capsys.readouterr().out
    assert out.startswith("pass of FasterRCNN")
    assert "(tracer) p x.shape[1]\n64\n" in out
    trace = load(saved)
    assert trace.lines
    assert any(state.kept for state in trace.tensors)


@pytest.mark.slow
def test_a_construction_is_recorded_first(script, capsys):
    lesson = script("b ResNet._make_layer\nc\np self.inplanes\n")
    options = ["--build", "--model", "fasterrcnn_resnet18_fpn"]
    assert main(["step", *options, "--commands", lesson]) == 0
    out = capsys.readouterr().out
    assert out.startswith("construction of")
    assert out.endswith("(tracer) p self.inplanes\n64\n")


def test_a_pass_that_fails_is_stepped_through_all_the_same(tmp_path, script, capsys):
    from PIL import Image

    picture = tmp_path / "picture.png"
    Image.new("RGB", (80, 64)).save(picture)
    options = ["--model", "fasterrcnn_resnet18_fpn", "--min-size", "64", "--max-size", "96"]
    wrong = ["--set", "image_mean=[0.5, 0.5]"]
    assert (
        main(["step", str(picture), *options, *wrong, "--commands", script("p image.shape\n")]) == 0
    )
    out = capsys.readouterr().out
    assert "ended by RuntimeError" in out
    assert "(tracer) p image.shape\n(3, 64, 80)" in out
