"""What the page says of the recording as a whole, in each of its languages."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracer.languages import languages, listed
from tracer.numbers import large
from tracer.record import Source, Trace, Value
from tracer.record.statements import inner_lines
from tracer.stepper.cursor import Cursor
from tracer.stepper.positions import Timeline
from tracer.views.page.beside import shape
from tracer.views.page.highlight import tokens
from tracer.views.page.parts import alike, indent, number, said
from tracer.views.page.shell import texts


def labels(trace: Trace, left_out: Sequence[str]) -> dict[str, Any]:
    """Return what the page says of the recording as a whole, as JSON data.

    Returns:
        ``title``, ``facts`` beside it, ``notices`` beneath, facts ``about`` the recording; of each
        of the ``stages`` what it made; the ticks where a stage ``starts``; ``bars``: of each call
        that is not too deep from which step to which it goes, its depth, its stage.
    """
    title = trace.environment.get("title")
    notices = []
    if trace.error:
        failure = said("failed", type=trace.error.type, message=trace.error.message)
        notices.append([".error", failure])
    if left_out:
        notices.append(["", [_left_out(left_out, lang) for lang in languages()]])
    return {
        "stages": _stages(trace),
        "bars": _bars(trace),
        "starts": Cursor(trace).stage_starts(),
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


def _stages(trace: Trace) -> dict[str, str]:
    """Of each stage what its last call made: how many levels, or the first tensor near the top."""
    return {stage.name: _made(trace, trace.calls[stage.calls[-1]].result) for stage in trace.stages}


MOST_DEPTH = 9
"""Of calls within calls, in the timeline."""


def _bars(trace: Trace) -> list[tuple[int, int, int, str]]:
    index = {position.tick: i for i, position in enumerate(Timeline(trace).positions)}
    depth: list[int] = []
    for call in trace.calls:
        depth.append(0 if call.parent is None else depth[call.parent] + 1)
    return [
        (index[call.start], index[call.end], depth[call.id], call.stage)
        for call in trace.calls
        if depth[call.id] < MOST_DEPTH
    ]


def _made(trace: Trace, value: Value | None) -> str:
    items = [item for _, item in value.items] if value else []
    if value and value.kind == "mapping" and len(items) > 1:
        first = next(items[0].tensors(), None)
        return "" if first is None else f"{len(items)} × {shape(trace.tensors[first].summary)}"
    inner = [near for item in items for near in (item, *(part for _, part in item.items))]
    found = (near.tensor for near in (value, *inner) if near)
    state = next((state for state in found if state is not None), None)
    return "" if state is None else shape(trace.tensors[state].summary)


def _left_out(names: Iterable[str], lang: str) -> str:
    return texts("left_out", lang, what=listed((texts(f"left_{n}", lang) for n in names), lang))


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
    starts = {call.source for call in trace.calls if call.source}
    return {
        name: {
            "lines": _by_line(file.text, tokens(file.text)),
            "times": times[name]
            | Counter({n: 1 for n, at in firsts[name].items() if times[name][at]}),
            "ends": _ends(file.text.split("\n"), [s for s in starts if s.file == name]),
            "firsts": firsts[name],
        }
        for name, file in trace.sources.items()
    }


def _firsts(text: str, ran: Mapping[int, int]) -> dict[int, int]:
    return {n: first for n, first in inner_lines(text).items() if n not in ran}


def _by_line(text: str, runs: Sequence[int]) -> list[list[int]]:
    """Part a text's runs by its lines; a line break belongs to no line."""
    units = text.encode("utf-16-le", "surrogatepass")
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
