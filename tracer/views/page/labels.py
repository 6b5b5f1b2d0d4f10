"""What the page says of the recording as a whole, in each of its languages."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracer.record import Source, Trace
from tracer.views.page.highlight import tokens
from tracer.views.page.parts import number, said

Texts = list[str]
"""A text in English and in Chinese."""


def labels(trace: Trace, left_out: Sequence[str]) -> dict[str, Any]:
    """Return the page's title, the facts beside it and the notices beneath, as JSON data."""
    title = trace.environment.get("title")
    notices = []
    if trace.error:
        failure = said("failed", type=trace.error.type, message=trace.error.message)
        notices.append([".error", failure])
    if left_out:
        parts = _each([said(f"left_{name}") for name in left_out], (", ", "、"))
        notices.append(["", [said("left_out", what=part)[i] for i, part in enumerate(parts)]])
    return {
        "title": [title, title] if title else said(f"title_{trace.kind}", subject=trace.subject),
        "facts": _each(list(_facts(trace)), (" · ", " · ")),
        "notices": notices,
    }


def _facts(trace: Trace) -> Iterable[Texts]:
    known = trace.environment
    if "torchvision" in known:
        yield [f"torchvision {known['torchvision'].split('+')[0]}"] * 2
    if trace.kind == "pass" and known.get("mode") in ("eval", "train"):
        yield said(f"mode_{known['mode']}")
    if known.get("device"):
        yield [known["device"]] * 2
    yield said("calls", n=number(len(trace.calls)))
    weights = sum(math.prod(parameter.shape) for parameter in trace.parameters)
    if weights:
        yield said("params", n=_big(weights))


def _each(texts: list[Texts], signs: tuple[str, str]) -> Texts:
    """Join texts, in each language by its own sign."""
    return [sign.join(text[i] for text in texts) for i, sign in enumerate(signs)]


def _big(n: int) -> str:
    """41.3 M, 5.2 k, as the page writes large numbers."""
    power = min(int(math.log10(max(n, 1))) // 3, 4)
    return f"{n / 1000**power:.3g}{('', ' k', ' M', ' G', ' T')[power]}"


def files(trace: Trace) -> dict[str, dict[str, Any]]:
    """Return of each source file what the page shows beside its text.

    Returns:
        ``tokens``: see `highlight.tokens`. ``times``: how often each line ran in the whole
        recording. ``ends``: the last line of each function that was called, by its first.
    """
    times: dict[str, Counter[int]] = defaultdict(Counter)
    for line in trace.lines:
        source = trace.calls[line.call].source
        if source:
            times[source.file][line.line] += 1
    starts = {call.source for call in trace.calls if call.source}
    return {
        name: {
            "tokens": tokens(file.text),
            "times": times[name],
            "ends": _ends(file.text.split("\n"), [s for s in starts if s.file == name]),
        }
        for name, file in trace.sources.items()
    }


def _ends(lines: list[str], starts: Iterable[Source]) -> Mapping[int, int]:
    return {start.line: _end(lines, start.line) for start in starts}


def _end(lines: list[str], start: int) -> int:
    """Return the last line of the function whose ``def`` is at `start`, by its indentation."""
    own = _indent(lines[start - 1]) if start <= len(lines) else 0
    last = start
    for n, text in enumerate(lines[start:], start + 1):
        closing = text.lstrip()[:1] in (")", "]", "#")
        if text.strip() and _indent(text) <= own and not closing:
            break
        if text.strip():
            last = n
    return last


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
