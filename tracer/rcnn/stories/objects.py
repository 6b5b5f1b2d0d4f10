"""Objects, boxes and detections of a pass in eval mode: found, or the station that lost them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tracer.rcnn.stories.case import Case, Trail
from tracer.rcnn.stories.changes import detection_changes, proposal_changes
from tracer.rcnn.stories.matching import kind_of_error
from tracer.rcnn.stories.model import Change, Fact, Step, Story
from tracer.rcnn.stories.one_stage import candidate_steps
from tracer.rcnn.stories.stations import Search, as_box, box_steps, detection_step, rpn_steps


@dataclass(frozen=True)
class _Fate:
    """What is followed, and what lost the object.

    Attributes:
        anchor: the anchor; None of a one-stage detector.
        proposal: what became of it; None if it became none.
        pair: the proposal with a class, or a one-stage detector's candidate; None if there is none.
        detection: what became of this; None if it became none.
        lost: the station that lost the object, ``""`` if it was found.
    """

    anchor: int | None
    proposal: int | None
    pair: int | None
    detection: int | None
    lost: str


def object_story(case: Case, number: int, *, helped: bool = True) -> Story:
    """Tell what became of an object.

    Args:
        case: the image.
        number: of the object.
        helped: find what would have kept it, too: most of the time that a story takes.
    """
    assert case.objects is not None
    search = Search.of_object(case, number)
    detection = int(case.matches.detection_of[number])
    fate = _fate(search, None if detection < 0 else detection)
    overlap = None if detection < 0 else float(case.overlaps[detection, number])
    instead = None if detection >= 0 else _instead(case, number)
    return _story(search, "object", number, as_box(case.objects.boxes.xyxy[number]), fate, overlap,
                  instead, helped)  # fmt: skip


def box_story(case: Case, box: np.ndarray, original: np.ndarray) -> Story:
    """Tell what became of a box, of whatever class.

    Args:
        case: the image.
        box: float32 [4] in resized pixels.
        original: the same in original pixels.
    """
    search = Search(case, box, None)
    covering = search.heads.covers[search.heads.funnel.steps[-1].kept]
    detection = int(np.flatnonzero(covering)[0]) if covering.any() else None
    fate = _fate(search, detection)
    overlap = None
    if detection is not None:
        kept = search.heads.funnel.steps[-1].kept
        overlap = float(search.heads.overlap[kept[detection]])
    return _story(search, "box", None, as_box(original), fate, overlap, None)


def detection_story(case: Case, number: int) -> Story:
    """Tell how a detection came to be, and of a false one which kind of error it is.

    Args:
        case: the image.
        number: of the detection, by falling score.
    """
    found = case.detections
    box, label = found.resized.xyxy[number], int(found.labels[number])
    search = Search(case, box, label)
    steps = tuple(_steps(search, _fate(search, number)))
    score, box = float(found.scores[number]), as_box(found.boxes.xyxy[number])
    if case.objects is None:
        return Story("detection", case.image, number, box, label, "unknown", "", steps, score=score)
    partner = int(case.matches.object_of[number])
    if partner >= 0:
        overlap = float(case.overlaps[number, partner])
        return Story("detection", case.image, number, box, label, "correct", "", steps,
                     partner=partner, overlap=overlap, score=score)  # fmt: skip
    kind, meant = kind_of_error(case.overlaps[number], label, case.labels, case.threshold)
    shared = None if meant is None else float(case.overlaps[number, meant])
    facts: dict[str, Fact] = {}
    if meant is not None:
        facts = {"object_label": int(case.labels[meant]),
                 "object_detection": _or_none(int(case.matches.detection_of[meant]))}  # fmt: skip
    return Story("detection", case.image, number, box, label, "false", "", steps, partner=meant,
                 overlap=shared, score=score, kind=kind, facts=facts)  # fmt: skip


def _or_none(number: int) -> int | None:
    return None if number < 0 else number


def _fate(search: Search, detection: int | None) -> _Fate:
    """Find the candidate to follow, and the station that lost the object."""
    heads = search.heads
    if detection is not None:
        pair, lost = int(heads.funnel.steps[-1].kept[detection]), ""
    elif heads.covers.any():
        pair, step = heads.furthest(), heads.lost()
        lost = f"class_{step}" if step else "detection"
    elif search.case.parts.one_stage:
        nearest = heads.furthest() if heads.funnel.total else None
        return _Fate(None, None, nearest, None, "candidates")
    elif search.rpn.left("top_n"):
        pair, lost = _nearest_pair(search), "box"
    else:
        step, anchor = search.rpn.lost(), search.rpn.furthest()
        return _Fate(anchor, None, None, None, "decode" if step == "all" else step)
    if search.case.parts.one_stage:
        return _Fate(None, None, pair, _detection(heads, pair), lost)
    proposal = pair // search.case.second.classes
    return _Fate(int(search.proposals[proposal]), proposal, pair, _detection(heads, pair), lost)


def _detection(heads: Trail, pair: int) -> int | None:
    """The number of the detection that a pair became, if any."""
    at = np.flatnonzero(heads.funnel.steps[-1].kept == pair)
    return int(at[0]) if len(at) else None


def _nearest_pair(search: Search) -> int:
    """Of the proposals that cover the object the one whose second box overlaps it most."""
    covering = np.flatnonzero(search.rpn.covers[search.proposals])
    classes = search.case.second.classes
    pairs = (covering[:, None] * classes + np.arange(classes)).reshape(-1)
    if search.label is not None:
        pairs = covering * classes + (search.label - 1)
    return int(pairs[search.heads.overlap[pairs].argmax()])


def _instead(case: Case, number: int) -> int | None:
    """The best detection of another class that covers an object."""
    other = case.detections.labels != case.labels[number]
    found = np.flatnonzero(other & (case.overlaps[:, number] >= np.float32(case.threshold)))
    return int(found[0]) if len(found) else None


def _story(
    search: Search,
    about: str,
    number: int | None,
    original: tuple[float, float, float, float],
    fate: _Fate,
    overlap: float | None,
    instead: int | None,
    helped: bool = True,
) -> Story:
    case = search.case
    found = fate.lost == ""
    facts: dict[str, Fact] = {}
    if instead is not None:
        facts = {"instead_label": int(case.detections.labels[instead]),
                 "instead_score": float(case.detections.scores[instead])}  # fmt: skip
    score = None
    if found and fate.detection is not None:
        score = float(case.detections.scores[fate.detection])
        facts = {"partner_label": int(case.detections.labels[fate.detection])}
    return Story(
        about,
        case.image,
        number,
        original,
        search.label,
        "found" if found else "lost",
        fate.lost,
        tuple(_steps(search, fate)),
        () if found or not helped else _changes(search, fate, number),
        fate.proposal is not None or case.parts.one_stage,
        fate.detection if found else None,
        overlap,
        score,
        "",
        instead,
        facts,
    )


def _steps(search: Search, fate: _Fate) -> Iterator[Step]:
    if fate.anchor is None:
        yield from candidate_steps(search, fate.pair, fate.lost)
    else:
        yield from rpn_steps(search, fate.anchor, fate.lost)
    if fate.proposal is not None and fate.pair is not None:
        yield from box_steps(search, fate.proposal, fate.pair, fate.lost)
    if fate.detection is not None:
        other = int(search.case.matches.object_of[fate.detection])
        facts: dict[str, Fact] = {"partner": other} if fate.lost else {}
        yield detection_step(search.case, fate.detection, bool(fate.lost), **facts)


def _changes(search: Search, fate: _Fate, number: int | None) -> tuple[Change, ...]:
    if fate.lost in ("decode", "candidates", "box", "detection"):
        return ()
    if fate.pair is None:
        return proposal_changes(search)
    return detection_changes(search, number)
