"""The full-screen stepper: its screens as text, keys, mouse, and what is too small."""

from __future__ import annotations

import contextlib

import handmade
import pytest
import stories
from golden_files import check_golden
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from screens import play
from textual.widgets import Input

from tracer.cli import main
from tracer.errors import MissingError
from tracer.stepper import Stepper
from tracer.views.kit.palette import TERMINAL, ramp
from tracer.views.screen.colours import fitted
from tracer.views.screen.panels import CallTree, LocalsTable, Prose
from tracer.views.screen.picture import TensorPane
from tracer.views.screen.source import MARGIN, SourceView
from tracer.views.screen.timeline import TimelineBar

pytestmark = pytest.mark.slow

SMALL, LARGE = (80, 24), (160, 50)


@pytest.mark.parametrize(
    ("name", "keys", "size", "lang"),
    [
        ("call_80x24", "] s s s v", SMALL, "en"),
        ("function_160x50", "s s s n", LARGE, "en"),
        ("line_80x24", "n n n n b", SMALL, "en"),
        ("line_120x36", "n n n n b", (120, 36), "en"),
        ("tensor_80x24", "n n n n v", SMALL, "en"),
        ("stack_80x24", "s s s v v", SMALL, "en"),
        ("tree_80x24", "s s s v v v", SMALL, "en"),
        ("end_160x50_zh", "end", LARGE, "zh"),
        ("keys_80x24", "question_mark", SMALL, "en"),
        ("keys_80x24_zh", "question_mark", SMALL, "zh"),
    ],
)
def test_screens(name, keys, size, lang):
    _, shown = play(handmade.tiny_pass(), keys, size, lang)
    lines = shown.split("\n")
    assert len(lines) <= size[1] + 1
    check_golden(f"screen_{name}.txt", shown.rstrip())


def test_a_failed_run_shows_where_and_why():
    _, shown = play(handmade.failed_pass())
    assert "33▶" in shown
    _, shown = play(handmade.failed_pass(), "end", LARGE)
    assert "--Exception--" in shown
    assert "RuntimeError: mat1 and mat2" in shown


def test_every_move_has_a_key():
    keys = {"s": "s", "S": "rs", "n": "n", "N": "rn", "right": "n", "left": "rn", "space": "n"}
    keys |= {"r": "r", "o": "r", "R": "rr", "O": "rr", "c": "c", "C": "rc", "t": "until", "u": "u"}
    keys |= {
        "right_square_bracket": "]",
        "left_square_bracket": "[",
        "home": "first",
        "end": "last",
    }
    trace, tick = stories.pyramid_pass(), 25

    async def then(app, pilot):
        for key, command in keys.items():
            expected = Stepper(trace, tick)
            with contextlib.suppress(MissingError):
                expected.do(command)
            app.stepper.goto(tick)
            await pilot.press(key)
            assert (app.stepper.tick, app.stepper.selected) == (expected.tick, expected.selected), (
                key
            )

    play(trace, then=then)


def typed(*commands):
    """Type commands into the command line."""

    async def then(app, pilot):
        for command in commands:
            await pilot.press("colon")
            app.query_one("#command", Input).value = command
            await pilot.press("enter")
            await pilot.press("escape")

    return then


def test_the_command_line_answers_and_remembers():
    async def then(app, pilot):
        await typed("p images", "nxt")(app, pilot)
        await pilot.press("colon", "up", "up")
        assert app.query_one("#command", Input).value == "p images"
        await pilot.press("down")
        assert app.query_one("#command", Input).value == "nxt"
        await pilot.press("down")
        assert app.query_one("#command", Input).value == ""

    _, shown = play(handmade.tiny_pass(), then=then)
    assert "*** no command or name 'nxt'; did you mean 'next'" in shown


def test_letters_are_text_in_the_command_line_and_keys_outside():
    app, _ = play(handmade.tiny_pass(), "colon n n escape")
    assert app.stepper.tick == 0
    app, _ = play(handmade.tiny_pass(), "slash s . m e a n enter")
    assert app.stepper.line.line == handmade.at("features.mean").line


def test_long_answers_open_over_the_screen_and_close_on_a_key():
    _, shown = play(handmade.tiny_pass(), "colon h enter")
    assert "undoes s" in shown
    _, shown = play(handmade.tiny_pass(), "colon h enter escape")
    assert "undoes s" not in shown
    app, shown = play(handmade.tiny_pass(), "question_mark pagedown x s")
    assert "back one step" not in shown
    assert app.stepper.tick == 1


def test_a_command_gives_the_keys_back():
    app, _ = play(handmade.tiny_pass(), "colon n enter s s")
    assert app.stepper.tick == play(handmade.tiny_pass(), "n s s")[0].stepper.tick


@pytest.mark.parametrize("key", ["up", "pagedown", "tab", "q", "x", "space"])
def test_any_key_closes_a_text_that_is_all_in_sight(key):
    async def then(app, pilot):
        await pilot.press("question_mark")
        assert len(app.screen_stack) == 2
        await pilot.press(key)
        assert len(app.screen_stack) == 1

    app, _ = play(handmade.tiny_pass(), size=(120, 100), then=then)
    assert app.return_code is None


def test_the_current_line_stands_a_third_from_the_top_and_never_at_an_edge():
    trace = stories.pyramid_pass()

    async def then(app, pilot):
        source = app.query_one(SourceView)
        third = source.scrollable_content_region.height // 3
        places = []
        for _ in range(12):
            await pilot.press("s")
            await pilot.pause()
            places.append((source.current - 1, source.current - 1 - source.scroll_offset.y))
        assert all(third // 2 <= y <= 2 * third for row, y in places if row > third)
        assert any(y == third for _, y in places)

    play(trace, size=SMALL, then=then)


def test_q_leaves():
    app, _ = play(handmade.tiny_pass(), "s q")
    assert app.return_code == 0


# --- breakpoints and the mouse --------------------------------------------------------------------


def test_b_sets_and_removes_a_breakpoint_on_the_chosen_line():
    app, shown = play(handmade.tiny_pass(), "s down down b")
    assert [str(b) for b in app.stepper.breakpoints.values()] == ["tiny/model.py:31"]
    assert "●   31" in shown
    app, shown = play(handmade.tiny_pass(), "s down down b b")
    assert not app.stepper.breakpoints
    _, shown = play(handmade.tiny_pass(), "s up up up up up b")
    assert "did not run in this recording" in shown


def test_a_click_in_the_margin_toggles_a_breakpoint():
    async def then(app, pilot):
        source = app.query_one(SourceView)
        row = handmade.at("pooled = ").line - 1 - source.scroll_offset.y + 1
        await pilot.click(SourceView, offset=(3, row))
        assert [b.location.line for b in app.stepper.breakpoints.values()] == [32]
        await pilot.click(SourceView, offset=(MARGIN + 6, row - 1))
        assert len(app.stepper.breakpoints) == 1
        assert source.chosen == 31
        await pilot.click(SourceView, offset=(3, row))
        assert not app.stepper.breakpoints

    play(handmade.tiny_pass(), "s", then=then)


def test_the_timeline_is_scrubbed_with_the_mouse():
    async def then(app, pilot):
        bar = app.query_one(TimelineBar)
        await pilot.click(TimelineBar, offset=(40, 0))
        assert app.stepper.tick == bar.tick_at(40, 80)
        await pilot.mouse_down(TimelineBar, offset=(10, 1))
        await pilot.hover(TimelineBar, offset=(70, 1))
        await pilot.mouse_up(TimelineBar, offset=(70, 1))
        assert app.stepper.tick == bar.tick_at(70, 80)
        await pilot.hover(TimelineBar, offset=(20, 1))
        assert app.stepper.tick == bar.tick_at(70, 80)

    play(handmade.tiny_pass(), then=then)


def test_every_column_of_the_timeline_leads_to_a_position_in_it():
    bar = TimelineBar(Stepper(handmade.tiny_pass()))
    known = bar.stepper.timeline.ticks
    for width in (1, 7, 38, 80, 500):
        ticks = [bar.tick_at(column, width) for column in range(width)]
        assert ticks == sorted(ticks)
        assert set(ticks) <= set(known)
        assert all(0 <= bar.column(tick, width) < width for tick in known)


def test_tree_and_stack_lead_to_their_calls():
    async def then(app, pilot):
        tree = app.query_one(CallTree)
        tree.focus()
        await pilot.press("end", "enter")
        assert app.stepper.position.call.path == "head"
        app.query_one("#stack").focus()
        await pilot.press("home", "enter")
        assert app.stepper.call.path == ""
        assert app.stepper.position.call.path == "head"

    play(handmade.tiny_pass(), size=LARGE, then=then)


def test_the_tree_follows_and_shows_no_ops():
    async def then(app, pilot):
        tree = app.query_one(CallTree)
        app.carry_out("goto body.bn")
        await pilot.pause()
        assert app.stepper.trace.calls[tree.cursor_node.data].path == "body.bn"
        app.carry_out("goto mean")
        await pilot.pause()
        assert app.stepper.trace.calls[tree.cursor_node.data].path == ""

    _, shown = play(handmade.tiny_pass(), size=LARGE, then=then)
    assert "relu_" not in shown
    assert "■ body Sequential 1×4×6×8" in shown


# --- locals and the picture -----------------------------------------------------------------------


def test_what_just_changed_is_selected_and_drawn():
    async def then(app, pilot):
        row = app.query_one(LocalsTable).selected
        assert (row.name, row.changed) == ("x", True)

    _, shown = play(handmade.tiny_pass(), "n n n v", then=then)
    assert "‹1/3› mean, image 0" in shown
    assert shown.count("▀") > 20


def test_channels_go_round():
    async def then(app, pilot):
        pane = app.query_one(TensorPane)
        seen = [pane.plane]
        for key in ("full_stop", "full_stop", "full_stop", "comma"):
            await pilot.press(key)
            seen.append(pane.plane)
        assert seen == [0, 1, 2, 0, 2]
        pane.focus()
        await pilot.press("right")
        assert pane.plane == 0
        assert app.stepper.tick == tick

    tick = 13
    play(handmade.tiny_pass(), "n n n v", then=then)


def test_the_selected_local_is_shown():
    async def then(app, pilot):
        app.query_one(LocalsTable).focus()
        await pilot.press("up", "up")
        assert app.query_one(TensorPane).name_shown == "images"

    _, shown = play(handmade.tiny_pass(), "n n n v", then=then)
    assert "[3, 6, 8] float32" in shown
    assert "no picture of this tensor" in shown


def test_nan_stands_out():
    _, shown = play(stories.pyramid_pass(), size=LARGE, then=typed("watch has_nan(lateral)", "c"))
    assert "NaN×1" in shown


def test_pictures_fit_and_keep_their_ends():
    import numpy as np

    plane = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    for width, height in [(10, 10), (200, 20), (1, 1), (64, 48)]:
        fit = fitted(plane, width, height)
        assert fit.shape[0] <= height
        assert fit.shape[1] <= width
        assert max(fit.shape[0] / height, fit.shape[1] / width) > 0.5
    assert (fitted(plane, 64, 48) == plane).all()
    low, high = ramp(TERMINAL)[[0, 255]]
    assert low.sum() < high.sum()


# --- sizes, languages, hostile names --------------------------------------------------------------


def test_a_terminal_that_is_too_small_says_so():
    for size in [(79, 24), (80, 23), (30, 10)]:
        _, shown = play(handmade.tiny_pass(), size=size)
        assert f"{size[0]}×{size[1]}" in shown.replace("\n", " ")
        assert "Source" not in shown
    _, shown = play(handmade.tiny_pass(), size=(60, 20), lang="zh")
    assert "终端只有" in shown


def test_the_command_refuses_a_terminal_that_is_too_small(tmp_path, monkeypatch, capsys):
    path = tmp_path / "pass.safetensors"
    handmade.tiny_pass().save(path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    assert main(["step", str(path)]) == 2
    assert "60×20 characters and the full screen needs 80×24" in capsys.readouterr().err


def test_it_follows_the_size_of_the_terminal():
    async def then(app, pilot):
        await pilot.resize_terminal(160, 50)
        await pilot.pause()
        assert app.query_one(CallTree).display
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert not app.query_one(CallTree).display

    play(handmade.tiny_pass(), then=then)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_hostile_names_are_shown_as_text(size):
    trace = handmade.hostile_pass()

    async def then(app, pilot):
        for _ in range(3):
            for key in ("s", "v"):
                await pilot.press(key)
        while not app.stepper.at_end:
            app.carry_out("s 4")
            await pilot.pause()
        app.carry_out("goto 6")

    _, shown = play(trace, size=size, then=then)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]not red" in shown


@pytest.mark.parametrize("name", ["[red]a[/red].py", "[/nothing].py", "[@click=app.quit]b.py"])
def test_a_file_with_markup_in_its_name_is_shown_as_text(name):
    draft = handmade.Draft(handmade.SourceFile(name, "x = 1\n", "[bold]pkg[/bold]"))
    with draft.call("function", name, "m", source=handmade.Source(name, 1)):
        draft.line(1)
    _, shown = play(draft.trace("pass", name), "s s", LARGE)
    assert f"─ {name} · [bold]pkg[/bold] ─" in shown
    assert f"pass of {name}" in shown


@pytest.mark.parametrize("make", [handmade.repeated_pass, stories.two_roots])
def test_a_recording_without_lines_or_source_can_be_stepped(make):
    app, shown = play(make(), "n n s s c")
    assert app.stepper.at_end
    assert "no source was recorded" in shown


def test_a_construction_can_be_stepped():
    _, shown = play(handmade.tiny_construction(), "n n s s s n n", LARGE)
    assert "construction of build" in shown
    assert "layers" in shown


@pytest.mark.parametrize("width", [14, 20, 30])
def test_prose_breaks_chinese_between_characters_and_words_nowhere(width):
    told = "两阶段检测器都挂在这里：`transform`、`backbone`、`rpn`。Mask R-CNN 也一样\n\n完"
    console = Console(width=width)
    given = [*Prose(Text(told, "bold")).__rich_console__(console, console.options)]
    lines = [line.plain for line in given]
    assert "".join(lines).replace(" ", "") == told.replace("\n", "").replace(" ", "")
    assert max(map(cell_len, lines)) <= width
    assert all(cell_len(line) > width - 12 for line in lines[: lines.index("") - 1])
    assert not [line for line in lines if line[:1] in set("、。：")]
    for word in ("`transform`", "`backbone`", "`rpn`", "Mask", "R-CNN"):
        assert any(word in line for line in lines), word
    assert {str(line.style) for line in given} == {"bold"}
