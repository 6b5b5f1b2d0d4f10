"""The story explorer: what became of an object, or how a detection came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tracer.numbers import shown as written
from tracer.rcnn.anatomy import Anatomy, anatomy
from tracer.rcnn.classes import class_name
from tracer.rcnn.stories import Step, Story, nothing_to_tell, why
from tracer.record import Trace
from tracer.views.explorers import drawing
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Shown
from tracer.views.explorers.explorer import Explorer
from tracer.views.figures.story import fig_story
from tracer.views.kit.html_text import escape
from tracer.views.kit.palette import THEMES
from tracer.views.kit.stories import boxes_of, notes_of, say, state, station, verdict
from tracer.views.kit.stories import told as in_words


@dataclass(frozen=True, eq=False)
class Scene(drawing.Scene):
    """What is looked at.

    Attributes:
        trace: the recording.
        stories: of its objects and detections, by the control's values.
    """

    trace: Trace
    stories: Mapping[str, Story]


def draw(scene: Scene, *, asked: str) -> Shown:
    """Show the boxes of a story on the picture, and its stations."""
    story = scene.stories[asked]
    canvas = scene.canvas()
    scale = scene.picture.scale
    goal = np.asarray([story.box], np.float32) * np.asarray([scale[1], scale[0]] * 2)
    canvas.boxes(goal, THEMES["light"].target, 3)
    boxes = boxes_of(story)
    for step, colour in boxes:
        canvas.boxes(np.asarray([step.box], np.float32), colour, 2)
    names = [told.swatch(station(step.name, scene.lang), colour) for step, colour in boxes]
    words = [
        told.note(verdict(story, scene.trace.classes, scene.lang) + say("stop", scene.lang)),
        f'<p style="margin:.3em 0">{" &nbsp; ".join(names)}</p>',
        _stations(scene, story),
        *(told.note(note) for note in notes_of(story, scene.trace.classes, scene.lang)),
    ]
    return canvas.shown(told.block(*words))


def _stations(scene: Scene, story: Story) -> str:
    heads = [say(key, scene.lang) for key in ("station_of", "left", "iou", "score", "what")]
    return told.table(heads, [_row(scene, step) for step in story.steps], raw=(4,))


def _row(scene: Scene, step: Step) -> tuple[str, ...]:
    what = escape(in_words(step, scene.trace.classes, scene.lang))
    style = "white-space:normal;display:inline-block;max-width:44em"
    return (
        station(step.name, scene.lang),
        written(step.left, "count"),
        written(step.iou, "overlap"),
        written(step.score, "number"),
        f'<span style="{style}">{what}</span>',
    )


def explorer(trace: Trace, lang: str, *, image: int = 0, asked: str = "") -> Explorer:
    """Return the story explorer, of a detector; the options are `Recording.explore`'s."""
    parts = anatomy(trace)
    scene = scene_of(parts, lang, image)
    options = tuple((_named(scene, story), key) for key, story in scene.stories.items())
    start = asked or next(
        (key for key, story in scene.stories.items() if story.lost), next(iter(scene.stories))
    )
    control = Choice("asked", say("what", lang), options, start)

    def still(values: Mapping[str, Any]) -> Figure:
        story = scene.stories[values["asked"]]
        return fig_story(parts, lang=lang, image=image, **{story.about: story.number})

    return Explorer("story", lang, (control,), partial(draw, scene), still)


def _named(scene: Scene, story: Story) -> str:
    """What an object or a detection is called in the list: its number, class and outcome."""
    what = say(f"about.{story.about}", scene.lang)
    label = "" if story.label is None else class_name(scene.trace.classes, story.label, scene.lang)
    return f"{what} {story.number} · {label} · {state(story, scene.lang)}"


def scene_of(parts: Anatomy, lang: str, image: int = 0) -> Scene:
    """Prepare an image of a pass."""
    found = why(parts, image=image)
    assert not isinstance(found, Story)
    told_of = (*found.objects, *found.detections)
    if not told_of:
        raise nothing_to_tell(parts, image)
    stories = {f"{story.about} {story.number}": story for story in told_of}
    picture = parts.pictures[image]
    return Scene(picture, drawing.photo(picture), lang, parts.trace, stories)
