"""An exported graph beside the recording: which call left which nodes, and what each side finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tracer.errors import MissingError, near
from tracer.numbers import Cell
from tracer.rcnn.classes import class_name
from tracer.record import Trace
from tracer.views.kit.shapes import shape_text
from tracer.views.reports import word
from tracer.views.reports.report import Column, Row, Table

if TYPE_CHECKING:
    from tracer.rcnn.onnx import GraphNode, Pair

SHOWN = 6
"""So many operators of a module are named, the most frequent ones; constants are not."""


def graph(
    nodes: Iterable[GraphNode],
    trace: Trace,
    *,
    path: str = "",
    depth: int = 1,
    lang: str = "en",
) -> Table:
    """Return which modules a graph's nodes come from, a line each, in the graph's order.

    Args:
        nodes: of `tracer.rcnn.onnx.read_graph`.
        trace: a pass of the same model, for what came out of each module's first call.
        path: only nodes of this module and of those in it.
        depth: how many levels beneath it are told apart.
        lang: of the headings.

    Raises:
        MissingError: no node comes from `path`.
    """
    chosen = [n for n in nodes if not path or n.path == path or n.path.startswith(f"{path}.")]
    if not chosen:
        paths = {module.path for module in trace.modules.values()}
        raise MissingError(f"the graph has no node of {path!r}{near(path, paths)}")
    levels = depth + (path.count(".") + 1 if path else 0)
    groups: dict[str, list[GraphNode]] = {}
    for node in chosen:
        groups.setdefault(".".join(node.path.split(".")[:levels]), []).append(node)
    columns = (
        Column("module", word("line", lang), floor=36),
        Column("nodes", word("graph_nodes", lang), "count"),
        Column("calls", word("calls", lang), "count", rank=2),
        Column("operators", word("operators", lang), rank=1),
        Column("output", word("output", lang), rank=3),
    )
    rows = tuple(Row(_cells(trace, name, group)) for name, group in groups.items())
    total: tuple[Cell, ...] = (word("total", lang), len(chosen), None, None, None)
    return Table(
        columns, rows, word("title_graph", lang, count=len(chosen)), totals=total, lang=lang
    )


def _cells(trace: Trace, path: str, nodes: Sequence[GraphNode]) -> tuple[Cell, ...]:
    calls = [call for call in trace.calls if call.kind == "module" and call.path == path]
    ops = Counter(node.op for node in nodes if node.op != "Constant").most_common()
    more = ["…"] if len(ops) > SHOWN else []
    return (
        path or "(root)",
        len(nodes),
        len(calls) or None,
        ", ".join([*(f"{op} {count}" for op, count in ops[:SHOWN]), *more]),
        shape_text(trace, calls[0].result) if calls else None,
    )


def detections_beside(
    pairs: Iterable[Pair], *, names: Sequence[str] = (), lang: str = "en"
) -> Table:
    """Return torch's detections of an image with what onnxruntime makes of them.

    Args:
        pairs: of `tracer.rcnn.onnx.pairs`.
        names: of the classes, by label, as in `Trace.classes`.
        lang: the language.
    """
    columns = (
        Column("class", word("class", lang)),
        Column("box", word("box", lang)),
        Column("torch_score", word("torch_score", lang), "number"),
        Column("onnx_score", word("onnx_score", lang), "number"),
        Column("box_gap", word("box_gap", lang), "number"),
    )
    rows = tuple(
        Row(
            (
                class_name(names, pair.label, lang),
                ", ".join(f"{side:.1f}" for side in pair.box),
                pair.score,
                pair.other_score,
                pair.box_error,
            )
        )
        for pair in pairs
    )
    return Table(columns, rows, lang=lang)
