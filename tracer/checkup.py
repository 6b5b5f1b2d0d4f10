"""`doctor`: a look at a detector, its pictures and targets, before they run or after they did."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracer.capture import last_trace, trace
from tracer.errors import InputError
from tracer.rcnn import anchor_fit, checkpoint, inputs, model_checks, outcome
from tracer.rcnn.diagnosis import part_of
from tracer.rcnn.findings import Finding, in_order
from tracer.rcnn.inspection import batch_size, new_size, scale
from tracer.rcnn.probe import backbone_shapes
from tracer.record import Trace
from tracer.views.reports.findings import Findings

Targets = Sequence[Mapping[str, Tensor]]
_ASIDE = 640  # pixels of a picture that stands in for those that were not given


def doctor(
    subject: nn.Module | Trace,
    images: Sequence[Tensor] | None = None,
    targets: Targets | None = None,
    *,
    weights: str | Path | None = None,
    static: bool = False,
) -> Findings:
    """Return what is wrong with a detector, its pictures, targets and weights, errors first.

    Nothing is trained, and the model is left as it is: its mode, its buffers, the random state.

    >>> print(tracer.doctor(model, images, targets))

    Args:
        subject: one of torchvision's detectors, or a module with one in it; or a recording.
        images: what it is given: float tensors [3, H, W], 0–1. If the model can be copied and
            nothing is found before, one pass of a copy is recorded, without gradients: in training
            mode with targets, in eval mode without. `tracer.last_trace` has it then.
        targets: what it is trained on: of each image a dict with ``boxes`` [N, 4] as x1, y1, x2, y2
            in pixels and ``labels`` [N].
        weights: a checkpoint to hold against the model.
        static: no pass; shapes are found with tensors that hold no numbers.

    Raises:
        InputError: neither a detector nor a recording.
    """
    if isinstance(subject, Trace):
        if images is not None or targets is not None or weights is not None:
            raise InputError("a recording is looked at as it is: it takes no pictures or weights")
        found = in_order((*map(Finding.of, subject.findings), *outcome.of_run(subject)))
        return Findings(found)
    detector = part_of(subject) if isinstance(subject, nn.Module) else None
    if detector is None:
        raise InputError(
            "doctor takes a detector of torchvision's (a module with a transform and a backbone) "
            f"or a recording; found {type(subject).__name__}"
        )
    with _untouched(detector):
        found = in_order(_before(subject, detector, images, targets, weights))
        if images is not None and not static and all(f.severity != "error" for f in found):
            found = in_order((*found, *_from_a_pass(subject, images, targets)))
    return Findings(found)


@contextlib.contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Put the random state back, and compute without gradients."""
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad():
        yield


def _before(
    model: nn.Module,
    detector: Any,
    images: Any,
    targets: Any,
    weights: str | Path | None,
) -> Iterator[Finding]:
    """What is found without a pass."""
    wrong: tuple[Finding, ...] = ()
    if images is not None:
        wrong = tuple(inputs.findings(model, (images, targets), {}))
    yield from wrong
    usable = images is not None and all(each.severity != "error" for each in wrong)
    shape = _batch_shape(detector, images if usable else None)
    maps = backbone_shapes(detector, shape)
    yield from model_checks.of_model(detector, maps, shape[1])
    yield from checkpoint.spoiled(detector.state_dict())
    if weights is not None:
        yield from _of_weights(detector, weights)
    if usable and targets is not None:
        yield from _of_training(detector, images, targets, shape, maps)


def _of_training(
    model: Any, images: Any, targets: Any, shape: tuple[int, ...], maps: model_checks.Maps
) -> Iterator[Finding]:
    """What will keep it from learning from these targets."""
    yield from model_checks.of_batch(model, len(images))
    generator = model_checks.generator_of(model)
    matcher = getattr(getattr(model, "rpn", model), "proposal_matcher", None)
    if generator is None or matcher is None or len(maps) != len(generator.cell_anchors):
        return
    boxes = [_resized(model, *pair) for pair in zip(images, targets, strict=True)]
    base = [each.cpu().numpy() for each in generator.cell_anchors]
    grids = [tuple(map(int, size[2:])) for size in maps.values()]
    best = anchor_fit.best_iou(np.concatenate(boxes), base, grids, shape[2:])
    yield from anchor_fit.unmatched(np.concatenate(boxes), best, base, matcher.high_threshold)


def _resized(model: Any, image: Tensor, target: Mapping[str, Tensor]) -> np.ndarray:
    factor = scale(model.transform, *image.shape[-2:])
    boxes: np.ndarray = target["boxes"].cpu().double().numpy() * factor
    return boxes


def _of_weights(model: nn.Module, path: str | Path) -> Iterator[Finding]:
    state, found = checkpoint.examine(path)
    yield from found
    if state is not None:
        yield from checkpoint.misfits(model, state)
        yield from checkpoint.spoiled(state)


# --- shapes without numbers -----------------------------------------------------------------------


def _batch_shape(model: Any, images: Any) -> tuple[int, int, int, int]:
    """The batch that the transform makes of pictures, or of one that stands in for them."""
    transform = model.transform
    channels = max(len(transform.image_mean), len(transform.image_std))
    side = min(transform.min_size[-1], _ASIDE)
    given = [(channels, side, side)] if images is None else [tuple(i.shape) for i in images]
    channels = max(channels, *(size[0] for size in given))
    sizes = [new_size(transform, height, width) for _, height, width in given]
    return len(given), channels, *batch_size(transform, *sizes)


# --- one pass -------------------------------------------------------------------------------------


def _from_a_pass(model: nn.Module, images: Any, targets: Any) -> Sequence[Finding]:
    """What one pass of a copy ends with."""
    try:
        twin = copy.deepcopy(model)
    except Exception as error:  # what a module holds beside tensors need not be fit for a copy
        return [Finding("uncopied", {"type": type(error).__name__}, "warning")]
    if twin.training != (targets is not None):
        twin.train(targets is not None)
    given = (images,) if targets is None else (images, targets)
    try:
        recording: Trace = trace(twin, *given, previews=False)
    except Exception:  # the recording says how it ended
        failed = last_trace()
        assert failed is not None
        recording = failed
    return (*_unexplained(recording), *map(Finding.of, recording.findings))


def _unexplained(recording: Trace) -> Iterator[Finding]:
    """A failure that nothing which was found explains."""
    failure = recording.error
    if failure is not None and failure.cause is None:
        call = "–" if failure.call is None else recording.calls[failure.call].label
        message = failure.message.strip().partition("\n")[0]
        yield Finding("run-failed", {"call": call, "type": failure.type, "message": message})
