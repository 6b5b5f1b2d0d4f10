"""Numbers of one story, for texts: ``{object.nms.left}``, ``{object.class}``.

The story is that of the surest detection of the first picture.
"""

from __future__ import annotations

from tracer.errors import TracerError
from tracer.numbers import box_size, count
from tracer.rcnn.classes import class_name
from tracer.rcnn.stories import Story, why
from tracer.rcnn.stories.model import Fact
from tracer.record import Trace
from tracer.record.query import once


def number_of(trace: Trace, parts: list[str], lang: str) -> str:
    """Return a number of the story.

    Args:
        trace: the recording.
        parts: ``["class"]``, ``["score"]``, ``["size"]`` or ``["place"]`` (of its box in original
            pixels), or a station (`Step.name`) and ``"left"``, ``"iou"``, ``"score"`` or one of its
            facts.
        lang: the language.

    Raises:
        LookupError: there is no such story, station or number.
    """
    story = _story(trace)
    if story is None:
        raise LookupError("no detection")
    if len(parts) == 2:
        step = story.step(parts[0])
        own = {"left": step.left, "iou": step.iou, "score": step.score}
        return _written(own.get(parts[1]) if parts[1] in own else step.facts[parts[1]])
    return _of_whole(trace, story, lang)[parts[0]]


def _of_whole(trace: Trace, story: Story, lang: str) -> dict[str, str]:
    label = story.label or 0
    return {
        "class": class_name(trace.classes, label, lang),
        "score": _written(story.score),
        "size": box_size(story.box),
        "place": ", ".join(f"{side:.0f}" for side in story.box),
    }


@once
def _story(trace: Trace) -> Story | None:
    try:
        found = why(trace, detection=0)
    except TracerError:
        return None
    return found if isinstance(found, Story) else None


def _written(value: Fact) -> str:
    if value is None:
        raise LookupError("not known")
    if isinstance(value, float):
        return f"{value:.4g}"
    return count(value) if isinstance(value, int) else str(value)
