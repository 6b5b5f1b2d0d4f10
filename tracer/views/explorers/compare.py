"""Two passes side by side: which calls differ, in shape or in statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tracer.errors import InputError
from tracer.numbers import dims
from tracer.record import Call, TensorSummary, Trace
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Shown, Slider
from tracer.views.explorers.explorer import Explorer

ROWS = 60
"""So many rows are shown at once."""
FIGURES = ("min", "max", "mean", "std")


@dataclass(frozen=True)
class Pair:
    """One tensor of one call in both passes.

    Attributes:
        name: the call and, where it gave several tensors, which.
        stage: that the call belongs to.
        first, second: what is known of the tensor; None where the pass has no such one.
        change: the largest difference of the statistics, in standard deviations of the first;
            infinite where they cannot be compared.
    """

    name: str
    stage: str
    first: TensorSummary | None
    second: TensorSummary | None
    change: float

    @property
    def kind(self) -> str:
        """How they differ: ``"missing"``, ``"shape"``, ``"values"``; ``""`` if they do not."""
        if self.first is None or self.second is None:
            return "missing"
        if (self.first.shape, self.first.dtype) != (self.second.shape, self.second.dtype):
            return "shape"
        return "values" if self.change > 0 else ""


def pairs(first: Trace, second: Trace, kinds: Iterable[str] = ("module",)) -> tuple[Pair, ...]:
    """Match the results of two recordings by path and call number, in the first one's order.

    What only the second has comes last.
    """
    wanted = tuple(kinds)
    mine, other = _results(first, wanted), _results(second, wanted)
    names = [*mine, *(name for name in other if name not in mine)]
    return tuple(_pair(name, mine.get(name), other.get(name)) for name in names)


def _results(trace: Trace, kinds: tuple[str, ...]) -> dict[str, tuple[Call, TensorSummary]]:
    found = {}
    for call in trace.calls:
        if call.kind not in kinds or call.result is None:
            continue
        for path, leaf in call.result.leaves():
            if leaf.tensor is not None:
                keys = "".join(f"[{part}]" for part in path.split(".") if part)
                found[f"{call.label}{keys}"] = (call, trace.tensors[leaf.tensor].summary)
    return found


def _pair(
    name: str,
    mine: tuple[Call, TensorSummary] | None,
    other: tuple[Call, TensorSummary] | None,
) -> Pair:
    call = (mine or other or (None,))[0]
    stage = call.stage if call is not None else ""
    if mine is None or other is None:
        return Pair(name, stage, mine and mine[1], other and other[1], math.inf)
    return Pair(name, stage, mine[1], other[1], _change(mine[1], other[1]))


def _change(a: TensorSummary, b: TensorSummary) -> float:
    """The largest difference of min, max, mean and std, in units of the first one's std."""
    if (a.nan, a.inf) != (b.nan, b.inf):
        return math.inf
    unit = a.std if a.std else 1.0
    found = [(getattr(a, name), getattr(b, name)) for name in FIGURES]
    if any((x is None) != (y is None) for x, y in found):
        return math.inf
    return max((abs(x - y) / unit for x, y in found if x is not None and y is not None), default=0)


def draw(
    found: Mapping[str, tuple[Pair, ...]], lang: str, grain: str, differing: str, stage: str,
    above: float,
) -> Shown:  # fmt: skip
    """Show the calls that differ, as far as they are wanted."""
    every = [pair for pair in found[grain] if not stage or pair.stage == stage]
    chosen = [pair for pair in every if _wanted(pair, differing, above)]
    counts = {
        kind: sum(pair.kind == kind for pair in every) for kind in ("shape", "values", "missing")
    }
    words = [told.note(_summary(lang, len(every), counts)), _table(lang, chosen[:ROWS])]
    if len(chosen) > ROWS:
        cut = told.say("first_rows", lang, rows=ROWS, total=len(chosen))
        words.append(told.note(cut, muted=True))
    return Shown(told.block(*words))


def _wanted(pair: Pair, differing: str, above: float) -> bool:
    if differing and pair.kind != differing:
        return False
    return bool(pair.kind) and (pair.kind != "values" or pair.change > above)


def _summary(lang: str, total: int, counts: Mapping[str, int]) -> str:
    same = total - sum(counts.values())
    return told.say("compared", lang, total=total, same=same, **counts)


def _table(lang: str, chosen: Iterable[Pair]) -> str:
    keys = ("call", "first", "second", "mean_std", "mean_std", "difference")
    heads = [told.say(key, lang) for key in keys]
    rows = [
        (
            pair.name,
            *(_shape(each) for each in (pair.first, pair.second)),
            *(_values(each) for each in (pair.first, pair.second)),
            f"{pair.change:.3g}" if math.isfinite(pair.change) else "–",
        )
        for pair in chosen
    ]
    return told.table(heads, rows) if rows else told.note(told.say("nothing", lang))


def _shape(summary: TensorSummary | None) -> str:
    if summary is None:
        return "–"
    dtype = "" if summary.dtype == "float32" else f" {summary.dtype}"
    return f"{dims(summary.shape)}{dtype}"


def _values(summary: TensorSummary | None) -> str:
    if summary is None or summary.mean is None:
        return "–"
    bad = f" ({summary.nan} NaN)" if summary.nan else ""
    spread = "" if summary.std is None else f" ± {summary.std:.3g}"
    return f"{summary.mean:.3g}{spread}{bad}"


def explorer(
    trace: Trace, lang: str, *, other: Trace | None = None, grain: str = "module",
    differing: str = "", stage: str = "", above: float = 0.0,
) -> Explorer:  # fmt: skip
    """Return the comparison of two passes.

    Args:
        trace: the first recording.
        lang: of the texts.
        other: the second one.
        grain: ``"module"``, ``"function"`` or ``"op"``.
        differing: only these: ``"shape"``, ``"values"``, ``"missing"``; ``""`` for all.
        stage: only this one; ``""`` for all.
        above: only values that differ by more than so many standard deviations.

    Raises:
        InputError: there is no second recording.
    """
    if not isinstance(other, Trace):
        raise InputError(
            "compare needs a second recording: recording.explore('compare', other=recording2)"
        )
    grains = ("module", "function", "op")
    found = {grain: pairs(trace, other, (grain,)) for grain in grains}
    stages = [s.name for s in trace.stages]
    every = told.say("all", lang)
    kinds = (
        (every, ""), (told.say("shape", lang), "shape"),
        (told.say("values", lang), "values"),
        (told.say("in_one", lang), "missing"),
    )  # fmt: skip
    controls = (
        Choice(
            "grain", told.say("calls_of", lang), tuple((g, g) for g in grains), grain, buttons=True
        ),
        Choice("differing", told.say("that_differ_in", lang), kinds, differing, buttons=True),
        Choice("stage", told.say("stage", lang), ((every, ""), *((s, s) for s in stages)), stage),
        Slider("above", told.say("by_more_than", lang), 0.0, 3.0, above, 0.01),
    )

    def drawn(**values: Any) -> Shown:
        return draw(found, lang, **values)

    def still(values: Mapping[str, Any]) -> dict[str, str | bytes]:
        return {"text/html": drawn(**values).html}

    return Explorer("compare", lang, controls, drawn, still)
