"""What the page says of the recording as a whole, in each of its languages."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Any

from tracer.errors import TracerError
from tracer.languages import languages, listed
from tracer.numbers import dims, large, number
from tracer.rcnn.board import read_board
from tracer.rcnn.findings import told
from tracer.record import Source, Trace, Value
from tracer.record.statements import inner_lines
from tracer.stepper.cursor import Cursor
from tracer.stepper.help import groups
from tracer.stepper.positions import Timeline
from tracer.views.page.beside import shape
from tracer.views.page.highlight import tokens
from tracer.views.page.parts import alike, indent, said
from tracer.views.page.shell import texts


def labels(trace: Trace, left_out: Sequence[str]) -> dict[str, Any]:
    """Return what the page says of the recording as a whole, as JSON data.

    Returns:
        ``title``, ``facts`` beside it, ``notices`` beneath, facts ``about`` the recording; of each
        of the ``stages`` what it made, in short and all of it; the ticks where a stage ``starts``;
        ``bars``: of each call that is not too deep from which step to which it goes, its depth,
        its stage.
    """
    title = trace.environment.get("title") and trace.called()
    notices = []
    if trace.error:
        failure = said("failed", type=trace.error.type, message=trace.error.message)
        notices.append([".error", failure])
    notices += [
        ["", list(texts)]
        for texts in zip(*(told(trace, lang) for lang in languages()), strict=True)
    ]
    if left_out:
        notices.append(["", [_left_out(left_out, lang) for lang in languages()]])
    cursor = Cursor(trace)
    return {
        "stages": _stages(trace),
        "bars": _bars(trace, cursor.timeline),
        "starts": cursor.stage_starts(),
        "about": {**trace.environment, "seconds": f"{number(trace.seconds)} s"},
        "title": alike(title) if title else said(f"title_{trace.kind}", subject=trace.subject),
        "facts": list(map(" · ".join, zip(*_facts(trace), strict=True))),
        "notices": notices,
    }


def _facts(trace: Trace) -> Iterable[list[str]]:
    known = trace.environment
    if "torchvision" in known:
        yield alike(f"torchvision {known['torchvision'].split('+')[0]}")
    if trace.kind == "pass" and known.get("mode") in ("eval", "train"):
        yield said(f"mode_{known['mode']}")
    if known.get("device"):
        yield alike(known["device"])
    yield said("calls", n=number(len(trace.calls)))
    weights = sum(math.prod(parameter.shape) for parameter in trace.parameters)
    if weights:
        yield said("params", n=large(weights))


def _stages(trace: Trace) -> dict[str, tuple[str, str]]:
    """Of each stage what its last call made: in short, and each of several things by its name."""
    made = {stage.name: trace.calls[stage.calls[-1]].result for stage in trace.stages}
    return {name: _made(trace, value) for name, value in made.items()}


MOST_DEPTH = 9
"""Of calls within calls, in the timeline."""


def _bars(trace: Trace, timeline: Timeline) -> list[tuple[int, int, int, str]]:
    index = {tick: i for i, tick in enumerate(timeline.ticks)}
    depth: list[int] = []
    for call in trace.calls:
        depth.append(0 if call.parent is None else depth[call.parent] + 1)
    return [
        (index[call.start], index[call.end], depth[call.id], call.stage)
        for call in trace.calls
        if depth[call.id] < MOST_DEPTH
    ]


def _made(trace: Trace, value: Value | None) -> tuple[str, str]:
    """Return a tensor's shape, and ``""``; of several in short, and each by its name.

    Levels that differ in size: ``P2…P6 144×160…9×10``, the sizes in which they differ. One tensor
    for each image: ``2 × 1000×4``, or ``27×4 + 23×4``.
    """
    if value and value.kind == "module":
        return (large(value.params[0]) if value.params and value.params[0] else ""), ""
    found = _several(value)
    summaries = [trace.tensors[state].summary for _, state in found]
    written = [shape(summary) for summary in summaries]
    if len(found) < 2:
        return "".join(written), ""
    keys = [key for key, _ in found]
    shapes = [summary.shape for summary in summaries]
    names = _level_names(trace, list(zip(keys, shapes, strict=True))) or keys
    every = ", ".join(f"{name} {text}".strip() for name, text in zip(names, written, strict=True))
    if len(set(written)) == 1:
        return f"{len(found)} × {written[0]}", every
    if not names[0]:
        return " + ".join(written[:MOST_NAMED]) + " + …" * (len(written) > MOST_NAMED), every
    first, last = shapes[0], shapes[-1]
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    return f"{names[0]}…{names[-1]} {dims(first[same:])}…{dims(last[same:])}", every


MOST_NAMED = 3
"""Boxes of so many images at most are told one by one."""


def _several(value: Value | None) -> list[tuple[str, int]]:
    """The first tensor of each thing in a value, with its key in a dict and without in a list."""
    if value is None:
        return []
    if value.tensor is not None:
        return [("", value.tensor)]
    first = [(key, next(item.tensors(), None)) for key, item in value.items]
    found = [(key, state) for key, state in first if state is not None]
    if value.type == "tuple" or value.kind not in ("mapping", "sequence"):
        return _several(next((item for _, item in value.items if any(item.tensors())), None))
    return [(key if value.kind == "mapping" else "", state) for key, state in found]


def _level_names(trace: Trace, maps: Sequence[tuple[str, tuple[int, ...]]]) -> list[str]:
    """P2…P6, where maps, each a key and a shape, are the levels of the pass's pyramid."""
    try:
        board = read_board(trace)
    except TracerError:
        return []
    features = board.features if board else ()
    same = [(level.place, level.shape) for level in features] == list(maps)
    return [level.name for level in features] if same else []


def _left_out(names: Iterable[str], lang: str) -> str:
    return texts("left_out", lang, what=listed((texts(f"left_{n}", lang) for n in names), lang))


def commands() -> list[tuple[str, list[str]]]:
    """Return how each command of the stepper is typed, and in every language what it does."""
    told = [
        [text for group in groups(lang).values() for text in group.items()] for lang in languages()
    ]
    return [(row[0][0], [text for _, text in row]) for row in zip(*told, strict=True)]


def files(trace: Trace) -> dict[str, dict[str, Any]]:
    """Return of each source file what the page shows beside its text.

    Returns:
        ``lines``: of each line the runs of `highlight.tokens` in it. ``times``: how often each line
        ran in the whole recording; 1 for a line within a statement that ran. ``firsts``: the
        statement's first line, of each line within one that did not run by itself (a lambda).
        ``ends``: the last line of each function called, by its first.
    """
    times: dict[str, Counter[int]] = defaultdict(Counter)
    for line in trace.lines:
        source = trace.calls[line.call].source
        if source:
            times[source.file][line.line] += 1
    firsts = {name: _firsts(file.text, times[name]) for name, file in trace.sources.items()}
    starts = dict.fromkeys(call.source for call in trace.calls if call.source)
    return {
        name: {
            "lines": _by_line(file.text),
            "times": times[name]
            | Counter({n: 1 for n, at in firsts[name].items() if times[name][at]}),
            "ends": _ends(file.text.split("\n"), [s for s in starts if s.file == name]),
            "firsts": firsts[name],
        }
        for name, file in trace.sources.items()
    }


def _firsts(text: str, ran: Mapping[int, int]) -> dict[int, int]:
    return {n: first for n, first in inner_lines(text).items() if n not in ran}


@lru_cache(maxsize=64)
def _by_line(text: str) -> list[list[int]]:
    """Part the runs of a source's tokens by its lines; a line break belongs to no line."""
    units, runs = text.encode("utf-16-le", "surrogatepass"), tokens(text)
    lines: list[list[int]] = [[]]
    at = 0
    for kind, length in zip(runs[::2], runs[1::2], strict=True):
        piece = units[2 * at : 2 * (at + length)].decode("utf-16-le", "surrogatepass")
        at += length
        parts = (part.encode("utf-16-le", "surrogatepass") for part in piece.split("\n"))
        first, *others = (len(part) // 2 for part in parts)
        lines[-1] += [kind, first] if first else []
        lines += [[kind, size] if size else [] for size in others]
    return lines


def _ends(lines: list[str], starts: Iterable[Source]) -> Mapping[int, int]:
    return {start.line: _end(lines, start.line) for start in starts}


def _end(lines: list[str], start: int) -> int:
    """Return the last line of the function whose ``def`` is at `start`, by its indentation."""
    own = indent(lines[start - 1]) if start <= len(lines) else 0
    last = start
    for n, text in enumerate(lines[start:], start + 1):
        closing = text.lstrip()[:1] in (")", "]", "#")
        if text.strip() and indent(text) <= own and not closing:
            break
        if text.strip():
            last = n
    return last
