"""The words of a story: what a station did, the verdict, and what would have kept an object."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tracer.languages import Texts, listed
from tracer.numbers import box_size
from tracer.rcnn.classes import class_name
from tracer.rcnn.stories import Change, Step, Stories, Story

say = Texts("why")

_MOVED = ("anchors", "decode", "candidates", "box", "detection")
"""Stations at which the box that is followed becomes another."""
_COLOURS = ("#56B4E9", "#B8E986", "#FFFFFF", "#FF8F6B")

_SIGNS = {"post_nms_top_n": "≥", "detections_per_img": "≥", "score_thresh": "≤"}
"""Of settings by which more passes the further they are moved; of others only the value tried."""


def station(name: str, lang: str) -> str:
    """Return what a station is called."""
    return say(f"station.{name}", lang)


def boxes_of(story: Story) -> list[tuple[Step, str]]:
    """Return the stations at which the box that is followed becomes another, each with a colour."""
    moved = [step for step in story.steps if step.name in _MOVED and step.box is not None]
    apart = [step for i, step in enumerate(moved) if i == 0 or step.box != moved[i - 1].box]
    return list(zip(apart, _COLOURS, strict=False))


def told(step: Step, names: Sequence[str], lang: str) -> str:
    """Return what happened at a station, in one sentence without a full stop."""
    return say("join", lang).join([*_told(step, names, lang), *_also(step, names, lang)])


def _told(step: Step, names: Sequence[str], lang: str) -> list[str]:
    """The sentence that fits what the step did, if all of its numbers are there."""
    variants = ["none", "kept"] if step.left == 0 else ["kept"]
    if step.lost or step.facts.get("removed"):
        variants = ["lost"]
    values, texts = _values(step, names, lang), say.table(f"told.{step.name}", lang)
    return [*_filled((texts[v] for v in (*variants, "plain") if v in texts), values)][:1]


def _also(step: Step, names: Sequence[str], lang: str) -> list[str]:
    texts = say.table(f"also.{step.name}", lang).values()
    return [*_filled(texts, _values(step, names, lang))]


def _values(step: Step, names: Sequence[str], lang: str) -> dict[str, object]:
    own = {"left": step.left, "iou": step.iou, "score": step.score}
    return named({**own, **step.facts}, names, lang)


def named(facts: Mapping[str, object], names: Sequence[str], lang: str) -> dict[str, object]:
    """Facts with the classes' names in the place of their labels."""
    return {
        key: class_name(names, value, lang)
        if key.endswith("label") and isinstance(value, int)
        else value
        for key, value in facts.items()
    }


def _filled(texts: Iterable[str], values: Mapping[str, object]) -> Iterator[str]:
    """The texts whose numbers are all there, filled in."""
    for text in texts:
        wanted = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        if all(values.get(name) is not None for name in wanted):
            yield text.format(**values)


def verdict(story: Story, names: Sequence[str], lang: str) -> str:
    """Return what became of it in one sentence, without a full stop."""
    values = {
        **{name: getattr(story, name) for name in ("number", "image", "score", "overlap")},
        **named(story.facts, names, lang),
        "partner": story.partner,
        "label": say("any", lang) if story.label is None else class_name(names, story.label, lang),
        "size": box_size(story.box),
        "corners": ",".join(f"{value:.0f}" for value in story.box),
    }
    if story.lost:
        values["station"] = station(story.lost, lang)
        values["reason"] = told(story.step(story.lost), names, lang)
    elif story.kind:
        values["reason"] = say(f"kind.{story.kind}", lang).format(**values)
    elif story.outcome == "learned":
        values["anchors"] = story.step("anchor_sample").left
        values["boxes"] = story.step("box_sample").left
    outcome = "unlearned" if _unlearned(story) else story.outcome
    return say(f"verdict.{story.about}_{outcome}", lang, **values)


def _unlearned(story: Story) -> bool:
    return story.lost.endswith(("_match", "_sample"))


def notes_of(story: Story, names: Sequence[str], lang: str) -> Iterator[str]:
    """Yield what would have kept a lost object, and what else is to be known."""
    if story.changes:
        yield say("note.changes", lang, changes=changed(story.changes, lang))
    elif story.lost and not _unlearned(story):
        yield say(f"note.{_hopeless(story)}", lang)
    if not story.seen and story.changes:
        yield say("note.unseen", lang)
    if story.instead is not None:
        values = {"instead": story.instead, **named(story.facts, names, lang)}
        yield say("note.instead", lang, **values)
    if story.kind:
        yield say("note.tide", lang)


def changed(changes: Iterable[Change], lang: str) -> str:
    """Return settings with the values that keep an object."""
    return say("with", lang).join(
        say(
            "note.change",
            lang,
            setting=change.setting,
            sign=next((sign for name, sign in _SIGNS.items() if name in change.setting), "="),
            needed=change.needed,
            recorded=change.recorded,
        )
        for change in changes
    )


def _hopeless(story: Story) -> str:
    """Why no setting would have kept it."""
    if story.lost == "decode":
        return "deltas" if story.step("anchors").left else "anchors"
    known = {"box": "box", "detection": "claimed", "candidates": "candidates"}
    return known.get(story.lost, "none")


# --- many -----------------------------------------------------------------------------------------


def state(story: Story, lang: str) -> str:
    """Return what became of it in a word or two: found, a kind of error, or where it was lost."""
    if story.lost:
        return station(story.lost, lang)
    return say(f"error.{story.kind}" if story.kind else f"summary.state_{story.outcome}", lang)


def summary(stories: Stories, lang: str) -> str:
    """Return how many objects were found, and where the others were lost."""
    if not stories.objects:
        return say("summary.detections", lang, all=len(stories.detections)) + say("stop", lang)
    key = "learned" if stories.training else "found"
    found = len(stories.objects) - len(stories.missed)
    numbers = {"found": found, "all": len(stories.objects), "threshold": stories.threshold}
    parts = [say(f"summary.{key}", lang, **numbers)]
    if stories.lost:
        parts.append(say("summary.lost", lang, lost=_counted(stories.lost, "station", lang)))
    return say("with", lang).join(parts) + say("stop", lang)


def false_summary(stories: Stories, lang: str) -> str:
    """Return how many detections are of no object, and which kinds of error they are."""
    numbers = {"false": len(stories.false), "all": len(stories.detections)}
    parts = [say("summary.false", lang, **numbers)]
    if stories.errors:
        parts.append(say("summary.errors", lang, errors=_counted(stories.errors, "error", lang)))
    return say("with", lang).join(parts) + say("stop", lang)


def _counted(counts: Mapping[str, int], what: str, lang: str) -> str:
    each = (
        say("summary.each", lang, name=say(f"{what}.{name}", lang), count=count)
        for name, count in counts.items()
    )
    return listed(each, lang)
