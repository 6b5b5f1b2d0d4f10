"""tracer show: each report and format from a file, options that do not fit, light and plain."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys

import pytest
from handmade import failed_pass, hostile_pass, repeated_pass, tiny_construction, tiny_pass

from tracer import cli
from tracer.commands import show
from tracer.errors import in_a_shell
from tracer.views.reports.columns import FIELDS
from tracer.views.reports.formats import FORMATS

STORIES = {
    "tiny": tiny_pass,
    "failed": failed_pass,
    "repeated": repeated_pass,
    "construction": tiny_construction,
    "hostile": hostile_pass,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("passes")
    return {
        name: str(story().save(folder / f"{name}.safetensors")) for name, story in STORIES.items()
    }


def run(capsys, *arguments):
    """Run the command line; return (exit code, stdout, stderr)."""
    code = cli.main(["show", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("format", show.FORMATS)
@pytest.mark.parametrize("report", show.REPORTS)
@pytest.mark.parametrize("story", STORIES)
def test_every_report_of_every_story_in_every_format(files, capsys, story, report, format):
    code, out, err = run(capsys, files[story], "--as", report, "--format", format)
    assert (code, err) == (0, "")
    assert out.endswith("\n")
    if format == "json":
        json.loads(out)


def in_the_shell(report):
    """Print a report as the command line does."""
    with in_a_shell():
        return f"{report()}\n"


def test_what_is_printed_is_the_report(files, capsys):
    _, out, _ = run(capsys, files["tiny"])
    assert out == in_the_shell(lambda: tiny_pass().table())
    _, out, _ = run(capsys, files["tiny"], "--as", "tree", "--depth", "1", "--lang", "zh")
    assert out == in_the_shell(lambda: tiny_pass().tree(depth=1, lang="zh"))
    _, out, _ = run(capsys, files["repeated"], "--no-fold")
    assert out == in_the_shell(lambda: repeated_pass().table(fold=False))
    _, out, _ = run(capsys, files["tiny"], "--as", "stages")
    assert out == in_the_shell(lambda: tiny_pass().board())
    _, out, _ = run(capsys, files["tiny"], "--as", "architecture", "--annotated", "--fold")
    assert out == in_the_shell(lambda: tiny_pass().architecture(annotated=True, fold=True))
    _, out, _ = run(capsys, files["tiny"], "--format", "json", "--grain", "module")
    assert out == in_the_shell(lambda: tiny_pass().to_json(grain="module"))


def test_the_architecture_is_what_print_prints(files, capsys):
    _, out, _ = run(capsys, files["tiny"], "--as", "architecture", "--path", "body.conv,head")
    assert out.split("\n")[1:] == ["Linear(in_features=4, out_features=2, bias=True)", ""]
    _, out, _ = run(capsys, files["tiny"], "--as", "architecture")
    assert out.split("\n")[:3] == [
        "TinyNet(",
        "  (body): Sequential(",
        "    (conv): Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)",
    ]


def test_columns_path_and_stage(files, capsys):
    _, out, _ = run(
        capsys,
        *(files["tiny"], "--format", "csv", "--columns", "path,macs", "--stage", "body"),
    )
    assert list(csv.reader(io.StringIO(out))) == [
        ["path", "macs"],
        ["body", ""],
        ["body.conv", "5184"],
        ["body.bn", ""],
        ["body.relu", ""],
    ]
    _, out, _ = run(capsys, files["tiny"], "--as", "stages", "--columns", "stage,output")
    assert out.split("\n")[2] == "Stage  Output"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "markdwn"], "did you mean 'markdown'?"),
        (["--as", "tabel"], "did you mean 'table'"),
        (["--lang", "fr"], "argument --lang: invalid choice: 'fr'"),
        (["--columns", "mac"], "no column 'mac'; did you mean 'macs'"),
        (["--as", "stages", "--columns", "stag"], "no column 'stag'; did you mean 'stage'"),
        (["--path", "body.con"], "'body.con'; did you mean 'body.conv'"),
        (["--stage", "bod"], "no stage 'bod'; did you mean 'body'?"),
        (["--grain", "modul"], "no grain 'modul' to show; did you mean 'module'"),
        (["--as", "stages", "--depth", "1"], "--depth says nothing about --as stages"),
        (["--as", "architecture", "--path", "bdy"], "no module 'bdy'; did you mean 'body'"),
        (["--as", "architecture", "--depth", "1"], "--depth says nothing about --as architecture"),
        (["--wide", "--format", "csv"], "--wide is of text"),
        (["--annotated"], "--annotated says nothing about --as table"),
        (["--depth", "-1"], "--depth counts levels from 0; found -1"),
        (["--format", "json", "--columns", "call"], "--columns cannot change the JSON list"),
        (["--format", "json", "--fold"], "--fold cannot change the JSON list"),
    ],
)
def test_mistakes_end_in_one_sentence(files, capsys, arguments, message):
    code, out, err = run(capsys, files["tiny"], *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


def test_a_file_that_is_not_there(capsys, tmp_path):
    code, out, err = run(capsys, str(tmp_path / "nothing.safetensors"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "nothing.safetensors" in err


def test_options_are_those_of_the_writers():
    assert tuple(FORMATS) == show.FORMATS


SCRIPT = """
import sys
from tracer import cli
code = cli.main(["show", *sys.argv[1:]])
heavy = {"torch", "torchvision", "matplotlib", "pandas", "IPython"} & set(sys.modules)
sys.exit(f"it loaded {heavy}" if heavy else code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("report", show.REPORTS)
def test_it_loads_neither_torch_nor_matplotlib(files, report):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, files["tiny"], "--as", report],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "TinyNet" in done.stdout or "Stage" in done.stdout


def test_a_pipe_gets_no_colour_and_no_cut_column(files):
    """Also where the environment says that the terminal is narrow, and asks for colour."""
    environment = {**os.environ, "COLUMNS": "40", "FORCE_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, files["tiny"]],
        capture_output=True,
        env=environment,
    )
    with in_a_shell():
        assert done.stdout.decode() == f"{tiny_pass().table()}\n"


def test_text_has_about_120_columns_unless_all_are_asked_for(files, capsys):
    _, out, _ = run(capsys, files["tiny"], "--columns", ",".join(FIELDS))
    assert max(map(len, out.splitlines())) <= 120
    assert "--wide has all of them" in " ".join(out.split())
    _, out, _ = run(capsys, files["tiny"], "--columns", ",".join(FIELDS), "--wide")
    assert max(map(len, out.splitlines())) > 240
    assert "Not shown" not in out


def on_a_terminal(columns: int, *arguments: str) -> str:
    """Run it on a pseudo-terminal of so many columns; return what that got."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's end of a pseudo-terminal
            part = b""
        if not part:
            break
        parts.append(part)
    os.close(ours)
    assert process.wait() == 0
    return b"".join(parts).decode()


def test_a_terminal_gets_colour_and_its_width(files):
    import re

    text = on_a_terminal(60, files["tiny"])
    assert "\x1b[" in text
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")
    assert max(len(line) for line in bare.split("\n")) <= 60
    assert "Not shown for lack of width:" in bare


def test_a_terminal_gets_other_formats_uncut(files):
    text = on_a_terminal(40, files["tiny"], "--format", "csv").replace("\r\n", "\n")
    assert text == f"{tiny_pass().table().to('csv')}\n"
