"""What can be said of each row of calls: one field per column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tracer.errors import MissingError, near
from tracer.numbers import Cell
from tracer.record import Source
from tracer.record.query import Node
from tracer.views.kit.shapes import result_text, shape_text
from tracer.views.reports import names, word
from tracer.views.reports.ledger import Ledger
from tracer.views.reports.report import Column
from tracer.views.reports.rows import Group

Get = Callable[[Ledger, Group], Cell]


def _first(attribute: str) -> Get:
    return lambda ledger, group: getattr(group.call, attribute)


def _source(attribute: str) -> Get:
    def get(ledger: Ledger, group: Group) -> Cell:
        place: Source | None = getattr(group.call, attribute)
        return f"{place.file}:{place.line}" if place else None

    return get


def _settings(ledger: Ledger, group: Group) -> Cell:
    """``7×7, stride 2, padding 3``: what differs from torch's defaults."""
    module = next(iter(ledger.modules(group)), None)
    if module is None or not module.settings:
        return None
    settings = dict(module.settings)
    parts = []
    if "kernel_size" in settings:
        kernel = settings["kernel_size"]
        square = group.call.type.endswith("2d") and "×" not in kernel
        parts.append(f"{kernel}×{kernel}" if square else kernel)
    if "output_size" in settings:
        parts.append(f"to {settings['output_size']}")
    for key, default in (("stride", "1"), ("padding", "0"), ("dilation", "1"), ("groups", "1")):
        sizes = settings.get(key, default).split("×")
        if set(sizes) != {default}:
            parts.append(f"{key} {sizes[0] if len(set(sizes)) == 1 else '×'.join(sizes)}")
    return ", ".join(parts) or None


def _input(ledger: Ledger, group: Group) -> Cell:
    return shape_text(ledger.trace, group.call.args, ledger.texts) or None


def _output(ledger: Ledger, group: Group) -> Cell:
    return result_text(ledger.trace, group.call, ledger.texts) or None


def _fingerprints(ledger: Ledger, group: Group) -> Cell:
    """Of what the row's calls gave."""
    results = [node.call.result for node in group.nodes if node.call.result is not None]
    states = [ledger.trace.tensors[state] for result in results for state in result.tensors()]
    return ", ".join(state.fingerprint for state in states if state.fingerprint) or None


def _stride(ledger: Ledger, group: Group) -> Cell:
    found = ledger.strides.get(group.call.id, ())
    return found[0] if len(found) == 1 else ", ".join(map(str, found)) or None


def _extent(attribute: str) -> Get:
    return lambda ledger, group: getattr(ledger.extent(group), attribute)


def _params(pick: Callable[[int, int], int]) -> Get:
    """Of the parameters that no other row shows; None for a row without any."""

    def get(ledger: Ledger, group: Group) -> Cell:
        owned = [ledger.own_params.get(node.call.id, (0, 0)) for node in group.nodes]
        if not any(params for params, _ in owned):
            return None
        return sum(pick(params, trainable) for params, trainable in owned)

    return get


def _all_params(ledger: Ledger, group: Group) -> Cell:
    return sum(module.params for module in ledger.modules(group)) or None


def _macs(ledger: Ledger, group: Group) -> Cell:
    return sum(map(_own_macs, group.nodes)) or None


def _uncounted(ledger: Ledger, group: Group) -> Cell:
    return ", ".join(sorted({name for n in group.nodes for name in n.call.uncounted})) or None


def _time(ledger: Ledger, group: Group) -> Cell:
    return sum(ledger.own_seconds[node.call.id] for node in group.nodes)


def _own_macs(node: Node) -> int:
    return node.call.macs - sum(child.call.macs for child in node.children)


def _all(attribute: str) -> Get:
    return lambda ledger, group: sum(getattr(n.call, attribute) for n in group.nodes) or None


def _built(pick: Callable[[int, int], int]) -> Get:
    """Of the parameters of what the row's calls built, all beneath included."""

    def get(ledger: Ledger, group: Group) -> Cell:
        found = [ledger.built(node.call) for node in group.nodes]
        sizes = [value.params for value in found if value is not None and value.params]
        return sum(pick(*size) for size in sizes) if sizes else None

    return get


def _built_type(ledger: Ledger, group: Group) -> Cell:
    value = ledger.built(group.call)
    return value.type if value is not None else None


def _added(ledger: Ledger, group: Group) -> Cell:
    """The parameters that the calls of this row added, those of no other row among them."""
    own = 0
    for node in group.nodes:
        beneath = sum(ledger.added[child.call.id] for child in node.children)
        own += ledger.added[node.call.id] - beneath
    return own or None


# --- the fields by key ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One column that a report of calls can have.

    Attributes:
        get: the cell of a row.
        kind, rank, floor: as in `Column`.
        adds: which rows' cells add up to a total: ``"all"``, the ``"outermost"``, or ``""``.
    """

    get: Get
    kind: str = "text"
    rank: int = 0
    adds: str = ""
    floor: int = 20


FIELDS: dict[str, Field] = {
    "call": Field(names.name, floor=36),
    "id": Field(_first("id"), "count", 20),
    "kind": Field(_first("kind"), rank=9),
    "path": Field(_first("path"), rank=1),
    "nth": Field(_first("nth"), "count", 9),
    "type": Field(_first("type"), rank=5),
    "stage": Field(_first("stage"), rank=8),
    "parent": Field(_first("parent"), "count", 20),
    "depth": Field(lambda ledger, group: group.depth, "count", 20),
    "calls": Field(lambda ledger, group: len(group.nodes), "count", 7, adds="all"),
    "settings": Field(_settings, rank=6, floor=24),
    "input": Field(_input, rank=10),
    "output": Field(_output, floor=18),
    "stride": Field(_stride, "pixels", 7),
    "params": Field(_params(lambda params, trainable: params), "count", 2, adds="all"),
    "trainable": Field(_params(lambda params, trainable: trainable), "count", 8, adds="all"),
    "frozen": Field(_params(lambda params, trainable: params - trainable), "count", 8, adds="all"),
    "macs": Field(_macs, "macs", 3, adds="all"),
    "uncounted": Field(_uncounted, rank=4, floor=24),
    "min": Field(_extent("min"), "number", 12),
    "max": Field(_extent("max"), "number", 12),
    "mean": Field(_extent("mean"), "number", 13),
    "std": Field(_extent("std"), "number", 13),
    "zeros": Field(_extent("zeros"), "fraction", 11),
    "nan": Field(_extent("nan"), "count", 4),
    "inf": Field(_extent("inf"), "count", 4),
    "dtype": Field(_extent("dtype"), rank=14),
    "device": Field(_extent("device"), rank=15),
    "fingerprint": Field(_fingerprints, rank=15),
    "time": Field(_time, "seconds", 4, adds="all"),
    "all_params": Field(_all_params, "count", 9),
    "all_macs": Field(_all("macs"), "macs", 9, adds="outermost"),
    "all_time": Field(_all("seconds"), "seconds", 3, adds="outermost"),
    "built_type": Field(_built_type, rank=2),
    "built": Field(_built(lambda params, trainable: params), "count", 1),
    "built_frozen": Field(_built(lambda params, trainable: params - trainable), "count", 6),
    "added": Field(_added, "count", 1, adds="all"),
    "source": Field(_source("source"), rank=16),
    "called_from": Field(_source("called_from"), rank=17),
    "error": Field(_first("error"), rank=1),
    "note": Field(names.note, rank=1, floor=22),
}


def pick(keys: Iterable[str]) -> dict[str, Field]:
    """Return the fields of these keys, in their order.

    Raises:
        MissingError: one of them is not a field.
    """
    found = {}
    for key in keys:
        if key not in FIELDS:
            known = ", ".join(FIELDS)
            raise MissingError(f"no column {key!r}{near(key, FIELDS)} (there are: {known})")
        found[key] = FIELDS[key]
    return found


def columns_of(fields: dict[str, Field], lang: str) -> tuple[Column, ...]:
    """Return the columns of some fields."""
    return tuple(Column(key, word(key, lang), f.kind, f.rank, f.floor) for key, f in fields.items())
