"""The stepper's moves, its state at a position, and its commands, on hand-built traces."""

from __future__ import annotations

import contextlib
import re

import handmade
import pytest
import stories
from hypothesis import given
from hypothesis import strategies as st

from tracer.errors import InputError, MissingError, TracerError
from tracer.record import query
from tracer.stepper import COMMANDS, Stepper
from tracer.stepper.help import groups

STORIES = {
    "tiny": handmade.tiny_pass(),
    "failed": handmade.failed_pass(),
    "repeated": handmade.repeated_pass(),
    "construction": handmade.tiny_construction(),
    "hostile": handmade.hostile_pass(),
    "pyramid": stories.pyramid_pass(),
    "two_roots": stories.two_roots(),
}


def stepper(name, tick=0):
    return Stepper(STORIES[name], tick)


def walk(stepper, script):
    """Carry out commands; return the ticks that they led to."""
    found = []
    for command in script.split():
        stepper.do(command)
        found.append(stepper.tick)
    return found


def snapshot(stepper):
    """Everything that a user can see at a position."""
    return (
        stepper.tick,
        stepper.position,
        [c.label for c in stepper.stack],
        stepper.place,
        stepper.locals,
        stepper.describe(),
    )


def line_tick(name, text, nth=0):
    """The tick at which a source line ran for the nth time."""
    trace = STORIES[name]
    found = [
        line.tick
        for line in trace.lines
        if text in trace.sources[trace.calls[line.call].source.file].text.split("\n")[line.line - 1]
    ]
    return found[nth]


# --- moves ----------------------------------------------------------------------------------------


def test_s_visits_every_call_and_line_and_passes_over_ops():
    trace, cursor = STORIES["tiny"], stepper("tiny")
    ticks = [0]
    while not cursor.at_end:
        cursor.do("s")
        ticks.append(cursor.tick)
    ops = {t for c in trace.calls if c.kind == "op" for t in (c.start, c.end)}
    assert ops
    assert ticks == [t for t in range(trace.calls[0].end + 1) if t not in ops]


def test_s_op_visits_ops_too_and_ops_on_makes_it_the_rule():
    cursor = stepper("tiny", line_tick("tiny", "centred = image"))
    cursor.do("s op")
    assert (cursor.position.call.path, cursor.position.kind) == ("sub", "start")
    cursor.do("s")
    assert cursor.position.kind == "line"
    cursor.do("ops on")
    cursor.do("s")
    assert cursor.position.call.path == "mul"


def test_n_stays_in_the_function_and_stops_at_its_end():
    cursor = stepper("tiny")
    root = STORIES["tiny"].calls[0]
    lines = [line.tick for line in STORIES["tiny"].lines if line.call == 0]
    assert walk(cursor, "n " * 7) == [*lines, root.end]


def test_n_at_a_return_goes_to_the_callers_next_line():
    cursor = stepper("tiny", line_tick("tiny", "return centred"))
    walk(cursor, "n")
    assert (cursor.position.kind, cursor.position.call.path) == ("end", "normalize")
    walk(cursor, "n")
    assert cursor.tick == line_tick("tiny", "x = x[None]")


def test_n_goes_over_a_call_without_lines_and_then_to_its_sibling():
    cursor = stepper("tiny")
    cursor.do("goto body")
    cursor.do("s")
    where = []
    for _ in range(4):
        where.append((cursor.position.call.path, cursor.position.kind))
        cursor.do("n")
    assert where == [
        *(("body.conv", "start"), ("body.conv", "end")),
        *(("body.bn", "start"), ("body.bn", "end")),
    ]


def test_n_without_any_lines_steps_over_calls_from_within_the_outermost():
    cursor = stepper("repeated")
    seen = [("", "start")]
    for _ in range(4):
        cursor.do("n")
        seen.append((cursor.position.call.path, cursor.position.kind))
    assert seen == [
        ("", "start"),
        ("layer", "start"),
        ("layer", "end"),
        ("", "end"),
        ("", "end"),
    ]


def test_n_after_the_outermost_call_goes_on_to_the_next_one():
    cursor = stepper("two_roots")
    assert walk(cursor, "n n n n n") == [1, 2, 3, 4, 5]
    assert walk(cursor, "rn rn rn rn rn") == [4, 3, 2, 1, 0]


def test_r_goes_to_the_return_and_from_there_to_the_callers():
    cursor = stepper("tiny", line_tick("tiny", "centred = image"))
    cursor.do("r")
    assert (cursor.position.kind, cursor.position.call.path) == ("end", "normalize")
    cursor.do("r")
    assert cursor.position.call.path == ""
    cursor.do("rr")
    assert cursor.tick == 0


def test_until_leaves_a_loop():
    cursor = stepper("pyramid", line_tick("pyramid", "results.insert"))
    cursor.do("n")
    assert cursor.line.line == stories.LINES["for idx in range(2, -1, -1):"]
    cursor.goto(line_tick("pyramid", "results.insert"))
    cursor.do("until")
    assert cursor.line.line == stories.LINES["del idx"]
    cursor.do(f"until {stories.LINES['size = 0']}")
    assert cursor.line.line == stories.LINES["size = 0"]


def test_n_in_a_recursion_stays_in_the_same_call():
    cursor = stepper("pyramid")
    cursor.do("b double")
    cursor.do("c ;; n ;; n")
    outer = cursor.position.call
    assert cursor.line.line == stories.LINES["return double(x * 2, times - 1)"]
    cursor.do("cl ;; n")
    assert (cursor.position.kind, cursor.position.call) == ("end", outer)


def test_moves_are_relative_to_the_selected_call():
    cursor = stepper("tiny", line_tick("tiny", "centred = image"))
    cursor.do("u ;; n")
    assert cursor.tick == line_tick("tiny", "x = x[None]")
    cursor.goto(line_tick("tiny", "centred = image"))
    cursor.do("u ;; rn")
    assert cursor.tick == line_tick("tiny", "x = normalize(images")


def test_u_and_d_select_without_moving():
    cursor = stepper("tiny", line_tick("tiny", "return centred"))
    assert "centred" in cursor.locals
    cursor.do("u")
    assert cursor.tick == line_tick("tiny", "return centred")
    assert set(cursor.locals) == {"images"}
    assert cursor.place.line == handmade.at("normalize(images").line
    with pytest.raises(MissingError, match="outermost"):
        cursor.do("u")
    cursor.do("d")
    assert "centred" in cursor.locals
    with pytest.raises(MissingError, match="innermost"):
        cursor.do("d")


def test_stages_are_walked_in_both_directions():
    cursor = stepper("pyramid")
    starts = {c.stage: c.start for c in STORIES["pyramid"].calls if c.path.startswith("inner")}
    assert walk(cursor, "] ] ]") == [starts["P4"], starts["P3"], starts["P2"]]
    with pytest.raises(MissingError, match="no stage begins after"):
        cursor.do("]")
    cursor.do("s")
    assert walk(cursor, "[ [") == [starts["P2"], starts["P3"]]


def test_neighbouring_calls_of_a_stage_are_one_stop():
    draft = handmade.Draft()
    with draft.call("module", "", "Net"):
        for path in ("conv", "bn"):
            with draft.call("module", path, "M", stage="stem"):
                pass
        with draft.call("module", "layer", "M", stage="layer1"):
            pass
        with draft.call("module", "pool", "M", stage="stem"):
            pass
    cursor = Stepper(draft.trace("pass", "Net"))
    assert walk(cursor, "] ] ]") == [1, 5, 7]


def test_goto_takes_a_step_or_a_call():
    cursor = stepper("tiny")
    cursor.do("goto 14")
    assert cursor.tick == 14
    cursor.do("goto head")
    assert (cursor.position.call.path, cursor.position.kind) == ("head", "start")
    with pytest.raises(MissingError, match="steps go from 0 to 37"):
        cursor.do("goto 38")
    with pytest.raises(MissingError, match="did you mean 'head'"):
        cursor.do("goto haed")
    with pytest.raises(InputError, match="goto needs"):
        cursor.do("goto")
    assert walk(cursor, "last first") == [37, 0]


def test_find_looks_at_source_calls_classes_and_shapes():
    cursor = stepper("tiny")
    assert walk(cursor, "last first") == [37, 0]
    for text, path in [
        ("batchnorm", "body.bn"),
        ("1x4X6x8", "body"),
        ("4x*x8", "body"),
        ("1x2", "head"),
    ]:
        cursor.do("first")
        cursor.do(f"find {text}")
        assert (cursor.position.call.path, cursor.position.kind) == (path, "start")
    cursor.do("first")
    cursor.do("find FEATURES.mean")
    assert cursor.tick == line_tick("tiny", "features.mean")
    cursor.do("first")
    cursor.do("find 1x*x6x*")
    assert cursor.position.call.path == "__getitem__"
    with pytest.raises(MissingError, match="'nowhere' is not found after step"):
        cursor.do("find nowhere")


def test_a_failed_run_opens_at_the_line_that_raised():
    cursor = Stepper(STORIES["failed"])
    assert cursor.tick == line_tick("failed", "self.head(pooled)")
    reply = cursor.do("last")
    assert "--Exception--" in reply.text
    assert "RuntimeError: mat1 and mat2" in reply.text
    assert "The run ended here: RuntimeError" in reply.text


def test_an_empty_recording_cannot_be_stepped():
    with pytest.raises(MissingError, match="holds no call"):
        Stepper(stories.empty())


# --- the state depends on the position alone ------------------------------------------------------

names = st.sampled_from(sorted(STORIES))
moves = st.sampled_from(
    ["s", "n", "r", "until", "rs", "rn", "rr", "c", "rc", "]", "[", "u", "first", "last"]
)


@given(names, st.lists(moves, max_size=20), st.booleans())
def test_any_walk_ends_in_the_state_of_its_position(name, walk, ops):
    cursor = stepper(name)
    cursor.ops = ops
    for move in walk:
        try:
            cursor.do(move)
        except MissingError:
            continue
    cursor.selected = 0
    assert snapshot(cursor) == snapshot(stepper(name, cursor.tick))


@given(names, st.integers(0, 200), st.integers(1, 9), st.booleans())
def test_steps_forward_and_back_are_undone(name, tick, count, ops):
    cursor = stepper(name, tick)
    cursor.ops = True
    cursor.do("s ;; rs")  # onto a position that steps visit
    cursor.ops = ops
    if not ops and cursor.position.call.kind == "op":
        return
    before = snapshot(cursor)
    moved = 0
    while moved < count and not cursor.at_end:
        cursor.do("s")
        moved += 1
    for _ in range(moved):
        cursor.do("rs")
    assert snapshot(cursor) == before


@given(names, st.integers(0, 200))
def test_n_and_rn_undo_each_other_within_a_call(name, tick):
    cursor = stepper(name, tick)
    call, before = cursor.position.call, snapshot(cursor)
    cursor.do("n")
    if cursor.position.call is not call or cursor.tick == before[0]:
        return
    cursor.do("rn")
    assert snapshot(cursor) == before


@given(names, st.integers(0, 200), st.sampled_from(["n", "r", "until", "s", "c"]))
def test_forward_moves_go_forward_and_backward_ones_back(name, tick, move):
    cursor = stepper(name, tick)
    here = cursor.tick
    if move == "until" and not cursor.timeline.has_lines(cursor.call):
        with pytest.raises(MissingError, match="lines"):
            cursor.do(move)
        return
    cursor.do(move)
    assert cursor.tick > here or cursor.at_end
    back = {"n": "rn", "s": "rs", "c": "rc"}.get(move)
    if back:
        here = cursor.tick
        cursor.do(back)
        assert cursor.tick < here or here == cursor.timeline.ticks[0]


@given(names, st.integers(0, 200))
def test_locals_are_those_of_the_query(name, tick):
    cursor = stepper(name, tick)
    for call in cursor.stack:
        assert cursor.timeline.locals(call, cursor.tick) == query.locals_at(
            cursor.trace, call, cursor.tick
        )


@given(names, st.lists(st.integers(0, 200), max_size=6), st.integers(0, 200))
def test_c_stops_at_every_breakpoint_in_both_directions(name, ticks, start):
    cursor = stepper(name)
    plain = [call for call in cursor.trace.calls if re.fullmatch(r"[\w.]+", call.path)]
    for call in [plain[t % len(plain)] for t in ticks if plain]:
        cursor.do(f"b {call.path}#{call.nth}")
    stops = sorted({t for b in cursor.breakpoints.values() for t in b.ticks})
    first, last = cursor.timeline.ticks[0], cursor.timeline.ticks[-1]
    cursor.goto(cursor.timeline.at(start).tick)
    here, met = cursor.tick, []
    while not cursor.at_end:
        cursor.do("c")
        met.append(cursor.tick)
    assert met == [t for t in stops if t > here] + [last] * (here != last)
    back = []
    while cursor.tick != first:
        cursor.do("rc")
        back.append(cursor.tick)
    assert back == [*reversed([t for t in stops if t != first]), first]


# --- values ---------------------------------------------------------------------------------------


def test_a_local_changes_when_its_line_has_run():
    tick = line_tick("tiny", "x = x[None]")
    cursor = stepper("tiny", tick)
    assert cursor.evaluate("x.shape") == (3, 6, 8)
    cursor.do("s op")
    assert cursor.position.kind == "start"
    cursor.do("u")
    assert cursor.evaluate("x.shape") == (3, 6, 8)
    cursor.goto(tick)
    cursor.do("n")
    assert cursor.evaluate("x.shape") == (1, 3, 6, 8)
    assert "x = [1, 3, 6, 8] float32" in cursor.describe()


def test_a_deleted_local_is_gone():
    cursor = stepper("pyramid", line_tick("pyramid", "del idx"))
    assert "idx" in cursor.locals
    assert "idx deleted" in cursor.do("n").text
    assert "idx" not in cursor.locals


def test_an_argument_that_is_written_in_place_shows_its_later_values():
    cursor = stepper("tiny")
    cursor.do("goto body.relu")
    assert cursor.evaluate("input.min") < 0
    assert not cursor.evaluate("overwritten(input)")
    cursor.do("r")
    assert cursor.evaluate("input.min") == 0
    assert cursor.evaluate("overwritten(input)")
    cursor.do("rr")
    assert cursor.evaluate("input.min") < 0


def test_p_shows_shape_dtype_and_range_first_and_values_where_kept():
    cursor = stepper("tiny", line_tick("tiny", "features.mean"))
    assert cursor.do("p features").text.startswith("[1, 4, 6, 8] float32  0 … 2.4")
    assert "[1, 4, 6, 8]" not in cursor.do("p features.data").text
    assert float(cursor.do("p features.data[0, 0, 0, 0]").text) == pytest.approx(0.189, abs=1e-3)
    with pytest.raises(MissingError, match='keep="within:__getitem__"'):
        cursor.do("p x.data")


def test_what_is_not_a_command_is_an_expression():
    cursor = stepper("tiny", line_tick("tiny", "features.mean"))
    assert cursor.do("features.shape[1]").text == "4"
    assert cursor.do("x").text.startswith("[1, 3, 6, 8]")
    with pytest.raises(InputError, match="did you mean 'features'"):
        cursor.do("featurs")
    with pytest.raises(InputError, match="no command or name 'nxt'; did you mean 'next'"):
        cursor.do("nxt")


def test_pp_whatis_a_locals_and_rv():
    cursor = stepper("tiny", line_tick("tiny", 'return {"features"'))
    assert cursor.do("pp images").text.splitlines()[0] == "images: list of 1"
    assert cursor.do("whatis scores").text == "Tensor"
    assert cursor.do("a").text.startswith("images = list of 1: [3, 6, 8] float32")
    assert [line.split()[0] for line in cursor.do("locals").text.splitlines()] == [
        *("images", "x", "features", "pooled", "scores")
    ]
    with pytest.raises(MissingError, match="not returned yet"):
        cursor.do("rv")
    cursor.do("r")
    assert cursor.do("rv").text.splitlines()[2].startswith("  scores: [1, 2] float32")
    assert cursor.do("p result['scores'].shape").text == "(1, 2)"
    assert cursor.do("p __return__['scores'].shape").text == "(1, 2)"


def test_self_of_a_module_is_read_from_the_models_table():
    cursor = stepper("tiny")
    cursor.do("goto body")
    assert cursor.evaluate("self.conv.kernel_size") == "3×3"
    with pytest.raises(MissingError, match=r"no 'cov'; did you mean 'conv'"):
        cursor.evaluate("self.cov")


def test_modules_under_construction_show_their_attributes():
    cursor = stepper("construction", line_tick("construction", "model.eval()"))
    assert cursor.evaluate("model.head.in_features") == 4
    assert cursor.do("p model").text == "TinyNet (126 parameters)"


def test_display_shows_only_what_changed():
    cursor = stepper("tiny", 1)
    assert cursor.do("display x.shape").text == "display x.shape: (not there)"
    replies = [cursor.do("n").text for _ in range(3)]
    assert ["display x.shape: " in reply for reply in replies] == [True, True, False]
    assert "display x.shape: (1, 3, 6, 8)" in replies[1]
    assert cursor.do("display").text == "display x.shape: (1, 3, 6, 8)"
    with pytest.raises(MissingError, match=r"did you mean 'x[.]shape'"):
        cursor.do("undisplay x.shap")
    cursor.do("undisplay x.shape")
    assert cursor.do("display").text == "nothing is displayed"
    with pytest.raises(InputError, match="not an expression"):
        cursor.do("display x +")


def test_where_lists_the_innermost_last_and_marks_the_selected():
    cursor = stepper("tiny", line_tick("tiny", "centred = image"))
    assert cursor.do("w").text.splitlines() == [
        "  tiny/model.py(29) (root)#0 TinyNet.forward()",
        "-> x = normalize(images[0])",
        "> tiny/model.py(10) normalize#0()",
        "-> centred = image - mean",
    ]
    cursor.do("u")
    assert cursor.do("w").text.startswith("> tiny/model.py(29)")


def test_l_lists_eleven_lines_and_then_goes_on():
    cursor = stepper("tiny", line_tick("tiny", "x = x[None]"))
    cursor.do("b 31")
    first = cursor.do("l").text.splitlines()
    assert len(first) == 11
    assert first[5] == " 30  ->         x = x[None]"
    assert first[6] == " 31 B           features = self.body(x)"
    assert cursor.do("l").text.splitlines()[0].startswith(" 36")
    assert cursor.do("l .").text.splitlines() == first
    assert cursor.do("l 8, 11").text.splitlines()[0] == "  8     def normalize(image, mean=0.5):"
    assert len(cursor.do("l 8, 3").text.splitlines()) == 4
    assert cursor.do("l 99").text == "[EOF]"
    assert len(cursor.do("ll").text.splitlines()) == 7
    with pytest.raises(InputError, match="l takes"):
        cursor.do("l x")


def test_ops_lists_the_calls_of_a_line():
    cursor = stepper("tiny", line_tick("tiny", "features.mean"))
    assert cursor.do("ops").text == "    29 mean#0 → [1, 4] float32"
    assert "ran mean#0 → [1, 4] float32" in cursor.do("n").text


def test_origin_follows_a_tensor_back_and_uses_follows_it_on():
    cursor = stepper("tiny", line_tick("tiny", "features.mean"))
    lines = cursor.do("origin features").text.splitlines()
    assert "written in place by op relu_#0 in body.relu#0" in lines[0]
    assert "made by op batch_norm#0" in lines[1]
    assert "made by op conv2d#0" in lines[2]
    assert [line.count("  ") for line in lines[:3]] == [0, 1, 2]
    cursor.goto(line_tick("tiny", "self.body(x)"))
    assert "taken by module body.conv#0" in cursor.do("uses x").text
    cursor.do("goto body.relu")
    assert "overwritten in place by op relu_#0" in cursor.do("uses input").text
    with pytest.raises(MissingError, match="holds no tensor"):
        cursor.do("origin 3")


# --- the language ---------------------------------------------------------------------------------


def test_an_empty_line_repeats_and_a_comment_does_nothing():
    cursor = stepper("tiny")
    cursor.do("s")
    cursor.do("")
    assert cursor.tick == 2
    assert cursor.do("# a comment") == cursor.do("#")
    assert cursor.tick == 2


def test_several_commands_on_one_line():
    cursor = stepper("tiny")
    reply = cursor.do("n ;; n ;; p x.shape")
    assert (cursor.tick, reply.moved) == (10, True)
    assert reply.text.splitlines()[-1] == "(3, 6, 8)"


def test_counts_repeat_a_move_up_to_a_breakpoint():
    cursor = stepper("tiny")
    cursor.do("s 4")
    assert cursor.tick == 6
    cursor.do("rs 2")
    assert cursor.tick == 2
    cursor.do("b body.bn")
    cursor.do("s 99")
    assert cursor.position.call.path == "body.bn"
    with pytest.raises(InputError, match="how many times"):
        cursor.do("n 0")


def test_q_leaves():
    assert stepper("tiny").do("q").quit


def test_python_is_refused_on_a_recording():
    with pytest.raises(InputError, match="runs no Python"):
        stepper("tiny").do("!print(1)")


def test_help_knows_every_command_in_both_languages():
    for name in COMMANDS:
        for lang in ("en", "zh"):
            cursor = Stepper(STORIES["tiny"], lang=lang)
            assert name in cursor.do(f"h {name}").text
    listed = {usage.split()[0] for group in groups("en").values() for usage in group}
    assert {COMMANDS[name] for name in listed} == set(COMMANDS.values())
    assert "下一行" in Stepper(STORIES["tiny"], lang="zh").do("h").text
    with pytest.raises(MissingError, match="did you mean 'until'"):
        stepper("tiny").do("h untill")


def test_commands_that_need_lines_say_how_to_record_them():
    cursor = stepper("repeated")
    for command in ("until", "b model.py:3", "ops"):
        with pytest.raises(MissingError, match='grain="line"'):
            cursor.do(command)


@given(names, st.text(max_size=40))
def test_any_text_is_answered_or_refused_with_a_sentence(name, line):
    cursor = stepper(name)
    with contextlib.suppress(TracerError):  # anything else fails
        assert isinstance(cursor.do(line).text, str)


def test_nothing_that_is_said_holds_control_characters():
    cursor = stepper("hostile")
    said = []
    while not cursor.at_end:
        said += [cursor.do(c).text for c in ("s", "w", "a", "locals", "l")]
    cursor.do("last")
    said.append(cursor.do("rv").text)
    shown = "\n".join(said)
    assert "right-to-left" in shown
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert not set("\u202e\u2066\u2028") & set(shown)
