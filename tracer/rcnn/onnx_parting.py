"""Where an exported graph parts from torch: the first module whose result is another one there.

Both are run on the same images, as often as their intermediate results need to fit into memory:
in torch forward hooks take what the modules give, in onnxruntime the nodes that these modules left
(`tracer.rcnn.onnx.read_graph`) become outputs of the graph.

Boxes whose scores are equal but for rounding may stand in another order on either side, or one of
them may just be left out on one. So what is pooled of boxes is compared box by box, whatever their
order, and so is all that is made of it; boxes without a counterpart are told where nothing else
differs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign

from tracer.errors import InputError
from tracer.rcnn.models import evaluating
from tracer.rcnn.onnx import GraphNode, loaded, need, outputs_of, read_graph
from tracer.record.comparison import distance

BUDGET = 256 << 20
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Parting:
    """A module's result in torch and in the exported graph.

    Attributes:
        node: that gives the result in the graph.
        module: label of the call in torch, ``"backbone.body.conv1#0"``; of a convolution into
            which the exporter has folded the normalisation after it, that of the normalisation.
        shapes: of both, torch's first.
        change: the largest distance of two values, in standard deviations of torch's tensor;
            infinite where the shapes differ.
        alone: where boxes are pooled that only one side chose, how many each of them has so; what
            is made of the others agrees up to the end.
    """

    node: GraphNode
    module: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    change: float
    alone: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Point:
    """A node of the graph and the call whose result it gives."""

    node: GraphNode
    output: str
    label: str


def first_difference(
    path: str | Path,
    model: nn.Module,
    images: Sequence[Tensor],
    *,
    tolerance: float = TOLERANCE,
    budget: int = BUDGET,
) -> Parting | None:
    """Return the first result, in the graph's order, that differs from torch's.

    Compared are the modules that have no parts of their own and give a tensor.

    Args:
        path: of a file that `tracer.rcnn.onnx.export` wrote from this model.
        model: the detector; its modes are put back afterwards.
        images: list of [3, H, W] in 0–1, of the sizes that it was exported with.
        tolerance: how far values may differ, in standard deviations of torch's tensor.
        budget: bytes of intermediate results that are held at once, of either side.

    Returns:
        The first difference; None where every result that is compared agrees. Boxes that only one
        side has come last, for a score that is rounded otherwise explains one or two.

    Raises:
        InputError: the budget is too small for a single result, or the graph has none to compare.
        OnnxError: a package is missing, or the file was not exported from this model.
    """
    need("onnx")
    need("onnxruntime")
    with evaluating(model), torch.no_grad():
        sizes = _run(model, images, None)
        points = _points(path, model, list(sizes))
        if not points:
            raise InputError(
                f"no node of {os.fspath(path)!r} gives what a module of the model gives"
            )
        modules = dict(model.named_modules())
        boxes: _Boxes | None = None
        chosen: Parting | None = None
        for portion in _portions(points, sizes, budget):
            ours = _run(model, images, {point.label for point in portion})
            theirs = _run_graph(path, images, [point.output for point in portion])
            for point in portion:
                pair = ours[point.label], theirs[point.output]
                found = _compared(point, *pair, boxes)
                if isinstance(modules[point.label.rpartition("#")[0]], MultiScaleRoIAlign):
                    boxes = _Boxes.matched(*pair, tolerance)
                    found = _compared(point, *pair, boxes)
                    if any(boxes.alone):
                        chosen = chosen or replace(found, alone=boxes.alone)
                if found.change > tolerance:
                    return found
    return chosen


def _run(model: nn.Module, images: Sequence[Tensor], wanted: set[str] | None) -> dict[str, Any]:
    """Return by label the results of the innermost modules; only their bytes, if none is wanted."""
    found: dict[str, Any] = {}
    counts: dict[str, int] = {}

    def take(path: str, result: Any) -> None:
        label = f"{path}#{counts.get(path, 0)}"
        counts[path] = counts.get(path, 0) + 1
        if not isinstance(result, Tensor):
            return
        if wanted is None:
            found[label] = result.numel() * result.element_size()
        elif label in wanted:
            found[label] = result.detach().cpu().numpy().copy()

    with ExitStack() as stack:
        for path, module in model.named_modules():
            if not list(module.children()):
                hook = module.register_forward_hook(
                    lambda module, args, result, path=path: take(path, result)
                )
                stack.callback(hook.remove)
        model(list(images))
    return found


def _points(path: str | Path, model: nn.Module, labels: list[str]) -> list[_Point]:
    """Pair the last node of each call with the call; in the graph's order."""
    graph = loaded(path).graph
    last: dict[str, tuple[GraphNode, str]] = {}
    for node, raw in zip(read_graph(path, model), graph.node, strict=True):
        if raw.name.startswith("/") and node.op != "Constant":
            last.pop(node.label, None)
            last[node.label] = node, raw.output[0]
    following = dict(pairwise(labels))
    modules = dict(model.named_modules())
    found = []
    for label, (node, output) in last.items():
        if label not in following and label not in labels:
            continue
        after = following.get(label)
        folded = after is not None and after not in last and _normalises(modules, after)
        found.append(_Point(node, output, after if folded and after is not None else label))
    return found


def _normalises(modules: dict[str, nn.Module], label: str) -> bool:
    return isinstance(modules[label.rpartition("#")[0]], nn.modules.batchnorm._BatchNorm)


def _portions(
    points: Sequence[_Point], sizes: dict[str, int], budget: int
) -> Iterator[list[_Point]]:
    portion: list[_Point] = []
    used = 0
    for point in points:
        size = sizes[point.label]
        if size > budget:
            raise InputError(
                f"the result of {point.label} alone has {size / 1e6:.1f} MB: raise the budget of "
                f"{budget / 1e6:.1f} MB"
            )
        if used + size > budget:
            yield portion
            portion, used = [], 0
        portion.append(point)
        used += size
    yield portion


def _run_graph(path: str | Path, images: Sequence[Tensor], names: list[str]) -> dict[str, Any]:
    import onnx

    content = onnx.load(os.fspath(path))
    there = {each.name for each in content.graph.output}
    content.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in there
    )
    return outputs_of(content.SerializeToString(), images, names)


@dataclass(frozen=True)
class _Boxes:
    """Which rows of two results are of the same box.

    Attributes:
        rows: of torch's result and of the graph's, one for each box that both have.
        counts: how many rows there are on each side.
    """

    rows: tuple[list[int], list[int]]
    counts: tuple[int, int]

    @property
    def alone(self) -> tuple[int, int]:
        """How many boxes each side has for itself; none at all where no two go together."""
        both = len(self.rows[0])
        return (self.counts[0] - both, self.counts[1] - both) if both else (0, 0)

    @classmethod
    def matched(cls, ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> _Boxes:
        """Pair the rows that agree: those that stand at the same place, then the nearest others."""
        counts = len(ours), len(theirs)
        if ours.shape[1:] != theirs.shape[1:] or not all(counts):
            return cls(([], []), counts)
        std = _std(ours)

        def agree(i: int, j: int) -> bool:
            return distance(ours[i], theirs[j], std) <= tolerance

        pairs = {i: i for i in range(min(counts)) if agree(i, i)}
        left = [[i for i in range(count) if i not in pairs] for count in counts]
        if all(left):
            flat = ours[0].size
            sketch = np.random.default_rng(0).standard_normal((flat, 8), np.float32)
            mine, other = (
                np.nan_to_num(side[rows].reshape(len(rows), flat) @ sketch)
                for side, rows in zip((ours, theirs), left, strict=True)
            )
            taken: set[int] = set()
            for i, place in zip(left[0], mine, strict=True):
                for k in np.abs(other - place).max(1).argsort(kind="stable")[:4].tolist():
                    if k not in taken and agree(i, left[1][k]):
                        pairs[i] = left[1][k]
                        taken.add(k)
                        break
        ordered = sorted(pairs.items())
        return cls(([i for i, _ in ordered], [j for _, j in ordered]), counts)

    def of(self, ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the boxes that both have, of results that have a row for each box."""
        if not self.rows[0] or (len(ours), len(theirs)) != self.counts:
            return ours, theirs
        return ours[self.rows[0]], theirs[self.rows[1]]


def _std(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if values.size > 1 else None


def _compared(
    point: _Point, ours: np.ndarray, theirs: np.ndarray, boxes: _Boxes | None = None
) -> Parting:
    shapes, std = (ours.shape, theirs.shape), _std(ours)
    if boxes is not None and ours.ndim and theirs.ndim:
        ours, theirs = boxes.of(ours, theirs)
    change = distance(ours, theirs, std) if ours.shape == theirs.shape else float("inf")
    return Parting(point.node, point.label, shapes, change)
