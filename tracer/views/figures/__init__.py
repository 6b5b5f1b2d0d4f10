"""Figures of a pass, one function each, drawn from its anatomy.

>>> from tracer.views.figures import fig_roi_align
>>> fig_roi_align(trace, lang="zh", size="slide").savefig("roi-align.png")

Each takes a Trace or an `Anatomy` and the keywords ``lang``, ``ax`` (axes of
another figure to draw into), ``image`` (which one of the batch), ``theme`` (``"light"``,
``"dark"``) and ``size`` (``"notebook"``, ``"slide"``), and returns a matplotlib Figure that pyplot
knows nothing of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from tracer.errors import MissingError, near
from tracer.views.figures.activations import fig_feature_grid, fig_histograms
from tracer.views.figures.backbone import (
    fig_backbone_stages,
    fig_blocks_compared,
    fig_bottleneck,
    fig_frozen_layers,
    fig_receptive_field,
)
from tracer.views.figures.detections import fig_detection_funnel, fig_detections
from tracer.views.figures.fpn import fig_merges, fig_pyramid, fig_same_point
from tracer.views.figures.level_cells import fig_boxes_in_cells
from tracer.views.figures.overview import fig_pipeline
from tracer.views.figures.roi import fig_head, fig_level_assignment, fig_roi_align
from tracer.views.figures.rpn import (
    fig_anchors_of_cell,
    fig_base_anchors,
    fig_decode,
    fig_deltas,
    fig_funnel,
    fig_nms,
    fig_objectness,
    fig_recall,
)
from tracer.views.figures.sheet import texts
from tracer.views.figures.story import fig_story
from tracer.views.figures.training import (
    fig_balance,
    fig_losses,
    fig_matches,
    fig_sampled_anchors,
    fig_sampled_rois,
)
from tracer.views.figures.transform import fig_transform

STAGES = (
    "overview", "transform", "backbone", "fpn", "rpn", "roi_heads", "losses", "activations",
)  # fmt: skip
"""The parts that the figures are in, in order."""


@dataclass(frozen=True)
class Entry:
    """One figure, as the index lists it.

    Attributes:
        name: its short name, ``"roi_align"``; the function is ``fig_`` and this.
        draw: the function.
        stage: a key of `STAGES`.
        needs: what the pass must have been: ``"two-stage"``, ``"training"``, ``"eval"``,
            ``"targets"``, ``"resnet"``, ``"fpn"``; empty for any pass of a detector.
    """

    name: str
    draw: Callable[..., Figure]
    stage: str
    needs: tuple[str, ...] = ()

    def title(self, lang: str) -> str:
        """Return what it shows."""
        return texts(f"figure.{self.name}.listed", lang)


_TWO, _RES = ("two-stage",), ("resnet",)
_TRAIN, _EVAL = ("two-stage", "training"), ("two-stage", "eval")

_ENTRIES = (
    Entry("pipeline", fig_pipeline, "overview"),
    Entry("transform", fig_transform, "transform"),
    Entry("backbone_stages", fig_backbone_stages, "backbone"),
    Entry("bottleneck", fig_bottleneck, "backbone", _RES),
    Entry("blocks_compared", fig_blocks_compared, "backbone"),
    Entry("receptive_field", fig_receptive_field, "backbone", _RES),
    Entry("frozen_layers", fig_frozen_layers, "backbone", _RES),
    Entry("pyramid", fig_pyramid, "fpn"),
    Entry("merges", fig_merges, "fpn", ("fpn",)),
    Entry("same_point", fig_same_point, "fpn"),
    Entry("base_anchors", fig_base_anchors, "rpn"),
    Entry("anchors_of_cell", fig_anchors_of_cell, "rpn"),
    Entry("objectness", fig_objectness, "rpn", _TWO),
    Entry("deltas", fig_deltas, "rpn", _TWO),
    Entry("decode", fig_decode, "rpn", _TWO),
    Entry("funnel", fig_funnel, "rpn", _TWO),
    Entry("nms", fig_nms, "rpn", _TWO),
    Entry("recall", fig_recall, "rpn", ("two-stage", "targets")),
    Entry("level_assignment", fig_level_assignment, "roi_heads", _TWO),
    Entry("boxes_in_cells", fig_boxes_in_cells, "roi_heads", _TWO),
    Entry("roi_align", fig_roi_align, "roi_heads", _TWO),
    Entry("head", fig_head, "roi_heads", _TWO),
    Entry("detections", fig_detections, "roi_heads", ("eval",)),
    Entry("detection_funnel", fig_detection_funnel, "roi_heads", _EVAL),
    Entry("story", fig_story, "roi_heads", _TWO),
    Entry("matches", fig_matches, "losses", _TRAIN),
    Entry("sampled_anchors", fig_sampled_anchors, "losses", _TRAIN),
    Entry("sampled_rois", fig_sampled_rois, "losses", _TRAIN),
    Entry("balance", fig_balance, "losses", _TRAIN),
    Entry("losses", fig_losses, "losses", _TRAIN),
    Entry("feature_grid", fig_feature_grid, "activations"),
    Entry("histograms", fig_histograms, "activations"),
)

FIGURES: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""All figures by short name, in the order of the pass."""


def in_stage(stage: str) -> tuple[Entry, ...]:
    """Return the figures of a stage.

    Raises:
        MissingError: there is no such stage; names the nearest.
    """
    found = tuple(entry for entry in _ENTRIES if entry.stage == stage)
    if not found:
        there = ", ".join(STAGES)
        raise MissingError(f"no figures of stage {stage!r}{near(stage, STAGES)} (there is {there})")
    return found


__all__ = ["FIGURES", "STAGES", "Entry", "in_stage", *(f"fig_{name}" for name in FIGURES)]
