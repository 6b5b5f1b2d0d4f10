"""Which shape comes out of a call; wrong ones are what a slip would give."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tracer.errors import InputError, MissingError
from tracer.languages import languages, listed
from tracer.numbers import dims
from tracer.record import Trace
from tracer.views.kit.guesses.model import Guess, Words, alike, choices, words
from tracer.views.kit.questions import find, given, outputs
from tracer.views.kit.reasons import Shape, reasons, shape_of

USUAL = (
    "transform", "backbone.body.conv1", "backbone.body.maxpool", "backbone.body.layer1",
    "backbone.body.layer2", "backbone.body.layer3", "backbone.body.layer4",
    "backbone.fpn.inner_blocks.3", "backbone.fpn[0]", "backbone.fpn[3]", "backbone.fpn[pool]",
    "rpn.head[0][0]", "rpn.head[1][0]", "rpn.anchor_generator[0]", "rpn[0][0]",
    "roi_heads.box_roi_pool", "roi_heads.box_head", "roi_heads.box_predictor[0]",
    "roi_heads.box_predictor[1]",
)  # fmt: skip
"""Of a Faster R-CNN, in the order of the pass."""


def askable(trace: Trace) -> list[str]:
    """Return what can be asked about: a detector's usual calls, else modules that change a shape.

    Each as `tracer.views.kit.questions.predict` takes it.
    """
    usual = [asked for asked in USUAL if _known(trace, asked)]
    return usual or _changing(trace)


def _known(trace: Trace, asked: str) -> bool:
    try:
        find(trace, asked)
    except (MissingError, InputError):
        return False
    return True


def _changing(trace: Trace) -> list[str]:
    found = []
    for call in trace.calls:
        if call.kind != "module" or call.nth or not call.path or call.result is None:
            continue
        before = given(trace, call)
        if outputs(call) != ("",) or not before:
            continue
        if shape_of(trace, next(call.result.tensors())) != before[0]:
            found.append(call.path)
    return found


def shapes(trace: Trace, draw: random.Random) -> Iterator[Guess]:
    """Yield questions, as they are drawn."""
    known = askable(trace)
    for asked in draw.sample(known, len(known)):
        yield shape_question(trace, asked, draw)


def shape_question(trace: Trace, asked: str, draw: random.Random) -> Guess:
    """Return the question about a call.

    Raises:
        MissingError: there is no such call, or it gave no single tensor there.
        InputError: it names no call.
    """
    call, state = find(trace, asked)
    shape, before = shape_of(trace, state), given(trace, call)
    wrong = (
        (alike(dims(slip)), words(f"mistake.shape.{key}")) for key, slip in _slips(shape, before)
    )
    name = asked.partition("[")[0]
    ask = words("ask.shape", call=name, asked=asked, shapes=_several(before))
    why = {lang: reasons(trace, call, state, lang) for lang in languages()}
    told = tuple(dict(zip(why, each, strict=True)) for each in zip(*why.values(), strict=True))
    return Guess("shape", ask, choices(draw, alike(dims(shape)), wrong), told, call.end)


def _several(shapes: tuple[Shape, ...]) -> Words:
    shown = [dims(shape) for shape in shapes[:5]] + ["…"] * (len(shapes) > 5)
    return {lang: listed(shown, lang) for lang in languages()}


def _slips(shape: Shape, given: tuple[Shape, ...]) -> Iterator[tuple[str, Shape]]:
    """Yield shapes that are wrong in one way each, and which."""
    before = next((g for g in given if len(g) == len(shape)), None)
    if len(shape) == 4:
        batch, channels, height, width = shape
        if before is not None:
            yield "stride", (batch, channels, *before[2:])
            yield "channels", (batch, before[1], height, width)
        yield "halved", (batch, channels, -(-height // 2), -(-width // 2))
        yield "doubled", (batch, channels, height * 2, width * 2)
        yield "last", (batch, height, width, channels)
    elif len(shape) == 2:
        rows, columns = shape
        if before is not None:
            yield "kept", (rows, before[1])
        yield "turned", (columns, rows)
        yield "each_anchor", (rows * 3, columns)
        yield "each_number", (rows, columns * 4)
        yield "two", (rows, 2)
    else:
        yield "four", (*shape, 4)
        yield "one", (*shape, 1)
        yield "axis", shape[:-1]
