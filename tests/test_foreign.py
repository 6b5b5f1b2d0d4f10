"""Nothing in a recording reaches a terminal or Markdown as anything but words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata

import handmade
import pytest
from markdown_it import MarkdownIt
from odd_recordings import ESCAPES, poisoned
from screens import play

from tracer.cli import main
from tracer.errors import InputError
from tracer.foreign import clean, clean_lines, in_prose
from tracer.record.checks import problems
from tracer.stepper import COMMANDS, Stepper
from tracer.views.screen import prompt as plain

STORIES = {
    story.__name__: story
    for story in (handmade.tiny_pass, handmade.failed_pass, handmade.tiny_construction)
}
SHOWN = [
    *(("show", "--as", report) for report in ("table", "tree", "stages", "architecture")),
    ("show", "--as", "parameters"),
    ("show", "--as", "architecture", "--annotated", "--fold"),
    *(("show", "--format", each) for each in ("markdown", "csv", "html", "json", "latex")),
    ("show", "--stage", f"no{ESCAPES}"),
    ("show", "--path", "body"),
    ("explain",),
    ("explain", "--lang", "both"),
    ("explain", "--stage", "no"),
    ("explain", "--path", "no"),
    ("explain", "--path", f"body{ESCAPES}"),
    ("explain", "--function", "no"),
    ("explain", "--function", f"normalize{ESCAPES}"),
    ("slides", "--stages", "no"),
]


def obeyed(text: str) -> str:
    """Return what of a text a terminal would obey: all that is not seen, but line breaks, tabs."""
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(c for c in text if c not in "\n\t" and unicodedata.category(c) in unseen)


@pytest.fixture(scope="module", params=STORIES)
def trace(request):
    return poisoned(STORIES[request.param]())


@pytest.fixture(scope="module")
def file(trace, tmp_path_factory):
    name = "pass\x1b]0;title\x07\u202e.safetensors"
    path = tmp_path_factory.mktemp("odd") / name
    trace.save(path)
    return path


def test_every_string_is_poisoned(trace):
    assert problems(trace) == []
    dtypes = [state.summary.dtype for state in trace.tensors]
    for text in (trace.subject, trace.calls[-1].type, *dtypes):
        assert text.endswith(ESCAPES)
    assert all(name.endswith(ESCAPES) for name in (*trace.sources, *trace.environment))


@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
def test_commands(file, arguments, capsys):
    command, *options = arguments
    code = main([command, str(file), *options])
    out, err = capsys.readouterr()
    assert (code, bool(out), bool(err)) in ((0, True, False), (2, False, True)), err
    assert obeyed(out + err) == ""


ODD = f"no{ESCAPES}"
WRITTEN = [
    *(("page", "FILE", "-o", name) for name in ("a\x1b[2J.html", "a\x07\u202e", "no\x1b/a.html")),
    ("page", "FILE", "--at", f"call={ODD}"),
    ("figures", "FILE", "-o", "a\x1b[2J"),
    ("figures", "FILE", "-o", "a", "--names", ODD),
    ("slides", "FILE", "-o", "a\x1b[2J.html"),
    ("slides", "FILE", "-o", "a\x1b]0;\x07.no"),
    ("show", "FILE", "-o", "a\x1b[2J.md"),
    ("run", ODD),
    ("run", "PICTURE", "--weights", ODD),
    ("run", "PICTURE", "--weights", "WEIGHTS"),
    ("run", "PICTURE", "--model", ODD),
    ("run", "PICTURE", "--weights", "none", "--targets", "TARGETS"),
    ("run", "PICTURE", "--weights", "none", "--keep", f"rpn{ESCAPES}"),
    ("demo", "-o", "PICTURE"),
    ("demo", "--picture", ODD, "-o", "a\x1b[2J"),
]


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Files whose names and contents hold what a terminal obeys."""
    import torch
    from PIL import Image

    folder = tmp_path_factory.mktemp("named")
    odd = {each: folder / f"{each}\x1b]0;title\x07" for each in ("PICTURE", "WEIGHTS", "TARGETS")}
    Image.new("RGB", (32, 32)).save(odd["PICTURE"], "PNG")
    torch.save({f"backbone{ESCAPES}": torch.ones(2)}, odd["WEIGHTS"])
    odd["TARGETS"].write_text(json.dumps({"images": [{"id": 1, "file_name": ODD}], ODD: []}))
    return odd


@pytest.mark.slow
@pytest.mark.parametrize("arguments", WRITTEN, ids=ascii)
def test_commands_that_write(file, named, arguments, capsys, tmp_path, monkeypatch):
    """What they say of files, of options and of what is in either."""
    monkeypatch.chdir(tmp_path)
    given = {"FILE": file, **named}
    main([str(given.get(argument, argument)) for argument in arguments])
    out, err = capsys.readouterr()
    assert out or err
    assert obeyed(out + err) == ""


def test_a_file_that_is_not_there(capsys):
    assert main(["show", f"no{ESCAPES}.safetensors"]) == 2
    assert obeyed(capsys.readouterr().err) == ""


def test_stepper(trace, file, tmp_path, capsys):
    """Every command, at every kind of step, with every name for its argument."""
    words = [name for name in COMMANDS if name.isalpha() and name not in ("q", "quit", "exit")]
    names = ["", "x", f"x{ESCAPES}", "self", "images", "no", "0", "find", f"body{ESCAPES}"]
    stepper = Stepper(trace)
    told = [plain.opening(stepper)]
    for word in words:
        told += (plain.answer(stepper, f"{word} {name}".strip()).text for name in names)
        told.append(stepper.describe())
    assert ESCAPES[1:4] in "".join(told)
    assert obeyed("".join(told)) == ""
    script = tmp_path / "script.txt"
    script.write_text("c\nw\nlocals\npp self\nno such thing\n")
    main(["step", str(file), "--commands", str(script)])
    assert obeyed("".join(capsys.readouterr())) == ""


def test_markdown_has_no_html_and_no_link(trace):
    from tracer.rcnn.narration import explain

    written = [explain(trace), explain(trace, lang="both")]
    written += [report.to("markdown") for report in (trace.table(), trace.tree(), trace.board())]
    for text in written:
        assert not {"html_inline", "html_block", "link_open", "image"} & kinds(text)


def kinds(text: str) -> set[str]:
    tokens = MarkdownIt().enable("table").parse(text)
    return {each.type for token in tokens for each in (token, *(token.children or ()))}


@pytest.mark.slow
def test_full_screen():
    """The text of what is written to the terminal, at several steps."""
    shown: list[str] = []

    async def walk(app, pilot):
        for command in ("s", "s", "c", "pp self", "w", "no"):
            app.carry_out(command)
            await pilot.pause()
            strips = app.screen._compositor.render_strips()
            shown.extend(segment.text for strip in strips for segment in strip)

    play(poisoned(handmade.tiny_pass()), size=(160, 50), then=walk)
    assert "\\x1b" in "".join(shown)
    assert obeyed("".join(shown)) == ""


def test_what_python_prints(trace):
    assert obeyed(f"{trace!r}{trace.calls[0]!r}{trace.tree()!r}") == ""


def test_errors():
    error = InputError(f"no {ESCAPES}\nbut this")
    assert obeyed(str(error)) == ""
    assert str(error).endswith("\nbut this")
    assert error.args[0].startswith(f"no {ESCAPES}")


def test_long_names_are_cut_in_errors():
    said = str(InputError(f"no {'a' * 5000}zyx here, {'b' * 200} there"))
    assert said == f"no {'a' * 120}…{'a' * 37}zyx here, {'b' * 200} there"


def test_cleaning():
    assert clean("a\tb\n\x1b]0;\u202e\ud800é中\u3000") == r"a\tb\n\x1b]0;\u202e\ud800é中" + "\u3000"
    assert clean_lines("a\tb\n\x1b\u2028") == "a\tb\n" + r"\x1b\u2028"
    assert clean("abcdef", 4) == "abc…"
    assert in_prose("a`b\n") == r"a'b\n"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full")
@pytest.mark.parametrize("shell", [">/dev/full", ">&-", "<&- >&-", ">&- 2>&-"])
def test_a_stream_that_takes_nothing(tmp_path, shell):
    """One line and a code; the interpreter's own last words are none."""
    path = tmp_path / "pass.safetensors"
    handmade.tiny_pass().save(path)
    command = f"{sys.executable} -m tracer.cli show {path} {shell}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 2
    if "2>" not in shell:
        assert re.fullmatch(r"tracer: <stdout>: [A-Z][a-z ]+\n", done.stderr)
