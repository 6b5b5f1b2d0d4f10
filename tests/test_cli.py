"""The command line: what it writes, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys

import handmade
import pytest
from PIL import Image

import tracer
from tracer import cli, commands
from tracer.errors import InputError, TracerError
from tracer.rcnn import models
from tracer.rcnn.anatomy import anatomy
from tracer.views.page.pack import unpack

pytestmark = pytest.mark.slow

SMALL = ["--model", "fasterrcnn_resnet18_fpn", "--min-size", "64", "--max-size", "96"]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "street.png"
    Image.linear_gradient("L").resize((80, 60)).save(path)
    return str(path)


@pytest.fixture
def targets(tmp_path):
    path = tmp_path / "targets.json"
    path.write_text(json.dumps([{"boxes": [[10, 10, 40, 50]], "labels": [2]}]))
    return str(path)


@pytest.fixture
def output(tmp_path):
    return str(tmp_path / "pass.safetensors")


def run_alone(*arguments, code="from tracer.cli import main; sys.exit(main(sys.argv[1:]))"):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; {code}", *arguments], capture_output=True, text=True
    )


# The frame around the commands


def test_the_version_is_the_packages(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"tracer {tracer.__version__}\n"


def test_help_names_every_command(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in commands.NAMES:
        assert re.search(rf"^    {name}\b", text, re.MULTILINE)
        assert commands.load(name).HELP.split()[0] in text


@pytest.mark.parametrize("name", commands.NAMES)
def test_each_command_has_help(name, capsys):
    assert cli.main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: tracer {name}")
    assert "--traceback" in text


def test_help_loads_no_heavy_library():
    code = """
from tracer.cli import main
main(["--help"])
heavy = {"torch", "torchvision", "matplotlib", "PIL", "numpy", "IPython"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
    done = run_alone(code=code)
    assert done.returncode == 0, done.stderr


def test_only_the_command_that_runs_is_loaded():
    names = [name.replace("-", "_") for name in commands.NAMES if name != "run"]
    others = [f"tracer.commands.{name}" for name in names]
    code = f"""
from tracer.cli import main
main(["run", "--help"])
sys.exit(any(name in sys.modules for name in {others!r}))
"""
    assert run_alone(code=code).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rum"], "there is no command 'rum'; did you mean 'run'?"),
        (["zzz"], "there is no command 'zzz' (there is run"),
        ([], "the following arguments are required: COMMAND (see tracer --help)"),
        (["run", "--nope"], "unrecognized arguments: --nope"),
        (
            ["run", "a.png", "--seed", "x"],
            "argument --seed: invalid int value: 'x' (see tracer run",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, message, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tracer: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


class Failing:
    """A command that raises."""

    HELP = "raise"

    def __init__(self, error):
        self.error = error

    def add_arguments(self, parser):
        parser.add_argument("--quiet", action="store_true")

    def run(self, args):
        raise self.error


class TwoLines(TracerError):
    exit_code = 7


@pytest.fixture
def failing(monkeypatch):
    def install(error):
        monkeypatch.setattr(commands, "load", lambda name: Failing(error))

    return install


def test_an_error_is_printed_in_its_lines_with_its_exit_code(failing, capsys):
    failing(TwoLines("first\n\n  second   part\n"))
    assert cli.main(["run"]) == 7
    assert capsys.readouterr().err == "tracer: first\n  second part\n"


def test_an_error_does_not_go_on_without_end(failing, capsys):
    failing(TwoLines("\n".join(["long " * 10_000, *map(str, range(500))])))
    assert cli.main(["run"]) == 7
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 13
    assert len(told[0]) < 2100
    assert told[-1] == "  … 489 more lines (--traceback shows all)"


@pytest.mark.parametrize("arguments", [["--traceback", "run"], ["run", "--traceback"]])
def test_traceback_lets_the_error_through(failing, arguments):
    failing(InputError("here"))
    with pytest.raises(InputError, match="here"):
        cli.main(arguments)


def test_a_defect_is_not_dressed_up(failing):
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.main(["run"])


def test_ctrl_c_ends_with_130(failing, capsys):
    failing(KeyboardInterrupt())
    assert cli.main(["run"]) == 130
    assert capsys.readouterr().err == "tracer: interrupted\n"


def test_a_reader_that_goes_away_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "tracer", "run", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process:
        assert process.stderr.read() == ""
    assert process.returncode == 141


# tracer run


def test_run_records_a_pass(picture, output, capsys):
    assert cli.main(["run", picture, picture, "-o", output, *SMALL]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{output}: pass of FasterRCNN, ")
    assert captured.err == "random weights (seed 0): take --weights COCO_V1 for trained ones\n"
    trace = tracer.load(output)
    assert (trace.kind, trace.error, trace.environment["mode"]) == ("pass", None, "eval")
    assert trace.settings.grains == ("module", "function", "op", "line")
    assert len(anatomy(trace).detections) == 2  # enough was kept for every view
    images = trace.calls[0].args["images"].items
    shapes = [trace.tensors[value.tensor].summary.shape for _, value in images]
    assert shapes == [(3, 60, 80)] * 2
    assert {stage.name for stage in trace.stages} >= {"transform", "fpn", "rpn", "roi_heads"}


def test_the_same_seed_records_the_same_pass(picture, tmp_path):
    def proposals(name, seed):
        path = str(tmp_path / name)
        assert cli.main(["run", picture, "-o", path, *SMALL, "--seed", seed]) == 0
        trace = tracer.load(path)
        (rpn,) = (call for call in trace.calls if call.path == "rpn")
        return [trace.tensors[i].summary for i in rpn.result.tensors()]

    first = proposals("a.safetensors", "1")
    assert proposals("b.safetensors", "1") == first
    assert proposals("c.safetensors", "2") != first


def test_run_keeps_nothing_if_told_so(picture, output, capsys):
    assert cli.main(["run", picture, "-o", output, *SMALL, "--keep", "none", "--grain", "op"]) == 0
    trace = tracer.load(output)
    assert trace.settings.grains == ("module", "function", "op")
    assert not any(name.startswith("data/") for name in trace.blobs)
    assert cli.main(["run", picture, "--keep", "none", "--keep", "rpn", *SMALL]) != 0
    assert "--keep none keeps nothing" in capsys.readouterr().err


def test_run_narrows_and_keeps_what_is_asked_for(picture, output):
    arguments = ["--grain", "module", "--keep", "backbone.fpn", "--only", "backbone*"]
    assert cli.main(["run", picture, "-o", output, *SMALL, *arguments, "--no-previews"]) == 0
    trace = tracer.load(output)
    assert {call.kind for call in trace.calls} == {"module"}
    assert all(call.path.startswith("backbone") or not call.path for call in trace.calls)
    assert trace.settings.keep == ("backbone.fpn",)
    assert any(name.startswith("data/") for name in trace.blobs)
    assert not any(name.startswith("preview/") for name in trace.blobs)


def test_run_trains_with_gradients(picture, targets, output):
    arguments = ["--train", "--targets", targets, "--backward", "--set", "num_classes=3"]
    assert cli.main(["run", picture, "-o", output, *SMALL, *arguments]) == 0
    trace = tracer.load(output)
    assert trace.environment["mode"] == "train"
    assert trace.calls[0].result is not None
    assert [name for name, _ in trace.calls[0].result.items if name.startswith("loss")]
    assert all(each.gradient is not None for each in trace.parameters if each.trainable)


def test_run_records_a_construction(output, capsys):
    arguments = ["--set", "trainable_layers=2", "--set", "norm_layer=FrozenBatchNorm2d"]
    assert cli.main(["run", "--build", "-o", output, *SMALL, *arguments]) == 0
    assert "construction of resnet_fpn" in capsys.readouterr().out
    trace = tracer.load(output)
    assert trace.kind == "construction"
    assert any(call.path == "ResNet._make_layer" for call in trace.calls)
    frozen = {each.name.split(".")[2] for each in trace.parameters if not each.trainable}
    assert frozen == {"conv1", "layer1", "layer2"}


def test_run_takes_a_picture_of_one_pixel(tmp_path, output):
    path = tmp_path / "dot.png"
    Image.new("RGB", (1, 1), "red").save(path)
    assert cli.main(["run", str(path), "-o", output, *SMALL]) == 0
    assert tracer.load(output).error is None


def test_a_pass_that_raises_leaves_its_recording(tmp_path, output, capsys):
    """A picture of 1×10,000 pixels is resized to a height of nothing."""
    path = tmp_path / "thin.png"
    Image.new("RGB", (10_000, 1)).save(path)
    assert cli.main(["run", str(path), "-o", output, *SMALL]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("tracer: the pass failed in ")
    assert f"the recording up to there is in '{output}'" in message
    trace = tracer.load(output)
    assert trace.error is not None
    assert trace.error.type in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "name the pictures"),
        (["run", "nowhere.png"], "there is no picture 'nowhere.png'"),
        (["run", "PICTURE", "-o", "nowhere/pass.safetensors"], "there is no folder 'nowhere'"),
        (["run", "PICTURE", "-o", "."], "is a folder: name the file"),
        (["run", "PICTURE", "--model", "fasterrcn"], "there is no model 'fasterrcn'"),
        (["run", "PICTURE", "--weights", "COCO"], "has no weights 'COCO'; did you mean 'COCO_V1'"),
        (["run", "PICTURE", "--weights", "a.pth"], "no checkpoint file 'a.pth'"),
        (["run", "PICTURE", "--device", "gpu"], "device 'gpu' cannot be used"),
        (["run", "PICTURE", "--set", "num_classes"], "--set takes OPTION=VALUE"),
        (["run", "PICTURE", "--set", "nun_classes=3"], "did you mean 'num_classes'"),
        (["run", "PICTURE", "--grain", "lines", *SMALL], "'lines'; did you mean 'line'"),
        (["run", "PICTURE", "--train"], "needs --targets FILE"),
        (["run", "PICTURE", "--backward"], "--backward needs --train"),
        (["run", "PICTURE", "--build"], "it takes no pictures"),
        (
            ["run", "--build", "--weights", "a.pth", *SMALL],
            "without weights from a file: leave 'a.pth'",
        ),
        (
            ["run", "PICTURE", "--train", "--targets", "no.json", *SMALL],
            "no targets file 'no.json'",
        ),
    ],
)
def test_bad_input_is_one_line(arguments, message, picture, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert cli.main([picture if word == "PICTURE" else word for word in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line[:6] == "tracer"]
    assert len(lines) == 1
    assert message in lines[0]
    assert sorted(tmp_path.iterdir()) == before


# tracer demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The whole demo, once: its folder, and what it said on stdout and stderr."""
    folder = tmp_path_factory.mktemp("demo")
    picture = folder / "street.png"
    Image.linear_gradient("L").resize((80, 60)).save(picture)
    options = ["--picture", str(picture), "--weights", "none", "--min-size", "64"]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert cli.main(["demo", "-o", str(folder / "demo"), *options]) == 0
    return folder / "demo", out.getvalue(), err.getvalue()


@pytest.fixture
def no_reports(monkeypatch):
    """Of the demo and of a lecture, the recordings alone."""
    from tracer.commands import demo, lecture

    for command in (demo, lecture):
        monkeypatch.setattr(command, "write_lecture", lambda *_: None)


def test_demo_writes_everything_and_an_index_to_it(demo):
    folder, out, err = demo
    assert "random weights (seed 0): shapes are real, detections mean nothing" in err
    assert out.splitlines()[-1].startswith(f"open {folder / 'index.html'} in a browser")
    index = (folder / "index.html").read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in re.findall(r'(?:href|src)="([^"]+)"', index)} - {""}
    assert all((folder / link).is_file() for link in links)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    shown = {name for name in files if not name.startswith("figures")}
    assert shown - links == {"index.html", "pass.safetensors", "construction.safetensors"}
    assert {"figures/index.html", "figures.zh/index.html"} <= links
    assert len(list((folder / "figures.zh").glob("*.png"))) >= 20
    for name in ("slides.html", "handout.pdf", "pass-commentary.md", "reports/pass-tree.html"):
        chinese = name.replace(".", ".zh.", 1)
        assert {name, chinese} <= links
        assert (folder / name).read_bytes() != (folder / chinese).read_bytes()
    for name in ("pass", "construction"):
        trace = tracer.load(folder / f"{name}.safetensors")
        assert trace.kind == name
        calls = json.loads((folder / f"reports/{name}-calls.json").read_text(encoding="utf-8"))
        assert len(calls) == len(trace.calls)


@pytest.mark.parametrize(("langs", "opens"), [(("zh", "en"), None), (("zh",), "zh")])
def test_pages_of_a_lecture_open_in_its_language_or_in_their_readers(
    langs, opens, tmp_path, monkeypatch
):
    from tracer.commands import lecture

    for rest in ("_pieces", "_index"):
        monkeypatch.setattr(lecture, rest, lambda *_: "")
    lecture.write_lecture(tmp_path, handmade.tiny_pass(), handmade.tiny_construction(), langs)
    page = (tmp_path / "pass.html").read_text(encoding="utf-8")
    data, _ = unpack(re.search(r'id="recording">([^<]*)<', page)[1])
    assert data["lang"] == opens


def test_a_lecture_is_of_ones_own_pictures(no_reports, picture, tmp_path, monkeypatch, capsys):
    from tracer.rcnn import pictures

    read, load = [], pictures.load_pictures
    monkeypatch.setattr(pictures, "load_pictures", lambda files: read.append(files) or load(files))
    options = ["--weights", "none", *SMALL]
    assert cli.main(["lecture", picture, picture, "-o", str(tmp_path / "l"), *options]) == 0
    assert read == [[picture, picture]]  # once
    trace = tracer.load(tmp_path / "l" / "pass.safetensors")
    assert len(trace.calls[0].args["images"].items) == 2
    assert len(anatomy(trace).detections) == 2
    assert tracer.load(tmp_path / "l" / "construction.safetensors").kind == "construction"


def test_a_lecture_has_the_construction_before_weights_from_a_file(
    no_reports, picture, tmp_path, capsys
):
    import torch

    own = tmp_path / "own.pt"
    torch.save(models.build(SMALL[1], num_classes=4).state_dict(), own)
    assert cli.main(["lecture", picture, "-o", str(tmp_path), "--weights", str(own), *SMALL]) == 0
    for name in ("pass", "construction"):
        modules = tracer.load(tmp_path / f"{name}.safetensors").modules
        assert dict(modules["roi_heads.box_predictor.cls_score"].settings)["out_features"] == "4"


def test_the_demos_weights_tell_their_classes():
    assert models.is_from_file(models.DEFAULT, "demo")
    assert models.classes_in_file(models.DEFAULT, "demo") == {"num_classes": 5}


def test_a_lecture_of_no_picture_is_refused_before_anything_is_fetched(tmp_path, capsys):
    """With its usual weights, which are downloaded."""
    assert cli.main(["lecture", "none.png", "-o", str(tmp_path / "l")]) == 2
    assert capsys.readouterr().err == "tracer: there is no picture 'none.png'\n"
    assert list(tmp_path.iterdir()) == []


def test_the_demo_finds_what_is_in_its_scene(no_reports, tmp_path, capsys):
    assert cli.main(["demo", "-o", str(tmp_path), "--min-size", "256"]) == 0
    assert "the demo's scenes, the demo's own weights" in capsys.readouterr().err
    trace = tracer.load(tmp_path / "pass.safetensors")
    scores = trace.tensors[trace.calls[0].result[0]["scores"].tensor].summary
    assert scores.max > 0.8
    (transform,) = (call for call in trace.calls if call.path == "transform")
    assert trace.data(transform.result[0]["tensors"].tensor).shape[:2] == (2, 3)
    scales = {picture.scale for picture in anatomy(trace).pictures}
    assert len(scales) == 2
    training = anatomy(tracer.load(tmp_path / "training.safetensors"))
    assert len(training.losses.losses) == 4


def test_the_demo_takes_the_photograph(no_reports, tmp_path, capsys):
    options = ["--picture", "photo", "--weights", "none", "--min-size", "64"]
    assert cli.main(["demo", "-o", str(tmp_path), *options]) == 0
    assert "matplotlib's sample photograph, random weights" in capsys.readouterr().err
    trace = tracer.load(tmp_path / "pass.safetensors")
    assert trace.tensors[trace.calls[0].args["images"][0].tensor].summary.shape == (3, 600, 512)


def test_the_demos_architecture_is_what_print_prints(demo):
    from tracer.rcnn import models

    text = (demo[0] / "reports" / "pass-architecture.txt").read_text(encoding="utf-8")
    assert text == f"{models.build(min_size=64)!r}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "street.png"], "'street.png' cannot be a folder: File exists"),
        (["--picture", "nowhere.png"], "there is no picture 'nowhere.png'"),
        (["--picture", "street.png", "--weights", "COCO_V9"], "has no weights 'COCO_V9'"),
        (["--lang", "de"], "invalid choice: 'de'"),
    ],
)
def test_bad_input_to_demo_is_one_line(options, message, picture, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", *options]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tracer:")]
    assert len(lines) == 1
    assert message in lines[0]


def test_what_a_recording_notes_is_said_as_it_is_saved(picture, output, capsys):
    assert cli.main(["run", picture, "-o", output, *SMALL, "--keep", "batched_nsm"]) == 0
    said = capsys.readouterr().err
    assert "tracer: --keep 'batched_nsm' fits no call that was recorded; did you mean" in said
