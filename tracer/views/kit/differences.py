"""The words of a comparison: where two recordings part and why, and how two things differ."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from tracer.errors import option
from tracer.foreign import clean
from tracer.languages import Texts, joined, listed
from tracer.numbers import number
from tracer.rcnn.stories import Story
from tracer.record import TensorSummary, Trace, Value
from tracer.record.comparison import LEAST, Branch, Comparison, Difference, Pair, Setting
from tracer.record.query import ancestors
from tracer.views.kit.shapes import shape_text
from tracer.views.kit.stories import station, told

say = Texts("diff")
MOST = 4
"""So many differences are named in a sentence."""


def verdict(compared: Comparison, lang: str = "en") -> str:
    """Return in a few sentences whether the two agree, and if not, where they part and why."""
    return joined("\n".join(answer(compared, lang)))


def answer(compared: Comparison, lang: str = "en") -> tuple[str, ...]:
    """Return the verdict sentence by sentence."""
    kind = compared.verdict
    if kind == "origin":
        return tuple(_parting(compared, lang))
    if kind == "inputs":
        return tuple(_not_given_the_same(compared, lang))
    counts, calls = compared.counts, f"{len(compared.pairs):,}"
    if kind == "same" and _by_bits_alone(compared):
        return (say("verdict.same_bits", lang, calls=calls),)
    sizes = {name: f"{counts[name]:,}" for name in ("first", "second")}
    count = f"{counts['settings']:,}"
    return (say(f"verdict.{kind}", lang, calls=calls, count=count, **sizes),)


def _by_bits_alone(compared: Comparison) -> bool:
    return {way for way, count in compared.evidence.items() if count} == {"fingerprint"}


def _not_given_the_same(compared: Comparison, lang: str) -> Iterator[str]:
    given = [d for pair in compared.pairs if pair.parent is None for d in pair.inputs]
    if given:
        yield say("verdict.inputs", lang, what=named(compared, given, "argument", lang))
    if compared.divergence is not None:
        yield from _parting(compared, lang, "verdict.again")
    elif not given:
        yield say("verdict.inputs_unknown", lang)


def _parting(compared: Comparison, lang: str, key: str = "verdict.origin") -> Iterator[str]:
    assert compared.divergence is not None
    pair = compared.pairs[compared.divergence]
    names = {"call": called(pair)}
    trace = compared.first if pair.first is not None else compared.second
    around = next((c for c in ancestors(trace, pair.call) if c.kind == "module"), None)
    if pair.call.kind != "module" and around is not None:
        key, names = f"{key}_within", {**names, "around": around.label}
    what = named(compared, pair.results, "result", lang)
    yield say(key, lang, what=what, **names)
    if because := _because(compared, pair, lang):
        yield because


def _because(compared: Comparison, pair: Pair, lang: str) -> str:
    """Return what a call that parts has that its counterpart has not."""
    traces = compared.first, compared.second
    done = dict.fromkeys(c for trace in traces for c in trace.settings.changes if _is_of(c, pair))
    if done:
        return say("because.changed", lang, what=listed(list(done), lang))
    own = [setting_text(setting, lang) for setting in pair.settings[:MOST]]
    plain = [d for d in pair.inputs if d.parameter or d.kind in ("scalar", "type")]
    if plain:
        own.append(named(compared, plain, "argument", lang))
    if own:
        return say("because.settings", lang, what=listed(own, lang))
    inner = [p for p in compared.pairs if p.parent == compared.divergence]
    only = [f"{called(p)} ({say(f'status_of.{p.status}', lang)})" for p in inner
            if p.status in ("first", "second")]  # fmt: skip
    if only:
        return say("because.code", lang, what=some(only, lang))
    if compared.evidence["fingerprint"]:  # its parameters are known to be the same
        return ""
    names = _parameters(compared.first, pair)
    return say("because.weights", lang, names=some(names, lang)) if names else ""


def _is_of(change: str, pair: Pair) -> bool:
    """Whether a change on purpose is one of what this call returns: ``backbone.fpn[0] = zero``."""
    place, _, made = change.partition(" = ")
    return bool(made) and re.split(r"[#\[]", place)[0] == pair.call.path


def _parameters(trace: Trace, pair: Pair) -> list[str]:
    """Return the parameters and buffers that a call takes, or that its module owns."""
    assert pair.first is not None
    states = [trace.tensors[state] for state in pair.first.args.tensors()]
    taken = [state.name for state in states if state.name]
    path = pair.first.path
    owned = [p.name for p in trace.parameters if p.name.rpartition(".")[0] == path]
    return taken or (owned if pair.first.kind == "module" else [])


def called(pair: Pair) -> str:
    """Return a call's label; both, where it has another in the second recording."""
    first, second = pair.first, pair.second
    if first is None or second is None or first.label == second.label:
        return pair.call.label
    other = second.label
    if first.path == second.path:
        other = f"#{other.rpartition('#')[2]}"
    return f"{first.label} → {other}"


def standing(compared: Comparison, index: int, around: set[int]) -> str:
    """Return a pair's status; of one that parts, whether here, around that place, or anew.

    Args:
        compared: two recordings.
        index: of the pair.
        around: what `around_parting` returns.
    """
    status = compared.pairs[index].status
    if status != "origin" or index == compared.divergence:
        return status
    return "within" if index in around else "again"


def around_parting(compared: Comparison) -> set[int]:
    """Return the pairs around the one where the two part."""
    found: set[int] = set()
    index = compared.divergence
    while index is not None and (index := compared.pairs[index].parent) is not None:
        found.add(index)
    return found


def part(difference: Difference, of: str, lang: str) -> str:
    """Return what differs: a result or an argument, or a part of it, or how the call ended."""
    if difference.kind == "error":
        return say("part.error", lang)
    if of == "result":
        return f"{say('part.result', lang)} {difference.name}".strip()
    return say("part.argument", lang, name=difference.name)


def named(
    compared: Comparison, differences: Sequence[Difference], of: str, lang: str
) -> str:  # fmt: skip
    """Return some differences, each with what differs and how, in words."""
    told = [
        say("part.said", lang, part=_named(compared, d, of, lang), how=how(compared, d, lang))
        for d in differences
    ]
    return some(told, lang)


def _named(compared: Comparison, it: Difference, of: str, lang: str) -> str:
    if it.parameter and it.first is not None and it.first.tensor is not None:
        return say("part.parameter", lang, name=compared.first.tensors[it.first.tensor].name)
    return part(it, of, lang)


def some(texts: Sequence[str], lang: str) -> str:
    """Return a list in words, cut to `MOST`."""
    shown = list(texts[:MOST])
    if len(texts) > MOST:
        shown.append(say("note.more", lang, count=f"{len(texts) - MOST:,}"))
    return listed(shown, lang)


def how(compared: Comparison, found: Difference, lang: str) -> str:
    """``2×256×32×40 → 2×256×16×20``, ``0.7 → 0.5``, ``Δ 0.13 σ``."""
    if found.by == "fingerprint" and (found.change == LEAST or math.isinf(found.change)):
        return say("part.bits", lang)
    far = f"Δ {number(found.change)} σ" if math.isfinite(found.change) else ""
    if found.kind == "values" and far:
        return far
    sides = [
        short(trace, value, lang)
        for trace, value in ((compared.first, found.first), (compared.second, found.second))
    ]
    if sides[0] == sides[1]:
        return say("part.unlike", lang)
    between = f"{sides[0]} → {sides[1]}"
    return listed([between, far], lang) if far else between


def short(trace: Trace, value: Value | None, lang: str) -> str:
    """Return one side of a difference: shape and dtype of a tensor, a plain value as written."""
    if value is None:
        return "–"
    if value.tensor is not None:
        summary = trace.tensors[value.tensor].summary
        return f"{shape_text(trace, value)} {summary.dtype}{odd(summary)}"
    if value.kind == "scalar":
        return clean(repr(value.scalar) if value.scalar != "" else "–", 60)
    if value.kind == "module" and value.params:
        return say("part.module", lang, type=clean(value.type, 60), params=f"{value.params[0]:,}")
    return clean(f"{value.type} {value.text}".strip(), 60)


def odd(summary: TensorSummary) -> str:
    """Return how many values are NaN or infinite, if any."""
    return "".join(f" {n} {k}" for n, k in ((summary.nan, "NaN"), (summary.inf, "Inf")) if n)


def setting_name(setting: Setting, lang: str) -> str:
    """Return what a setting is called: in words what the module does not name itself."""
    key = f"setting.{setting.name}"
    return say(key, lang) if key in say else setting.name


def setting_text(setting: Setting, lang: str) -> str:
    """Return ``eps 1e-05 → 0.001``; of a parameter's fingerprints that its bits are others."""
    name = setting_name(setting, lang)
    if setting.values:
        return say("part.said", lang, part=say("part.parameter", lang, name=name),
                   how=say("part.bits", lang))  # fmt: skip
    return clean(f"{name} {setting.first} → {setting.second}", 120)


def branch_told(compared: Comparison, branch: Branch, lang: str) -> Iterator[str]:
    """Yield where control went another way, and the names that made it so."""
    pair = compared.pairs[branch.pair]
    ways = {
        name: say("note.end", lang) if line is None else say("note.line", lang, line=line)
        for name, line in (("first", branch.first), ("second", branch.second))
    }
    call = called(pair)
    if branch.at is None:
        yield say("note.branch_start", lang, call=call, **ways)
    else:
        text = clean(branch.text, 80)
        yield say("note.branch", lang, call=call, at=branch.at[0], text=text, **ways)
    if branch.names:
        told = [f"{d.name} ({how(compared, d, lang)})" for d in branch.names]
        yield say("note.branch_names", lang, names=some(told, lang))


def missing_told(story: Story, side: str, names: Sequence[str], lang: str) -> str:
    """Return why a pass lacks a detection of the other one, which was followed in it.

    Args:
        story: of `tracer.rcnn.stories.followed`.
        side: the pass that lacks it, A or B.
        names: of its classes by label.
        lang: the language.
    """
    if story.lost:
        reason = told(story.step(story.lost), names, lang)
        where = station(story.lost, lang)
        return say("detections.lost", lang, side=side, station=where, reason=reason)
    assert story.score is not None
    assert story.overlap is not None
    score, overlap = number(story.score), number(story.overlap)
    return say("detections.shared", lang, side=side, partner=story.partner, score=score,
               overlap=overlap)  # fmt: skip


def environment_told(compared: Comparison, lang: str) -> Iterator[str]:
    """Yield in what the recordings' environments differ: versions, devices, mode, autocast."""
    if compared.environment:
        told = some([setting_text(setting, lang) for setting in compared.environment], lang)
        yield say("note.environment", lang, what=told)


def notes(compared: Comparison, lang: str = "en") -> tuple[str, ...]:
    """Return what is to be known beside the verdict, a sentence or two each."""
    return tuple(_notes(compared, lang))


def _notes(compared: Comparison, lang: str) -> Iterator[str]:
    first, second = (clean(trace.called(), 200) for trace in (compared.first, compared.second))
    if first != second or compared.first.settings.changes:
        yield say("note.names", lang, first=first, second=second)
    counts = {name: f"{n:,}" for name, n in compared.counts.items()}
    if compared.verdict in ("origin", "inputs"):
        yield say("note.counts", lang, calls=f"{len(compared.pairs):,}", **counts)
    if compared.branch is not None:
        yield from branch_told(compared, compared.branch, lang)
    elif not (compared.first.lines and compared.second.lines):
        yield say("note.lines", lang)
    yield from environment_told(compared, lang)
    if compared.parameters:
        names = some(compared.parameters, lang)
        yield say("note.parameters", lang, count=f"{len(compared.parameters):,}", names=names)
    yield say("note.evidence", lang, **{k: f"{n:,}" for k, n in compared.evidence.items()})
    if compared.evidence["statistics"] and not (
        compared.first.settings.fingerprints and compared.second.settings.fingerprints
    ):
        yield say("note.bits", lang, option=option(fingerprints=True))
    if compared.tolerance:
        yield say("note.tolerance", lang, tolerance=f"{compared.tolerance:g}")
