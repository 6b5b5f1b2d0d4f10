"""The shape quiz: a call, four shapes, and why it is the one that it is."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from tracer.errors import InputError, MissingError
from tracer.languages import listed
from tracer.numbers import dims
from tracer.record import Call, Trace
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Control, Shown
from tracer.views.explorers.explorer import Explorer
from tracer.views.kit.html_text import escape
from tracer.views.kit.questions import outputs, predict
from tracer.views.kit.reasons import shape_of

Shape = tuple[int, ...]
USUAL = (
    "transform", "backbone.body.conv1", "backbone.body.maxpool", "backbone.body.layer1",
    "backbone.body.layer2", "backbone.body.layer3", "backbone.body.layer4",
    "backbone.fpn.inner_blocks.3", "backbone.fpn[0]", "backbone.fpn[3]", "backbone.fpn[pool]",
    "rpn.head[0][0]", "rpn.head[1][0]", "rpn.anchor_generator[0]", "rpn[0][0]",
    "roi_heads.box_roi_pool", "roi_heads.box_head", "roi_heads.box_predictor[0]",
    "roi_heads.box_predictor[1]",
)  # fmt: skip
"""The questions about a Faster R-CNN, in the order of the pass."""
MOST = 40
OPTIONS = 4


def questions(trace: Trace) -> tuple[str, ...]:
    """Return what can be asked: the usual calls of a detector, else modules that change a shape."""
    usual = tuple(asked for asked in USUAL if _known(trace, asked))
    return usual or tuple(_changing(trace))[:MOST]


def _known(trace: Trace, asked: str) -> bool:
    try:
        predict(trace, asked, ...)
    except (MissingError, InputError):
        return False
    return True


def _changing(trace: Trace) -> list[str]:
    found = []
    for call in trace.calls:
        if call.kind != "module" or call.nth or not call.path:
            continue
        given = _given(trace, call)
        if call.result is None or outputs(trace, call) != ("",) or not given:
            continue
        if shape_of(trace, next(call.result.tensors())) != given[0]:
            found.append(call.path)
    return found


def _given(trace: Trace, call: Call) -> list[Shape]:
    return [shape_of(trace, state) for state in call.args.tensors()]


def choices(trace: Trace, asked: str) -> tuple[Shape, ...]:
    """Return the right shape among wrong ones that a slip would give, always in the same order."""
    answer = predict(trace, asked, (1,))
    assert answer.shape is not None
    shape = answer.shape
    found = list(dict.fromkeys([shape, *_slips(shape, answer.given)]))[:OPTIONS]
    turn = zlib.crc32(asked.encode()) % len(found)
    return tuple(found[turn:] + found[:turn])


def _slips(shape: Shape, given: tuple[Shape, ...]) -> list[Shape]:
    """Shapes that are wrong in one way each: a stride forgotten, the channels kept, and so on."""
    before = next((g for g in given if len(g) == len(shape)), None)
    slips: list[Shape] = []
    if len(shape) == 4:
        batch, channels, height, width = shape
        if before is not None:
            slips += [(batch, channels, *before[2:]), (batch, before[1], height, width)]
        slips += [
            (batch, channels, -(-height // 2), -(-width // 2)),
            (batch, channels, height * 2, width * 2),
            (batch, channels * 2, height, width),
            (batch, height, width, channels),
        ]
    elif len(shape) == 2:
        rows, columns = shape
        kept = [(rows, before[1])] if before is not None else []
        slips += [*kept, (columns, rows), (rows * 3, columns), (rows, columns * 4), (rows, 2)]
    else:
        slips += [(*shape, 4), (*shape, 1), shape[:-1]]
    return [slip for slip in slips if slip != shape]


def draw(trace: Trace, lang: str, asked: str, guess: Shape | None) -> Shown:
    """Ask, or judge."""
    answer = predict(trace, asked, ... if guess is None else guess, lang)
    text = told.note(_question(trace, asked, lang)) if guess is None else answer._repr_html_()
    return Shown(told.block(text))


def _question(trace: Trace, asked: str, lang: str) -> str:
    given = predict(trace, asked, ...).given
    shown = [dims(shape) for shape in given[:5]] + ["…"] * (len(given) > 5)
    return told.say(
        "asked", lang, call=asked.partition("[")[0], shapes=listed(shown, lang), asked=asked
    )


def explorer(trace: Trace, lang: str, *, asked: str = "") -> Explorer:
    """Return the shape quiz.

    Args:
        trace: a recording of a pass.
        lang: of the texts.
        asked: the question that it starts with, as `tracer.views.kit.questions.predict` takes it.

    Raises:
        MissingError: no call of the recording gave a tensor that can be asked about.
    """
    known = questions(trace)
    if asked and asked not in known:
        predict(trace, asked, ...)
        known = (asked, *known)
    if not known:
        raise MissingError("no module of this recording gave a tensor to be guessed: record a pass")
    start = asked or known[0]
    controls = (
        Choice("asked", told.say("comes_out", lang), tuple((q, q) for q in known), start),
        _guesses(trace, start, lang),
    )

    def adapt(values: Mapping[str, Any]) -> dict[str, Control]:
        return {"guess": _guesses(trace, values["asked"], lang)}

    def still(values: Mapping[str, Any]) -> dict[str, str | bytes]:
        folded = "".join(_folded(trace, lang, asked) for asked in known)
        return {"text/html": told.block(folded)}

    return Explorer("quiz", lang, controls, lambda **at: draw(trace, lang, **at), still, adapt)


def _guesses(trace: Trace, asked: str, lang: str) -> Choice:
    options = tuple((dims(shape), shape) for shape in choices(trace, asked))
    return Choice(
        "guess", told.say("your_guess", lang), (("?", None), *options), None, buttons=True
    )


def _folded(trace: Trace, lang: str, asked: str) -> str:
    """A question whose answer unfolds, for where nothing can be clicked but that."""
    shapes = choices(trace, asked)
    options = "　".join(dims(shape) for shape in shapes)
    answer = predict(trace, asked, next(s for s in shapes if predict(trace, asked, s)), lang)
    question = escape(_question(trace, asked, lang))
    return (
        f"<details><summary>{question}<br>{escape(options)}</summary>{answer._repr_html_()}"
        "</details>"
    )
