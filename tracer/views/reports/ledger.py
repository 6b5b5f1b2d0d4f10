"""What the fields of a report's rows are read from, and how their sums are shared out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property

from tracer.rcnn.board import strides
from tracer.record import Call, Line, Module, Trace, Value, query
from tracer.record.query import Node
from tracer.views.kit.shapes import Extent, extent, summaries
from tracer.views.reports.construction import added, built
from tracer.views.reports.rows import Group


class Ledger:
    """What the fields of all rows are read from.

    Attributes:
        trace: the recording.
        groups: the rows.
        calls: the calls that were asked for, also those too deep for a row.
        tree: whether names are written relative to the module around them.
        lang: the reader's language.
        texts: how values are written, by their identity: the recording keeps them alive.
    """

    def __init__(
        self,
        trace: Trace,
        groups: tuple[Group, ...],
        calls: Iterable[Call],
        tree: bool = False,
        lang: str = "en",
    ) -> None:
        self.trace = trace
        self.groups = groups
        self.calls = tuple(calls)
        self.tree = tree
        self.lang = lang
        self.texts: dict[int, str] = {}
        self._extents: dict[tuple[int, ...], Extent] = {}

    @cached_property
    def called(self) -> Counter[tuple[str, str]]:
        """How often each (kind, path) was called."""
        return Counter((call.kind, call.path) for call in self.trace.calls)

    @cached_property
    def shown(self) -> dict[int, Node]:
        """Every node that has a row, by its call's id."""
        return {node.call.id: node for group in self.groups for node in group.nodes}

    @cached_property
    def shown_modules(self) -> list[int | None]:
        """By call id, the nearest module call around it that has a row."""
        return query.around(self.trace, {i for i, n in self.shown.items() if _is_module(n.call)})

    @cached_property
    def all_modules(self) -> list[int | None]:
        """By call id, the nearest module call around it."""
        return query.around(self.trace, {call.id for call in self.trace.calls if _is_module(call)})

    @cached_property
    def own_params(self) -> dict[int, tuple[int, int]]:
        """(parameters, trainable ones) by call id, each parameter in one call only.

        That is the first call shown of its module, or of the nearest module around it that is
        shown: a call cut off by ``--depth`` leaves its parameters to the row that it lies in.
        """
        first: dict[str, int] = {}
        for id in sorted(self.shown):
            call = self.trace.calls[id]
            if call.kind == "module":
                first.setdefault(call.path, id)
        found = dict.fromkeys(first.values(), (0, 0))
        for module in self.trace.modules.values():
            around = next((path for path in _outwards(module.path) if path in first), None)
            if around is not None:
                params, trainable = found[first[around]]
                params += module.own_params
                found[first[around]] = (params, trainable + module.own_trainable)
        return found

    @cached_property
    def own_seconds(self) -> dict[int, float]:
        """The time that a call spent outside of the calls beneath it, by call id.

        All that were asked for count, not only those that have a row: what a call spends itself is
        the same at every depth.
        """
        found = {call.id: call.seconds for call in self.calls}
        around = query.around(self.trace, set(found))
        for call in self.calls:
            outer = around[call.id]
            if outer is not None:
                found[outer] -= call.seconds
        return found

    @cached_property
    def added(self) -> dict[int, int]:
        """The parameters that a builder added, calls within it included, by call id.

        A call that is not known to have built anything passes on what the calls in it added.
        """
        found: dict[int, int] = {}
        for id in sorted(self.shown, reverse=True):
            call = self.trace.calls[id]
            known = added(call, self.built(call))
            beneath = sum(found[child.call.id] for child in self.shown[id].children)
            found[id] = beneath if known is None else known
        return found

    @cached_property
    def strides(self) -> dict[int, tuple[int, ...]]:
        """The strides of the feature maps that a call returned, by call id."""
        return strides(self.trace)

    @cached_property
    def _lines(self) -> dict[int, list[Line]]:
        return query.lines_by_call(self.trace)

    def built(self, call: Call) -> Value | None:
        """Return the module that a builder's call made, as it left it."""
        return built(call, self._lines.get(call.id, []))

    def modules(self, group: Group) -> list[Module]:
        """Return the modules that a row's calls ran, each once."""
        paths = dict.fromkeys(n.call.path for n in group.nodes if n.call.kind == "module")
        return [self.trace.modules[path] for path in paths if path in self.trace.modules]

    def extent(self, group: Group) -> Extent:
        """Return the range of what a row's calls returned."""
        results = [node.call.result for node in group.nodes]
        key = tuple(map(id, results))
        found = self._extents.get(key)
        if found is None:
            each = (s for result in results for s in summaries(self.trace, result))
            found = self._extents[key] = extent(each)
        return found


def _is_module(call: Call) -> bool:
    return call.kind == "module"


def _outwards(path: str) -> Iterator[str]:
    """Yield a module's path and those around it: ``a.b``, ``a``, the root."""
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""
