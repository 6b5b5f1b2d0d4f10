"""Findings: what is wrong with a model, its weights, pictures, targets or a run, as data.

A finding is made where the numbers are at hand and said where the reader is: as the refusal of a
command, beside a recording, in the list of ``tracer doctor``. Its words are in
``languages/*/findings.toml``, a table for each kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracer import record
from tracer.languages import Texts
from tracer.record import Trace
from tracer.record.checks import SEVERITIES

say = Texts("findings")

_DETECTION = "torchvision/models/detection"
_RCNN = f"{_DETECTION}/generalized_rcnn.py", "GeneralizedRCNN.forward"
_NORMALIZE = f"{_DETECTION}/transform.py", "GeneralizedRCNNTransform.normalize"
_RESIZE = f"{_DETECTION}/transform.py", "GeneralizedRCNNTransform.resize"
_BATCH = f"{_DETECTION}/transform.py", "GeneralizedRCNNTransform.batch_images"
_RPN_HEAD = f"{_DETECTION}/rpn.py", "RPNHead.forward"
_FILTER = f"{_DETECTION}/rpn.py", "RegionProposalNetwork.filter_proposals"
_ANCHOR_LOSS = f"{_DETECTION}/rpn.py", "RegionProposalNetwork.compute_loss"
_ANCHOR_TARGETS = f"{_DETECTION}/rpn.py", "RegionProposalNetwork.assign_targets_to_anchors"
_GRID = f"{_DETECTION}/anchor_utils.py", "AnchorGenerator.grid_anchors"
_DECODE = f"{_DETECTION}/_utils.py", "BoxCoder.decode"
_POOLER = "torchvision/ops/poolers.py", "MultiScaleRoIAlign.forward"
_LEVELS = "torchvision/ops/poolers.py", "_multiscale_roi_align"
_BOX_HEAD = f"{_DETECTION}/faster_rcnn.py", "TwoMLPHead.forward"
_PREDICTOR = f"{_DETECTION}/faster_rcnn.py", "FastRCNNPredictor.forward"
_ROI_HEADS = f"{_DETECTION}/roi_heads.py", "RoIHeads.forward"
_SAMPLES = f"{_DETECTION}/roi_heads.py", "RoIHeads.select_training_samples"
_ROI_LOSS = f"{_DETECTION}/roi_heads.py", "fastrcnn_loss"
_MASK_LOSS = f"{_DETECTION}/roi_heads.py", "maskrcnn_loss"
_DETECTIONS = f"{_DETECTION}/roi_heads.py", "RoIHeads.postprocess_detections"
_NORM = "torch/nn/modules/batchnorm.py", "BatchNorm2d.forward"
_FROZEN_NORM = "torchvision/ops/misc.py", "FrozenBatchNorm2d.forward"
_BODY = "torch/nn/modules/conv.py", "Conv2d.forward"

PLACES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("images-missing", "images-tensor", "images-type", "images-empty"), _RCNN),
    **dict.fromkeys(("image-list", "image-type"), _RCNN),
    "image-dims": (f"{_DETECTION}/transform.py", "GeneralizedRCNNTransform.forward"),
    **dict.fromkeys(
        ("targets-missing", "targets-tensor", "targets-count", "target-type", "target-keys"), _RCNN
    ),
    **dict.fromkeys(("boxes-shape", "boxes-type", "boxes-flat", "boxes-swapped"), _RCNN),
    "boxes-xywh": _RCNN,
    **dict.fromkeys(("boxes-nan", "boxes-outside", "boxes-fractions", "targets-empty"), _SAMPLES),
    **dict.fromkeys(("boxes-yx", "boxes-corners", "labels-background", "labels-count"), _SAMPLES),
    "labels-negative": _SAMPLES,
    "labels-dtype": _ROI_HEADS,
    **dict.fromkeys(("labels-large", "labels-shape"), _ROI_LOSS),
    **dict.fromkeys(("masks-missing", "keypoints-missing"), _ROI_HEADS),
    **dict.fromkeys(("masks-shape", "mask-classes"), _MASK_LOSS),
    **dict.fromkeys(
        ("picture-255", "picture-normalised", "picture-dark", "picture-dtype", "picture-nan"),
        _NORMALIZE,
    ),
    **dict.fromkeys(("picture-channels", "picture-last", "mean-std", "std-zero"), _NORMALIZE),
    **dict.fromkeys(("picture-shrunk", "picture-blown", "sizes-crossed"), _RESIZE),
    "picture-empty": _RESIZE,
    "memory": _BATCH,
    **dict.fromkeys(("backbone-channels", "picture-precision", "device"), _BODY),
    **dict.fromkeys(("maps-channels", "out-channels", "head-channels"), _RPN_HEAD),
    **dict.fromkeys(("anchors-levels", "anchors-ratios"), _GRID),
    **dict.fromkeys(("anchors-uneven", "head-anchors", "head-deltas"), _DECODE),
    "anchors-objects": _ANCHOR_TARGETS,
    **dict.fromkeys(("threshold-rpn", "limit-proposals", "proposals-none"), _FILTER),
    **dict.fromkeys(("positives-anchors", "loss-rpn-zero"), _ANCHOR_LOSS),
    **dict.fromkeys(("positives-rois", "loss-roi-zero"), _SAMPLES),
    **dict.fromkeys(("pool-names", "pool-some"), _POOLER),
    **dict.fromkeys(("pool-levels", "pool-order"), _LEVELS),
    "box-head-inputs": _BOX_HEAD,
    "predictor-inputs": _PREDICTOR,
    **dict.fromkeys(("predictor-outputs", "classes-one"), _ROI_LOSS),
    **dict.fromkeys(("threshold-score", "limit-detections", "nms-never"), _DETECTIONS),
    **dict.fromkeys(("detections-below", "detections-chance", "classes-names"), _DETECTIONS),
    "norm-batch": _NORM,
    "norm-untouched": _FROZEN_NORM,
}
"""Where in torchvision it would fail, or go wrong in silence: a file, and a function of it."""

ALSO: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("device", "picture-precision", "backbone-channels"), _RCNN),
    **dict.fromkeys(("box-head-inputs", "predictor-inputs"), _ROI_HEADS),
    "predictor-outputs": _DETECTIONS,
}
"""Where else it may fail: in eval mode, in a part of another make."""

QUESTIONS: dict[str, str] = {
    **dict.fromkeys(("norm-untouched", "norm-batch"), "frozen-batch-norm"),
    **dict.fromkeys(("frozen-all", "frozen-head"), "trainable-layers"),
    **dict.fromkeys(("labels-background", "classes-one", "labels-large"), "label-zero"),
    **dict.fromkeys(("boxes-shape", "targets-empty", "loss-roi-zero"), "empty-targets"),
    **dict.fromkeys(("boxes-xywh", "boxes-yx", "boxes-fractions"), "box-coordinates"),
    **dict.fromkeys(("picture-255", "picture-normalised", "picture-dark"), "normalise-inside"),
    **dict.fromkeys(("sizes-crossed", "picture-shrunk", "picture-blown"), "size-800-1333"),
    **dict.fromkeys(("threshold-score", "threshold-rpn", "detections-below"), "thresholds"),
    **dict.fromkeys(("detections-chance",), "untrained-detections"),
    **dict.fromkeys(("out-channels", "maps-channels", "backbone-channels"), "own-backbone"),
    **dict.fromkeys(("pool-names", "pool-some", "pool-levels", "pool-order"), "level-names"),
    "targets-missing": "no-losses-in-eval",
    "anchors-objects": "why-anchors",
}
"""Questions of the commentary whose answers say more than that of the function."""


class Finding(record.Finding):
    """One thing that was found, with its words in every language."""

    __slots__ = ()

    def __init__(
        self, kind: str, facts: Mapping[str, Any] = {}, severity: str = "error", text: str = ""
    ) -> None:
        """Take numbers out of arrays, and write the sentence that is recorded."""
        super().__init__(kind, {name: _plain(each) for name, each in facts.items()}, severity)
        object.__setattr__(self, "text", text or self.sentence())

    @classmethod
    def of(cls, found: record.Finding) -> Finding:
        """Return a recorded finding with its words."""
        return cls(found.kind, found.facts, found.severity, found.text)

    def found(self, lang: str = "en") -> str:
        """Return what was found: a clause without a full stop, which may begin a sentence."""
        return self._said("found", lang) or self.text

    def why(self, lang: str = "en") -> str:
        """Return why it matters: a sentence."""
        return self._said("why", lang)

    def advice(self, lang: str = "en") -> str:
        """Return what to do: a clause like that of `found`."""
        return self._said("do", lang)

    def sentence(self, lang: str = "en") -> str:
        """Return what was found and what to do, as one clause."""
        found, do = self._said("found", lang), self.advice(lang)
        return say("sentence", lang, found=found, do=do) if found and do else self.text

    @property
    def place(self) -> tuple[str, str] | None:
        """Where it would fail, or goes wrong: a file of torchvision or torch, and a function."""
        return PLACES.get(self.kind)

    @property
    def about(self) -> str:
        """What ``tracer explain`` is asked for what is behind it; ``""`` if nothing is written."""
        if self.kind in QUESTIONS:
            return f"--question {QUESTIONS[self.kind]}"
        return f"--function {self.place[1]}" if self.place else ""

    def _said(self, part: str, lang: str) -> str:
        """Return one of its texts; none if it is of a kind, or has facts, that are not known."""
        key = f"{self.kind}.{part}"
        try:
            return say(key, lang).format(**self._facts(lang)) if key in say else ""
        except (LookupError, ValueError, TypeError):
            return ""

    def _facts(self, lang: str) -> dict[str, Any]:
        """Return the facts; those that begin with @ name words of the language."""
        named = {
            name: say(value[1:], lang).format(**self.facts)
            for name, value in self.facts.items()
            if isinstance(value, str) and value.startswith("@") and value[1:] in say
        }
        return {**self.facts, **named}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def told(trace: Trace, lang: str) -> tuple[str, ...]:
    """Return what was found about a run, a sentence each; the likely cause of its failure first."""
    cause = trace.error.cause if trace.error else None
    others = [each for each in trace.findings if cause is None or each.kind != cause.kind]
    first = () if cause is None else (say("cause", lang, text=Finding.of(cause).sentence(lang)),)
    return (*first, *(say("told", lang, text=Finding.of(each).sentence(lang)) for each in others))


def changed(trace: Trace, lang: str) -> tuple[str, ...]:
    """Return in a sentence what was changed on purpose in a run; nothing of a run as it is.

    It stands wherever a view has no name of the recording, which says so too (`Trace.called`).
    """
    changes = "; ".join(trace.settings.changes)
    return (say("changed", lang, changes=changes),) if changes else ()


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return one of each kind, the first: errors before warnings, each as they came."""
    first: dict[str, Finding] = {}
    for each in found:
        first.setdefault(each.kind, each)
    return tuple(sorted(first.values(), key=lambda each: SEVERITIES.index(each.severity)))


def cause(found: Sequence[Finding], traceback: str) -> Finding | None:
    """Return the finding that a run probably failed by.

    Args:
        found: what is known of the run, its model and its inputs.
        traceback: Python's text of the failure, which names the functions that were under way.

    Returns:
        Of the errors that fail in one of them, the one that fails furthest within.
    """
    frames = re.findall(r'File "([^"]*)", line \d+, in (\S+)', traceback)
    under_way = [(file.replace("\\", "/"), name) for file, name in frames]
    within = [
        (max(depths), each)
        for each in found
        if each.severity == "error" and (depths := _depths(each, under_way))
    ]
    return max(within, key=lambda pair: pair[0], default=(0, None))[1]


def _depths(finding: Finding, under_way: Sequence[tuple[str, str]]) -> list[int]:
    """At which of the functions that were under way, outermost first, a finding fails."""
    places = [p for p in (PLACES.get(finding.kind), ALSO.get(finding.kind)) if p is not None]
    known = [(_wherever(file), function.rpartition(".")[2]) for file, function in places]
    return [
        i
        for i, (path, ran) in enumerate(under_way)
        if any(path.endswith(files) and ran == name for files, name in known)
    ]


_ROOTS = tuple(
    f"{_DETECTION}/{name}.py" for name in ("generalized_rcnn", "retinanet", "fcos", "ssd")
)


def _wherever(file: str) -> tuple[str, ...]:
    """A file, or all that have the forward of a detector."""
    return _ROOTS if file in _ROOTS else (file,)
