"""The what-if explorer: change a level, a channel or a threshold, and see the detections then.

The end of the pass runs again, by what the caller gives: a view has no model. What it gives is
called with ``change=`` and returns a recording, as `tracer.rerun` and `tracer.trace` do when the
rest is filled in.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from tracer.errors import InputError, TracerError, option
from tracer.numbers import shown as written
from tracer.rcnn.anatomy import Anatomy, Detections, anatomy
from tracer.rcnn.anatomy.agreement import Outcome, agree
from tracer.rcnn.anatomy.filtering import detection_filter, proposal_filter
from tracer.rcnn.classes import class_name, names_in
from tracer.record import Trace
from tracer.record.comparison import compare
from tracer.views.explorers import drawing
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Control, Shown, Slider
from tracer.views.explorers.explorer import Explorer
from tracer.views.kit.differences import say as words
from tracer.views.kit.differences import verdict
from tracer.views.kit.scene import Marks, by_class

Run = Callable[..., Trace]
KINDS = {"zero": "zero", "noise": "noise:0", "without": "without:{n}", "channel": "channel:{n}"}
"""What a level can be replaced by, as `tracer.trace` takes it."""
REMEMBERED = 32
"""So many changes are not run a second time."""
ROWS = 30
WIDTH = 470
"""Pixels of each of the two pictures."""


@dataclass(frozen=True, eq=False)
class Scene(drawing.Scene):
    """What is looked at.

    Attributes:
        trace: the recording.
        parts: it, read as a detector's pass.
        run: what makes a recording with a change.
        places: by the name of a level, where it is changed: ``"backbone.fpn[0]"``.
        recorded: settings by their places, as they were recorded.
    """

    trace: Trace
    parts: Anatomy
    run: Run
    places: Mapping[str, str]
    recorded: Mapping[str, float]
    _known: OrderedDict[tuple[tuple[str, Any], ...], tuple[Trace, str]] = field(
        default_factory=OrderedDict
    )

    def changed(self, change: Mapping[str, Any]) -> tuple[Trace, str]:
        """Return the recording of the pass with a change, and where it parts from the first.

        What was run lately is remembered.

        Raises:
            InputError: what runs it returned no recording, or one without the change.
        """
        key = tuple(sorted(change.items()))
        if key not in self._known:
            found = _checked(self.run(change=dict(change)), change)
            self._known[key] = found, verdict(compare(self.trace, found), self.lang)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]


def _checked(found: object, change: Mapping[str, Any]) -> Trace:
    if not isinstance(found, Trace):
        raise InputError(
            f"what_if: run= returned a {type(found).__name__}; it must return the recording, as "
            "tracer.rerun does"
        )
    missing = [p for p in change if not any(c.startswith(p) for c in found.settings.changes)]
    if missing:
        raise InputError(
            f"what_if: run= did not make the change of {missing[0]}; pass change= on to "
            "tracer.rerun or tracer.trace"
        )
    return found


def changes(scene: Scene, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the controls ask to be changed, as ``change=`` takes it; empty for nothing."""
    found: dict[str, Any] = {}
    if values["level"]:
        found[scene.places[values["level"]]] = KINDS[values["how"]].format(n=values["channel"])
    for place, value in scene.recorded.items():
        if (chosen := values[_control(place)]) != value:
            found[place] = chosen
    return found


def _control(place: str) -> str:
    """``rpn_nms_thresh``, ``box_score_thresh``: as ``FasterRCNN`` calls it."""
    of, name = place.split(".")[-2:]
    return f"{'box' if of == 'roi_heads' else of}_{name}"


# --- what is shown --------------------------------------------------------------------------------


def draw(scene: Scene, *, score: float, **values: Any) -> Shown:
    """Show the detections before and after, and what became of each."""
    change = changes(scene, values)
    unchanged = scene.trace, told.say("nothing_changed", scene.lang)
    after, parting = scene.changed(change) if change else unchanged
    found = anatomy(after, like=scene.trace).results[scene.picture.index]
    before = scene.parts.results[scene.picture.index]
    sheet = drawing.beside([_drawn(scene, it, score) for it in (before, found)])
    outcomes = agree([before], [found])
    said = [told.note(told.say("before_after", scene.lang))]
    listed = "; ".join(f"{place} = {value}" for place, value in change.items())
    said += [told.note(text) for text in (listed, parting) if text]
    said += [_counts(scene, outcomes), _table(scene, outcomes, score)]
    return drawing.Canvas(sheet, 1).shown(told.block(*said))


def _drawn(scene: Scene, found: Detections, score: float) -> Image.Image:
    canvas = scene.canvas()
    canvas.marked(_marks(scene, found, score), 3)
    return canvas.image


def _marks(scene: Scene, found: Detections, score: float) -> Marks:
    chosen = np.flatnonzero(found.scores >= score)
    called = partial(class_name, names_in(scene.trace.classes, scene.lang), lang=scene.lang)
    return by_class(found.resized.xyxy[chosen], found.labels[chosen], called, found.scores[chosen])


def _counts(scene: Scene, outcomes: tuple[Outcome, ...]) -> str:
    """How many detections both have, at any score."""
    kinds = [outcome.kind for outcome in outcomes]
    text = words(
        "detections.title", scene.lang, kept=kinds.count("kept") + kinds.count("relabelled"),
        vanished=kinds.count("vanished"), appeared=kinds.count("appeared"),
    )  # fmt: skip
    return told.note(text)


_ORDER = ("vanished", "appeared", "relabelled", "kept")


def _table(scene: Scene, outcomes: tuple[Outcome, ...], score: float) -> str:
    """A row for each detection of enough score in either, those that changed first."""
    lang, names = scene.lang, names_in(scene.trace.classes, scene.lang)
    seen = [it for it in outcomes if max(s for s in it.scores if s is not None) >= score]
    seen.sort(key=lambda it: _ORDER.index(it.kind))
    heads = ("what", "class_a", "score_a", "class_b", "score_b")
    rows = []
    for it in seen[:ROWS]:
        row = [words(f"detections.{it.kind}", lang)]
        for label, found in zip(it.labels, it.scores, strict=True):
            row += ["–"] if label is None else [class_name(names, label, lang)]
            row += ["–"] if found is None else [written(found, "number")]
        rows.append(row)
    parts = [told.table([words(f"detections.{head}", lang) for head in heads], rows)]
    if len(seen) > ROWS:
        cut = told.say("first_rows", lang, rows=ROWS, total=len(seen))
        parts.append(told.note(cut, muted=True))
    return "".join(parts)


# --- the explorer ---------------------------------------------------------------------------------


def explorer(
    trace: Trace, lang: str, *, run: Run | None = None, image: int = 0, level: str = "",
    how: str = "zero", channel: int = 0, score: float = 0.5,
) -> Explorer:  # fmt: skip
    """Return the what-if explorer; the options are `Recording.explore`'s."""
    if not callable(run):
        raise InputError(
            "what_if needs what runs the pass again: recording.explore('what_if', run=partial("
            f"tracer.rerun, recording, model, start='backbone.fpn', {option(keep='anatomy')}))"
        )
    scene = scene_of(trace, lang, run, image)

    controls = _controls(scene, level, how, channel, score)

    def still(values: Mapping[str, Any]) -> Image.Image:
        return Image.open(io.BytesIO(draw(scene, **values).picture))

    return Explorer("what_if", lang, controls, partial(draw, scene), still)


def scene_of(trace: Trace, lang: str, run: Run, image: int = 0) -> Scene:
    """Prepare an image of a pass."""
    parts = anatomy(trace)
    found = parts.results  # a training pass says here that it has none
    if not 0 <= image < len(found):
        raise InputError(f"there is no image {image}: the batch has {len(found)}")
    picture = parts.pictures[image]
    photo = drawing.photo(picture, width=WIDTH)
    return Scene(picture, photo, lang, trace, parts, run, _places(parts), _settings(parts))


def _places(parts: Anatomy) -> dict[str, str]:
    """Return where each level is changed: in the pyramid's result, else the backbone's."""
    prefix = parts.run.prefix
    path = next(
        p for p in (f"{prefix}backbone.fpn", f"{prefix}backbone") if parts.trace.modules.get(p)
    )
    call = next(c for c in parts.trace.calls if c.kind == "module" and c.path == path)
    single = call.result is not None and call.result.kind == "tensor"
    return {
        level.name: path if single else f"{path}[{level.key}]" for level in parts.pyramid.levels
    }


def _settings(parts: Anatomy) -> dict[str, float]:
    """Return the thresholds of both filters; none of a one-stage detector."""
    prefix = parts.run.prefix
    try:
        first = proposal_filter(parts.rpn, 0).recorded
        second = detection_filter(parts.detections[0]).recorded
    except TracerError:
        return {}
    return {
        f"{prefix}rpn.score_thresh": first.score_thresh,
        f"{prefix}rpn.nms_thresh": first.nms_thresh,
        f"{prefix}roi_heads.score_thresh": second.score_thresh,
        f"{prefix}roi_heads.nms_thresh": second.nms_thresh,
    }


def _controls(
    scene: Scene, level: str, how: str, channel: int, score: float
) -> tuple[Control, ...]:
    lang = scene.lang
    levels = ((told.say("no_level", lang), ""), *((name, name) for name in scene.places))
    kinds = tuple((told.say(f"how.{kind}", lang), kind) for kind in KINDS)
    most = min(level.map.shape[1] for level in scene.parts.pyramid.levels) - 1
    return (
        Choice("level", told.say("level", lang), levels, level, buttons=True),
        Choice("how", told.say("becomes", lang), kinds, how),
        Slider("channel", told.say("channel", lang), 0, most, channel, live=False),
        *(
            Slider(name, name, 0.0, 1.0, value, 0.01, live=False)
            for place, value in scene.recorded.items()
            for name in (_control(place),)
        ),
        Slider("score", told.say("score_from", lang), 0.0, 1.0, score, 0.05),
    )
