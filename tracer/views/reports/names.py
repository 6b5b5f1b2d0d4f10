"""What a row is called, and what is to be said of it in words."""

from __future__ import annotations

from tracer.record import Call, Trace
from tracer.views.reports import word
from tracer.views.reports.ledger import Ledger
from tracer.views.reports.rows import Group


def name(ledger: Ledger, group: Group) -> str:
    """Return what the row is called: ``layer1.1-2.relu#0``.

    A call number is given where its path is called more than once; of folded calls, the range in
    which their paths or numbers differ.
    """
    calls = [node.call for node in group.nodes]
    if len(calls) == 1:
        return f"{_shown_name(ledger, calls[0])}{_number(ledger, calls)}"
    names = list(dict.fromkeys(_shown_name(ledger, call) for call in calls))
    joined = names[0] if len(names) == 1 else _merge_paths(names) or f"{names[0]} … {names[-1]}"
    return f"{joined}{_number(ledger, calls)}"


def _number(ledger: Ledger, calls: list[Call]) -> str:
    if ledger.called[calls[0].kind, calls[0].path] == 1:
        return ""
    numbers = list(dict.fromkeys(call.nth for call in calls))
    paths = {call.path for call in calls}
    if len(paths) > 1 < len(numbers):
        return ""
    return f"#{_range(numbers)}"


def _shown_name(ledger: Ledger, call: Call) -> str:
    """Return the path; in a tree only what the module around it does not say already.

    There ``backbone.body.relu`` is ``relu`` and ``RoIHeads.postprocess_detections`` is
    ``postprocess_detections()``, within ``backbone.body`` and within a RoIHeads.
    """
    around = _module_around(ledger, call) if ledger.tree else None
    path = call.path or "(root)"
    if around is not None and call.kind == "module" and around.path:
        return path.removeprefix(f"{around.path}.")
    if ledger.tree and call.kind == "function":
        return f"{path.removeprefix(f'{around.type}.') if around else path}()"
    return path


def _module_around(ledger: Ledger, call: Call) -> Call | None:
    """Return the nearest module around a call that is shown."""
    id = ledger.shown_modules[call.id]
    return None if id is None else ledger.trace.calls[id]


def _merge_paths(paths: list[str]) -> str | None:
    """``layer1.1.conv1``, ``layer1.2.conv1`` → ``layer1.1-2.conv1``, if that is what they are."""
    columns = list(zip(*(path.split(".") for path in paths), strict=False))
    differing = [i for i, parts in enumerate(columns) if len(set(parts)) > 1]
    if len(differing) != 1 or len({path.count(".") for path in paths}) > 1:
        return None
    parts = list(dict.fromkeys(columns[differing[0]]))
    if not all(part.isdecimal() for part in parts):
        return None
    merged = [column[0] for column in columns]
    merged[differing[0]] = _range([int(part) for part in parts])
    return ".".join(merged)


def _range(numbers: list[int]) -> str:
    """``[1, 2, 3]`` → ``1-3``, ``[1, 5]`` → ``1,5``; of many with gaps the first and the last."""
    if len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    if len(numbers) > 3:
        return f"{numbers[0]}…{numbers[-1]}"
    return ",".join(str(number) for number in numbers)


def note(ledger: Ledger, group: Group) -> str | None:
    """Return what is to be said of the row beside its numbers: folding, overwriting, its error."""
    call = group.call
    parts = [f"×{len(group.nodes)}"] if len(group.nodes) > 1 else []
    if any(_within(call, _writer(ledger.trace, state)) for state in call.args.tensors()):
        parts.append(word("in_place", ledger.lang))
    parts += [
        word("overwritten", ledger.lang, by=_name_writer(ledger, writer, call))
        for writer in overwriters(ledger.trace, call)
    ]
    if call.error:
        inner = any(child.call.error == call.error for child in group.nodes[0].children)
        parts.append(word("raised", ledger.lang) if inner else call.error)
    return "; ".join(parts) or None


def overwriters(trace: Trace, call: Call) -> list[Call]:
    """Return the later calls that overwrote in place what a call returned, each once."""
    states = call.result.tensors() if call.result else ()
    found = dict.fromkeys(_writer(trace, state) for state in states)
    return [writer for writer in found if writer and not _within(call, writer)]


def _writer(trace: Trace, state: int) -> Call | None:
    id = trace.tensors[state].overwritten_by
    return None if id is None else trace.calls[id]


def _within(outer: Call, inner: Call | None) -> bool:
    return inner is not None and outer.start <= inner.start and inner.end <= outer.end


def _name_writer(ledger: Ledger, writer: Call, victim: Call) -> str:
    """Name the module that overwrote, or the op, if that ran in the code around both.

    ``relu#0`` and ``add_#3``; a module elsewhere than beside the victim with its whole path.
    """
    around = _in_module(ledger, victim)
    module = writer if writer.kind == "module" else _in_module(ledger, writer)
    if module is None or _within(module, victim):
        return writer.label
    beside = around.path + "." if around is not None and around.path else ""
    return module.label.removeprefix(beside)


def _in_module(ledger: Ledger, call: Call) -> Call | None:
    id = ledger.all_modules[call.id]
    return None if id is None else ledger.trace.calls[id]


# --- the whole run --------------------------------------------------------------------------------


def title(trace: Trace, lang: str, calls: int | None = None) -> str:
    """``FasterRCNN, a pass in eval mode: 243 of 1,693 calls``."""
    mode = "train" if trace.environment.get("mode") == "train" else "eval"
    key = f"title_{mode}" if trace.kind == "pass" else "title_construction"
    name = word(key, lang, subject=trace.subject)
    if calls is None:
        return name
    return word("title_calls", lang, name=name, shown=f"{calls:,}", all=f"{len(trace.calls):,}")


def changes(trace: Trace) -> dict[str, tuple[str, ...]]:
    """Return what every record of a report says of a run that was changed on purpose, as data."""
    return {"changes": trace.settings.changes} if trace.settings.changes else {}


def failure(trace: Trace, lang: str) -> str:
    """Return how and where a run failed."""
    error = trace.error
    if error is None:
        return ""
    where = trace.calls[error.call].label if error.call is not None else "?"
    return word("note_error", lang, type=error.type, message=error.message, call=where)
