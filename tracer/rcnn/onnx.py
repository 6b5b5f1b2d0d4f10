"""Faster R-CNN as an ONNX file, with onnxruntime's detections held against torch's.

The exporter that torch uses by default follows the model symbolically and stops at a decision that
depends on data (how many boxes remain); the older one, which records a run, exports this model.

The file computes an image's new size in float32 and rounds down: 500 pixels at a scale of 320/400
become 399, where torch has 400. Detections then differ by pixels, and the check says so.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tracer.errors import InputError, TracerError

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


def export(
    model: nn.Module,
    images: Sequence[Tensor],
    path: str | Path,
    *,
    opset: int = 11,
    check: bool = True,
) -> Export:
    """Write a detector as an ONNX file, for as many images of these sizes.

    Args:
        model: a torchvision detector; it is exported in eval mode, and its modes put back.
        images: list of [3, H, W] in 0–1. The file takes ``image_0``, ``image_1``, … and gives
            ``boxes_0``, ``labels_0``, ``scores_0``, …
        path: where to write; appears only when it is complete.
        opset: version of the ONNX operators.
        check: run the file in onnxruntime and compare its detections on `images`.

    Raises:
        InputError: `images` is not a list of images.
        OnnxError: a package is missing, the exporter failed, or the detections differ.
    """
    _need("onnx")
    if check:
        _need("onnxruntime")
    if isinstance(images, Tensor) or not images:
        raise InputError("images is a list of tensors [3, H, W], one per image, and not empty")
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _evaluating(model), torch.no_grad():
            expected = model(list(images))
            _write(model, list(images), partial, opset, _output_names(expected))
        size = partial.stat().st_size
        result = Export(path, opset, size)
        if check:
            result = _compare(expected, detect(partial, images), path, opset, size)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return result


def detect(path: str | Path, images: Sequence[Tensor]) -> Detections:
    """Run an exported file in onnxruntime on the CPU.

    Returns:
        As the model does, one dict per image: ``boxes`` [N, 4], ``labels`` [N], ``scores`` [N].
    """
    _need("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    feeds = {f"image_{i}": image.detach().cpu().numpy() for i, image in enumerate(images)}
    wanted = {each.name for each in session.get_inputs()}  # an unused input is left out of the file
    outputs = session.run(None, {name: feed for name, feed in feeds.items() if name in wanted})
    detections: Detections = [{} for _ in images]
    for output, value in zip(session.get_outputs(), outputs, strict=True):
        key, _, image = output.name.rpartition("_")
        detections[int(image)][key] = torch.from_numpy(value)
    return detections


def _need(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise OnnxError(f"ONNX export needs {package}: pip install 'rcnn-tracer[onnx]'")


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Set eval mode within, and put every module's own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


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


def _gaps(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Tensor:
    """Return [N, 2]: how far the nearest found detection of its label is, in box and score.

    Infinitely far where there is none. Matched by nearness, not by place: the order may differ
    where scores are nearly equal.
    """
    if not len(found["boxes"]):
        return torch.full((len(expected["boxes"]), 2), float("inf"))
    boxes = torch.cdist(expected["boxes"].cpu(), found["boxes"], p=float("inf"))
    scores = (expected["scores"].cpu()[:, None] - found["scores"]).abs()
    other = expected["labels"].cpu()[:, None] != found["labels"]
    pairs = torch.stack([boxes, scores]).masked_fill(other, float("inf"))
    nearest = (pairs[0] / BOX_TOLERANCE).maximum(pairs[1] / SCORE_TOLERANCE).argmin(1)
    return pairs[:, torch.arange(len(nearest)), nearest].T
