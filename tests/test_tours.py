"""Guided tours: their files, what they say of a recording, and the command that checks them."""

from __future__ import annotations

import re
from pathlib import Path

import handmade
import kinds
import pytest
from recordings import shared

from tracer import tours
from tracer.cli import main
from tracer.errors import InputError, MissingError
from tracer.languages import languages
from tracer.rcnn.facts import PLACEHOLDER
from tracer.tours import find, kind_of, missing, offered, shipped, told, written
from tracer.views.page.guides import guides

RECORDING = {
    "ten-stops": "two pictures",
    "pyramid": "two pictures",
    "anchors-to-boxes": "two pictures",
    "bottleneck": "one-stage with a pyramid",
    "training": "training",
    "building": "construction",
    "one-object": "two pictures",
    "failure": "a broken detector",
}
"""A recording that each shipped tour can be followed on: of a ResNet-18, but for the Bottleneck."""

STOP = """
[[stop]]
at = "call=body.conv"
panel = "tensor"
title = "The convolution"
text = {en = "First paragraph.\\n\\nSecond one, with `code`.", zh = "一段。"}
here = ["It makes {result}.", "Never told: {proposals}."]
question = {ask = "How many?", answer = "As many as filters."}
"""
TOUR = 'title = {en = "Mine", zh = "我的"}\nkind = "pass"\n' + STOP


def written_to(folder, text):
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return str(path)


def recording_for(name):
    return broken_detector() if name == "failure" else kinds.recorded(RECORDING[name])


def broken_detector():
    """A pass that fails, with a likely cause."""
    import broken

    import tracer

    setup = next(it for it in broken.SETUPS if it.raises and not it.crashes)

    def make():
        model, images, targets = setup()
        given = (images,) if targets is None else (images, targets)
        with pytest.raises(Exception):  # noqa: B017, PT011 (whatever the detector's is)
            tracer.trace(model, *given, grain="line", keep="anatomy")
        return tracer.last_trace()

    return shared(f"tour-{setup.name}", make)


def texts_of(tour):
    yield from (tour.title, tour.about)
    for stop in tour.stops:
        yield from (stop.title, stop.text, *stop.here, *(stop.question or ()))


# --- the shipped ones -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_tour_says_all_in_every_language(name):
    for texts in texts_of(shipped()[name]):
        assert set(texts) == set(languages()), texts
        names = [set(PLACEHOLDER.findall(text)) for text in texts.values()]
        assert names.count(names[0]) == len(names), texts
        code = [re.findall("`([^`]*)`", text) for text in texts.values()]
        assert code.count(code[0]) == len(code), texts


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_a_shipped_tour_can_be_followed_with_all_its_numbers(name):
    tour = shipped()[name]
    trace = recording_for(name)
    assert kind_of(trace) == tour.kind
    assert missing(tour, trace) == {}
    assert tour in offered(trace)
    for lang in languages():
        for stop, said in zip(tour.stops, told(tour, trace, lang), strict=True):
            sentences = said.text[len(said.text) - len(stop.here) :]
            assert not any("{" in text for text in sentences)
            whole = len(stop.text.get(lang, "").strip().split("\n\n")) + len(stop.here)
            assert len(said.text) == whole, (name, said.title)


@pytest.mark.slow
def test_a_detector_of_another_make_is_offered_no_tour_that_it_cannot_follow():
    assert offered(kinds.recorded("any module")) == []
    assert offered(kinds.recorded("one-stage")) == []
    basic = [tour.name for tour in offered(kinds.recorded("two pictures"))]
    # no Bottleneck in a ResNet-18
    assert basic == ["ten-stops", "pyramid", "anchors-to-boxes", "one-object"]
    without_lines = offered(kinds.recorded("no lines"))
    assert "ten-stops" in [tour.name for tour in without_lines]


def test_every_tour_file_is_shipped():
    folder = Path(tours.__file__).parent
    assert {path.stem for path in folder.glob("*.toml")} == set(shipped()) == set(RECORDING)


# --- one's own ------------------------------------------------------------------------------------


def test_a_tour_is_read_and_told_with_the_recordings_numbers(tmp_path):
    tour = find(written_to(tmp_path, TOUR))
    trace = handmade.tiny_pass()
    (said,) = told(tour, trace, "en")
    call = next(call for call in trace.calls if call.path == "body.conv")
    assert (tour.name, said.number, said.tick) == ("mine", 1, call.start)
    assert said.text == ("First paragraph.", "Second one, with `code`.", "It makes 1×4×6×8.")
    assert said.question == ("How many?", ("As many as filters.",))
    (chinese,) = told(tour, trace, "zh")
    assert chinese.text == ("一段。", "It makes 1×4×6×8.")
    assert "1. The convolution" in written(tour, "en", trace)


def test_a_stop_that_does_not_exist_is_named_and_left_out(tmp_path, capsys):
    text = TOUR + STOP.replace("body.conv", "bodi.conv")
    path, file = written_to(tmp_path, text), str(tmp_path / "pass.safetensors")
    trace = handmade.tiny_pass()
    trace.save(file)
    tour = find(path)
    assert list(missing(tour, trace)) == [2]
    assert "did you mean 'body.conv'" in missing(tour, trace)[2]
    assert [stop.number for stop in told(tour, trace, "en")] == [1]
    (guide,) = guides(trace, path)
    assert len(guide["stops"]) == 1
    assert guide["missing"] == [["The convolution"], ["The convolution"]]
    assert main(["tour", path, file, "--lang", "en"]) == 0
    out = capsys.readouterr().out
    assert "Not in this recording: the trace has no call 'bodi.conv'" in out
    assert "1 of 2 stops are in this recording." in out
    assert main(["tour", path, file, "--strict"]) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title = {", "titel = {", "has no 'title'; did you mean 'titel'"),
        ('kind = "pass"', 'kind = "passes"', 'kind is "passes" (text), where one of pass'),
        ('kind = "pass"', 'kind = "pass"\ncolour = 1', "has no field 'colour'"),
        ("[[stop]]", "[stop]", "a list of stops is expected"),
        ("[[stop]]", "[[halt]]", "has no 'stop'"),
        ('panel = "tensor"', 'panel = "map"', 'stop 1, panel is "map"'),
        ('panel = "tensor"', "", "stop 1 has no 'panel'"),
        ('panel = "tensor"', 'panel = "tensor"\npannel = 1', "did you mean 'panel'"),
        ("call=body.conv", "cal=body.conv", "has no part 'cal'; did you mean 'call'"),
        ("call=body.conv", "lang=zh", "names a step by call=, line= or text="),
        ("{result}", "{propsals}", "no number is called 'propsals'; did you mean 'proposals'"),
        ('title = "The convolution"', "title = 3", "stop 1, title is 3, where a text"),
        ('title = "The convolution"', "title = 1979-05-27", "where a text"),
        ('answer = "As many as filters."', "", "question has no 'answer'"),
        ("here = [", "here = [{fr = 3},", "stop 1, here, fr is 3"),
        ("[[stop]]", "[[stop", "is no TOML"),
        ("call=body.conv", "eror", "has no part 'eror'"),
    ],
)
def test_a_wrong_tour_says_where_and_what(tmp_path, old, new, said):
    assert old in TOUR
    with pytest.raises(InputError) as refused:
        find(written_to(tmp_path, TOUR.replace(old, new).replace(", }", "}")))
    assert said in str(refused.value)


def test_a_tour_that_is_not_there_names_those_that_are(capsys):
    assert main(["tour", "ten-stop"]) != 0
    error = capsys.readouterr().err
    assert "did you mean 'ten-stops'" in error
    assert error.count("\n") == 1


def test_a_file_that_is_no_text_is_refused(tmp_path):
    """A recording, say, that was given without a tour before it."""
    path = tmp_path / "pass.safetensors"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="a recording after it"):
        find(str(path))


def test_the_command_lists_the_tours(capsys):
    assert main(["tour", "--lang", "zh"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == len(shipped())
    assert "十站走完一次前向" in out


def test_hostile_texts_reach_no_terminal(tmp_path, capsys):
    text = TOUR.replace("The convolution", "\\u001b[31mred\\u202e")
    assert main(["tour", written_to(tmp_path, text)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "red" in out


# --- the two that follow something ----------------------------------------------------------------


@pytest.mark.slow
def test_the_life_of_one_object_is_its_story():
    from tracer.rcnn.stories import why

    trace = kinds.recorded("two pictures")
    story = why(trace, detection=0)
    text = "\n".join(part for stop in told(find("one-object"), trace, "en") for part in stop.text)
    assert f"from {story.step('box').facts['before']:.4g} to {story.step('box').iou:.4g}" in text
    assert f"{story.step('nms').left:,} after it" in text
    assert f"{story.step('level').facts['level']}." in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["failed late", "failed early", "failed early, nothing kept"])
def test_a_failed_run_is_followed_to_the_line_that_broke(name):
    trace = kinds.recorded(name)
    assert [tour.name for tour in offered(trace)] == ["failure"]
    stops = told(find("failure"), trace, "en")
    assert [stop.number for stop in stops] == [1, 2, 3, 4, 5]
    before, error, around = (stop.tick for stop in stops[1:4])
    failing = trace.calls[trace.error.call]
    assert before < error
    assert failing.start <= error <= failing.end
    assert around < failing.start
    well = next(call for call in trace.calls if call.end == before)
    assert not well.error
    assert well.result is not None
    assert any("shapes do not fit" in text for text in stops[2].text)


@pytest.mark.slow
def test_places_of_a_failure_are_missing_where_nothing_failed():
    trace = kinds.recorded("two pictures")
    lacking = missing(find("failure"), trace)
    assert list(lacking) == [2, 3, 4]
    assert "did not fail" in lacking[2]


# --- in the stepper -------------------------------------------------------------------------------


def stepper_of(tmp_path, text=TOUR):
    from tracer.stepper import Stepper
    from tracer.views.screen.lessons import Lessons

    trace = handmade.tiny_pass()
    stepper = Stepper(trace)
    stepper.lessons = Lessons(trace)
    return stepper, written_to(tmp_path, text)


def test_the_stepper_follows_a_tour_leaves_it_and_takes_it_up(tmp_path):
    second = STOP.replace("body.conv", "body").replace("The convolution", "The body")
    stepper, path = stepper_of(tmp_path, TOUR + second + STOP.replace("body.conv", "nowhere"))
    first = stepper.do(f"tour {path}")
    assert first.moved
    assert "Mine, stop 1 of 2: The convolution" in first.text
    assert "Not in this recording: The convolution" in first.text
    assert "It makes 1×4×6×8." in first.text
    assert stepper.position.call.path == "body.conv"
    assert "stop 2 of 2: The body" in stepper.do("tour on").text
    assert "last stop" in stepper.do("tour on").text
    assert "left at stop 2" in stepper.do("tour leave").text
    stepper.do("first")
    assert "stop 2 of 2" in stepper.do("tour").text
    assert stepper.position.call.path == "body"
    assert "stop 1 of 2" in stepper.do("tour back").text
    assert "stop 2 of 2" in stepper.do("tour 2").text
    for wrong, said in (("tour 9", "stops 1 to 2"), ("tour nonsense", "no tour 'nonsense'")):
        with pytest.raises(InputError, match=said):
            stepper.do(wrong)


def test_the_stepper_says_where_no_tour_fits_or_no_stop_exists(tmp_path):
    stepper, path = stepper_of(tmp_path, TOUR.replace("body.conv", "nowhere"))
    with pytest.raises(MissingError, match="no tour fits"):
        stepper.do("tour")
    with pytest.raises(InputError, match="no tour is being followed"):
        stepper.do("tour leave")
    with pytest.raises(MissingError, match="no stop of 'mine' is in this recording"):
        stepper.do(f"tour {path}")


@pytest.mark.slow
def test_the_full_screen_shows_a_tour_and_asks(tmp_path):
    from screens import play

    path = written_to(tmp_path, TOUR)

    async def follow(app, pilot):
        app.carry_out(f"tour {path}")
        await pilot.pause()
        assert app.query_one("#tensor").has_class("-looked-at")

    for size in ((80, 24), (160, 50)):
        app, shown = play(handmade.tiny_pass(), size=size, then=follow)
        assert "First paragraph." in shown
        assert "The convolution" in shown
    _, shown = play(handmade.tiny_pass(), "g", (80, 24))
    assert "a) " in shown
    app, shown = play(handmade.tiny_pass(), "g a", (80, 24))
    assert "Right:" in shown or "Not quite" in shown
    assert app.lessons.open is None
    _, shown = play(handmade.tiny_pass(), "plus", (80, 24))
    assert "no tour fits" in shown
