"""Faster R-CNN as an ONNX file, with onnxruntime's detections held against torch's.

The exporter that torch uses by default follows the model symbolically and stops at a decision that
depends on data (how many boxes remain); the older one, which records a run, exports this model.

The file computes an image's new size in float32 and rounds down: 500 pixels at a scale of 320/400
become 399, where torch has 400. Detections then differ by pixels, and the check says so.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tracer.errors import InputError, TracerError
from tracer.files import output, put
from tracer.rcnn.models import evaluating

Detections = list[dict[str, Tensor]]

# How far apart a box's corners (in pixels of the image) and a score may be, and which share of the
# detections must have a counterpart that near: where two scores are equal but for rounding, NMS and
# the cut at the best 100 may decide one way in torch and the other way in onnxruntime.
BOX_TOLERANCE = 0.1
SCORE_TOLERANCE = 1e-3
SHARE = 0.95


class OnnxError(TracerError, RuntimeError):
    """The ONNX packages are missing, or the exported file does not do what the model does."""


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        path: the file.
        opset: version of the ONNX operators that it uses.
        bytes: the file's size.
        detections: how many detections torch finds, per image; empty if unchecked.
        matched: how many of them onnxruntime finds too, per image.
        box_error: largest difference of a matched box's corner, in pixels.
        score_error: largest difference of a matched score.
    """

    path: Path
    opset: int
    bytes: int
    detections: tuple[int, ...] = ()
    matched: tuple[int, ...] = ()
    box_error: float = 0.0
    score_error: float = 0.0


@dataclass(frozen=True)
class GraphNode:
    """One node of an exported graph, and the call of a module that it was written down in.

    Attributes:
        name: in the file, ``"/rpn/head/conv/conv.0/conv.0.0_3/Conv"``.
        op: the ONNX operator, ``"Conv"``.
        path: the innermost module, as in ``named_modules``, ``"rpn.head.conv.0.0"``; ``""`` for
            the model itself.
        nth: which call of that module, from 0, counted among those that left a node.
    """

    name: str
    op: str
    path: str
    nth: int

    @property
    def label(self) -> str:
        """``rpn.head.conv.0.0#3``, as a recorded call of the same pass is called."""
        return f"{self.path or '(root)'}#{self.nth}"


@dataclass(frozen=True)
class Pair:
    """A detection of torch's, and onnxruntime's nearest of the same label.

    Attributes:
        label: the class.
        box: x1, y1, x2, y2 in pixels of the image.
        score: 0-1.
        other_score: onnxruntime's; None where it found none of this label.
        box_error: how far apart the corners are at most, in pixels; None likewise.
    """

    label: int
    box: tuple[float, ...]
    score: float
    other_score: float | None
    box_error: float | None


def export(
    model: nn.Module,
    images: Sequence[Tensor],
    path: str | Path,
    *,
    opset: int = 11,
    check: bool = True,
    overwrite: bool = False,
) -> Export:
    """Write a detector as an ONNX file, for as many images of these sizes.

    Args:
        model: a torchvision detector; it is exported in eval mode, and its modes put back.
        images: list of [3, H, W] in 0–1. The file takes ``image_0``, ``image_1``, … and gives
            ``boxes_0``, ``labels_0``, ``scores_0``, …
        path: where to write; appears only when it is complete.
        opset: version of the ONNX operators.
        check: run the file in onnxruntime and compare its detections on `images`.
        overwrite: also replace a file that is no ONNX file.

    Raises:
        InputError: `images` is not a list of images.
        OnnxError: a package is missing, the exporter failed, or the detections differ.
    """
    need("onnx")
    if check:
        need("onnxruntime")
    if isinstance(images, Tensor) or not images:
        raise InputError("images is a list of tensors [3, H, W], one per image, and not empty")
    path = output(path, "onnx", overwrite=overwrite)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "model.onnx")
        with evaluating(model), torch.no_grad():
            expected = model(list(images))
            _write(model, list(images), exported, opset, _output_names(expected))
        size = exported.stat().st_size
        result = Export(path, opset, size)
        if check:
            result = _compare(expected, detect(exported, images), path, opset, size)
        put(path, exported.read_bytes(), "onnx", overwrite)
    return result


def detect(path: str | Path, images: Sequence[Tensor]) -> Detections:
    """Run an exported file in onnxruntime on the CPU.

    Returns:
        As the model does, one dict per image: ``boxes`` [N, 4], ``labels`` [N], ``scores`` [N].
    """
    detections: Detections = [{} for _ in images]
    for name, value in outputs_of(os.fspath(path), images).items():
        key, _, image = name.rpartition("_")
        detections[int(image)][key] = torch.from_numpy(value)
    return detections


def outputs_of(
    graph: str | bytes, images: Sequence[Tensor], names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Run an exported graph in onnxruntime on the CPU, and return its outputs by name.

    Args:
        graph: the file's path, or what it holds.
        images: list of [3, H, W] in 0–1.
        names: only these outputs.
    """
    need("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feeds = {f"image_{i}": image.detach().cpu().numpy() for i, image in enumerate(images)}
    wanted = {each.name for each in session.get_inputs()}  # an unused input is left out of the file
    asked = [each.name for each in session.get_outputs()] if names is None else list(names)
    values = session.run(asked, {name: feed for name, feed in feeds.items() if name in wanted})
    return dict(zip(asked, values, strict=True))


def read_graph(path: str | Path, model: nn.Module) -> tuple[GraphNode, ...]:
    """Read the nodes of an exported file, in their order, each with the module it comes from.

    The exporter names a node after the modules that were running: ``/rpn/head/cls_logits_3/Conv``
    is the fourth call of ``rpn.head.cls_logits``. A scripted function's nodes (those of the larger
    of torchvision's two NMS) bear no such name; they belong with the node before them. Nodes within
    an ``If`` are part of it.

    Raises:
        OnnxError: a package is missing, or the file was not exported from this model.
    """
    paths = {name for name, _ in model.named_modules()}
    nodes: list[GraphNode] = []
    for node in loaded(path).graph.node:
        scoped = node.name.startswith("/")
        before = (nodes[-1].path, nodes[-1].nth) if nodes else ("", 0)
        place = _module(node.name, paths) if scoped else before
        nodes.append(GraphNode(node.name, node.op_type, *place))
    return tuple(nodes)


def loaded(path: str | Path) -> Any:
    """Read an ONNX file's graph, without weights that lie beside it.

    Raises:
        OnnxError: there is no such file, or it is none of ONNX's; the package is missing.
    """
    need("onnx")
    import onnx

    try:
        found = onnx.load(os.fspath(path), load_external_data=False)
    except OSError as error:
        raise OnnxError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from error
    except Exception as error:  # protobuf's own, of several modules
        raise OnnxError(f"{os.fspath(path)!r} is no ONNX file") from error
    if not found.graph.node:
        raise OnnxError(f"{os.fspath(path)!r} is no ONNX file, or its graph is empty")
    return found


def _module(name: str, paths: Set[str]) -> tuple[str, int]:
    """Return the module's path, and which call of it, that a node's name tells.

    Children of a Sequential are written with its name in front: ``/layer1/layer1.0/conv1/Conv``.
    """
    parts = [""]
    for part in name.split("/")[1:-1]:
        repeats = part.startswith(f"{parts[-1]}.")
        parts = [*parts[:-1], part] if repeats else [*parts, part]
    path = ".".join(parts[1:])
    if path in paths:
        return path, 0
    again = re.fullmatch(r"(.*)_(\d+)", path)
    if again is None or again[1] not in paths:
        raise OnnxError(f"the file's node {name!r} is of no module of this model: export it again")
    return again[1], int(again[2])


def need(package: str) -> None:
    """Raise OnnxError unless a package is there."""
    if importlib.util.find_spec(package) is None:
        raise OnnxError(f"ONNX export needs {package}: pip install 'rcnn-tracer[onnx]'")


def _output_names(detections: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{key}_{i}" for i, found in enumerate(detections) for key in found]


def _write(
    model: nn.Module, images: list[Tensor], path: Path, opset: int, names: list[str]
) -> None:
    try:
        with warnings.catch_warnings():
            # It warns of every Python decision that it freezes; the check is what counts.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                (images,),
                os.fspath(path),
                input_names=[f"image_{i}" for i in range(len(images))],
                output_names=names,
                opset_version=opset,
                dynamo=False,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise OnnxError(f"torch cannot export this model at opset {opset}: {reason}") from error


def _compare(expected: Detections, found: Detections, path: Path, opset: int, size: int) -> Export:
    """Match each of torch's detections with onnxruntime's nearest of its label."""
    gaps = [_gaps(a, b) for a, b in zip(expected, found, strict=True)]
    near = [(gap <= torch.tensor([BOX_TOLERANCE, SCORE_TOLERANCE])).all(1) for gap in gaps]
    counts = [tuple(len(each["scores"]) for each in side) for side in (expected, found)]
    matched = tuple(int(each.sum()) for each in near)
    if any(m < SHARE * n for m, *both in zip(matched, *counts, strict=True) for n in both):
        raise OnnxError(
            f"onnxruntime's detections differ from torch's: per image, torch finds "
            f"{_numbers(counts[0])}, onnxruntime {_numbers(counts[1])}, and both alike "
            f"{_numbers(matched)}; where the file resizes to a pixel less, another min_size helps"
        )
    errors = torch.cat([gap[keep] for gap, keep in zip(gaps, near, strict=True)])
    box, score = errors.max(0).values.tolist() if len(errors) else (0.0, 0.0)
    return Export(path, opset, size, counts[0], matched, box, score)


def _numbers(counts: Sequence[int]) -> str:
    return ", ".join(map(str, counts))


def pairs(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> tuple[Pair, ...]:
    """Set each of torch's detections of an image beside onnxruntime's nearest of its label.

    Args:
        expected: ``boxes`` [N, 4], ``labels`` [N], ``scores`` [N], as the model gives them.
        found: the same of onnxruntime, as `detect` gives them.
    """
    index, gaps = _nearest(expected, found)
    there = gaps.isfinite().all(1).tolist()
    return tuple(
        Pair(
            int(expected["labels"][i]),
            tuple(expected["boxes"][i].tolist()),
            float(expected["scores"][i]),
            float(found["scores"][index[i]]) if there[i] else None,
            float(gaps[i, 0]) if there[i] else None,
        )
        for i in range(len(there))
    )


def _gaps(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Tensor:
    """Return [N, 2]: how far the nearest found detection of its label is, in box and score.

    Infinitely far where there is none.
    """
    return _nearest(expected, found)[1]


def _nearest(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return [N] and [N, 2]: which found detection of its label is nearest, and how far.

    Matched by nearness, not by place: the order may differ where scores are nearly equal.
    """
    if not len(found["boxes"]):
        none = torch.zeros(len(expected["boxes"]), dtype=torch.int64)
        return none, torch.full((len(none), 2), float("inf"))
    boxes = torch.cdist(expected["boxes"].cpu(), found["boxes"], p=float("inf"))
    scores = (expected["scores"].cpu()[:, None] - found["scores"]).abs()
    other = expected["labels"].cpu()[:, None] != found["labels"]
    gaps = torch.stack([boxes, scores]).masked_fill(other, float("inf"))
    nearest = (gaps[0] / BOX_TOLERANCE).maximum(gaps[1] / SCORE_TOLERANCE).argmin(1)
    return nearest, gaps[:, torch.arange(len(nearest)), nearest].T
