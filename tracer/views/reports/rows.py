"""Which calls a report shows, and in which rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tracer.errors import InputError, MissingError, NotRecorded, near
from tracer.record import Call, Trace, query
from tracer.record.query import Node

GRAINS = ("module", "function", "op")

Names = str | Iterable[str]


def choose(
    trace: Trace,
    grain: Names | None = None,
    stage: Names | None = None,
    path: Names | None = None,
    default: tuple[str, ...] = GRAINS,
) -> tuple[Call, ...]:
    """Return the calls to show, in order.

    Args:
        trace: where to look.
        grain: kinds of call, ``"module"``, ``"function"``, ``"op"``, or ``"all"``.
        stage: only the calls of these stages.
        path: only the calls that answer to one of these paths, labels or patterns (see
            `tracer.record.query.by_path`), and all that ran in them.
        default: the kinds that are shown if `grain` is None; all kinds, if none of these is there.

    Raises:
        InputError: there is no such grain.
        MissingError: no such stage or path, a grain that was not recorded, or nothing is left.
    """
    kinds = None if grain is None else _kinds(trace, grain)
    chosen = {call.id for call in trace.calls}
    if stage is not None:
        chosen &= {c.id for name in several(stage) for c in query.by_stage(trace, name)}
    if path is not None:
        found = [c for pattern in several(path) for c in query.by_path(trace, pattern)]
        chosen &= {c.id for c in query.beneath(trace, found)}
    calls = tuple(call for call in trace.calls if call.id in chosen)
    shown = query.of_kinds(calls, *(kinds or default))
    if not shown and kinds is None:
        shown = calls
    if not shown:
        raise MissingError(f"no call is left to show: {_asked(grain, stage, path)}")
    return shown


def several(names: Names) -> list[str]:
    """Return one name, or some, as a list; ``"module,op"`` are two."""
    return names.split(",") if isinstance(names, str) else list(names)


def _kinds(trace: Trace, grain: Names) -> tuple[str, ...]:
    asked = several(grain)
    if "line" in asked:
        raise InputError("a report shows calls, not lines; tracer step goes through the lines")
    for name in asked:
        if name not in (*GRAINS, "all"):
            known = (*GRAINS, "all")
            raise InputError(
                f"no grain {name!r} to show{near(name, known)} (there are: {', '.join(known)})"
            )
        if name in GRAINS and name not in trace.settings.grains:
            recorded = ", ".join(trace.settings.grains)
            raise NotRecorded(
                f"the {name} grain was not recorded (this recording has: {recorded})", grain=name
            )
    return GRAINS if "all" in asked else tuple(asked)


def _asked(grain: Names | None, stage: Names | None, path: Names | None) -> str:
    parts = [("grain", grain), ("stage", stage), ("path", path)]
    asked = [f"{name} {', '.join(several(value))}" for name, value in parts if value is not None]
    return " and ".join(asked) + " have none in common" if asked else "the recording has none"


def handling_tensors(trace: Trace, calls: Iterable[Call]) -> tuple[Call, ...]:
    """Leave out the functions that neither take nor return a tensor, nor call anything that does.

    A pass asks `torchvision._is_tracing` dozens of times.
    """
    chosen = {call.id for call in calls}
    kept: set[int] = set()
    needed: set[int | None] = set()
    for call in reversed(trace.calls):
        if call.id in chosen and (
            call.kind != "function" or call.id in needed or _handles_tensors(call) or call.error
        ):
            kept.add(call.id)
        if call.id in kept or call.id in needed:
            needed.add(call.parent)
    return tuple(call for call in trace.calls if call.id in kept)


def _handles_tensors(call: Call) -> bool:
    values = [call.args, *([call.result] if call.result is not None else [])]
    return any(True for value in values for _ in value.tensors())


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of one row.

    Attributes:
        depth: how many rows lie around it.
        nodes: the calls that the row stands for, in order; several if they are folded.
    """

    depth: int
    nodes: tuple[Node, ...]

    @property
    def call(self) -> Call:
        """The first of the calls."""
        return self.nodes[0].call


def groups(
    trace: Trace, calls: Iterable[Call], depth: int | None = None, fold: bool = True
) -> tuple[Group, ...]:
    """Put calls into rows: one each, or one for several neighbours that are alike.

    Every call stands in exactly one row, also those within a folded one, so that sums over the
    rows are sums over the calls.

    Args:
        trace: whose calls they are.
        calls: in order.
        depth: how deep to go; 0 leaves the outermost of the calls alone.
        fold: whether to fold, see `tracer.record.query.fold_repeats`.
    """
    nodes = query.forest(trace, calls)
    if depth is not None:
        nodes = query.to_depth(nodes, depth)
    folded = query.fold_repeats(trace, nodes) if fold else nodes
    return _rows(folded, nodes)


def _rows(folded: tuple[Node, ...], whole: tuple[Node, ...]) -> tuple[Group, ...]:
    """Walk the folded tree beside the whole one, whose alike parts run in parallel."""
    rows: list[Group] = []
    waiting = _abreast(0, folded, [whole])
    while waiting:
        group, children = waiting.pop()
        rows.append(group)
        waiting += _abreast(group.depth + 1, children, [node.children for node in group.nodes])
    return tuple(rows)


def _abreast(
    depth: int, folded: tuple[Node, ...], families: list[tuple[Node, ...]]
) -> list[tuple[Group, tuple[Node, ...]]]:
    """Return, last first, the group and the folded children of each of some folded neighbours.

    Args:
        depth: of the neighbours.
        folded: the neighbours.
        families: for each call that their parent stands for, its children in the whole tree.
    """
    found = []
    start = 0
    for node in folded:
        end = start + node.count
        members = tuple(member for family in families for member in family[start:end])
        found.append((Group(depth, members), node.children))
        start = end
    return found[::-1]
