"""Figures of a pass, one function each, drawn from its anatomy.

>>> from tracer.views.figures import fig_roi_align
>>> fig_roi_align(trace, lang="zh", size="slide").savefig("roi-align.png")

Each takes a Trace or an `Anatomy` and the keywords ``lang`` (``"en"``, ``"zh"``), ``ax`` (axes of
another figure to draw into), ``image`` (which one of the batch), ``theme`` (``"light"``,
``"dark"``) and ``size`` (``"notebook"``, ``"slide"``), and returns a matplotlib Figure that pyplot
knows nothing of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from tracer.errors import MissingError, near
from tracer.views.figures.activations import fig_dead_channels, fig_feature_grid, fig_histograms
from tracer.views.figures.backbone import (
    fig_backbone_stages,
    fig_blocks_compared,
    fig_bottleneck,
    fig_channels,
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
from tracer.views.figures.training import (
    fig_balance,
    fig_losses,
    fig_matches,
    fig_sampled_anchors,
    fig_sampled_rois,
)
from tracer.views.figures.transform import fig_transform

STAGES = {
    "overview": ("Overview", "总览"),
    "transform": ("Transform", "变换"),
    "backbone": ("Backbone", "主干网络"),
    "fpn": ("Feature pyramid", "特征金字塔"),
    "rpn": ("Region proposal network", "RPN"),
    "roi_heads": ("RoI heads", "RoI heads"),
    "losses": ("Training", "训练"),
    "activations": ("Activations", "激活"),
}
"""The parts that the figures are in order of: name, title in English and Chinese."""


@dataclass(frozen=True)
class Entry:
    """One figure, as the index lists it.

    Attributes:
        name: its short name, ``"roi_align"``; the function is ``fig_`` and this.
        draw: the function.
        stage: a key of `STAGES`.
        title_en, title_zh: what it shows.
        needs: what the pass must have been: ``"two-stage"``, ``"training"``, ``"eval"``,
            ``"targets"``, ``"resnet"``, ``"fpn"``; empty for any pass of a detector.
    """

    name: str
    draw: Callable[..., Figure]
    stage: str
    title_en: str
    title_zh: str
    needs: tuple[str, ...] = ()


_TWO, _RES = ("two-stage",), ("resnet",)
_TRAIN, _EVAL = ("two-stage", "training"), ("two-stage", "eval")

_ENTRIES = (
    Entry("pipeline", fig_pipeline, "overview", "The pipeline", "整体流程"),
    Entry("transform", fig_transform, "transform", "From image to batch", "从图片到批量"),
    Entry("backbone_stages", fig_backbone_stages, "backbone", "C1 to C5", "C1 到 C5"),
    Entry("bottleneck", fig_bottleneck, "backbone", "One residual block", "一个残差块", _RES),
    Entry("channels", fig_channels, "backbone", "Channels", "通道"),
    Entry(
        "blocks_compared", fig_blocks_compared, "backbone", "Bottleneck or BasicBlock",
        "Bottleneck 与 BasicBlock",
    ),
    Entry(
        "receptive_field", fig_receptive_field, "backbone", "Receptive field and stride",
        "感受野与步幅", _RES,
    ),
    Entry("frozen_layers", fig_frozen_layers, "backbone", "Frozen layers", "冻结的层", _RES),
    Entry("pyramid", fig_pyramid, "fpn", "The levels over the picture", "叠在图上的各层"),
    Entry("merges", fig_merges, "fpn", "The merges", "融合", ("fpn",)),
    Entry("same_point", fig_same_point, "fpn", "One point in every level", "同一点在各层"),
    Entry("base_anchors", fig_base_anchors, "rpn", "Base anchors", "基础锚框"),
    Entry("anchors_of_cell", fig_anchors_of_cell, "rpn", "Anchors of one cell", "一个单元的锚框"),
    Entry("objectness", fig_objectness, "rpn", "Objectness", "前景得分", _TWO),
    Entry("deltas", fig_deltas, "rpn", "Deltas", "偏移量", _TWO),
    Entry("decode", fig_decode, "rpn", "Decoding with numbers", "带数字的解码", _TWO),
    Entry("funnel", fig_funnel, "rpn", "From anchors to proposals", "从锚框到候选框", _TWO),
    Entry("nms", fig_nms, "rpn", "NMS", "NMS", _TWO),
    Entry("recall", fig_recall, "rpn", "Recall after each step", "每步之后的召回率",
          ("two-stage", "targets")),
    Entry("level_assignment", fig_level_assignment, "roi_heads", "Level assignment", "层级分配",
          _TWO),
    Entry("boxes_in_cells", fig_boxes_in_cells, "roi_heads", "A box of each level, in cells",
          "各层的一个框，以单元计", _TWO),
    Entry("roi_align", fig_roi_align, "roi_heads", "RoIAlign", "RoIAlign", _TWO),
    Entry("head", fig_head, "roi_heads", "The box head", "box head", _TWO),
    Entry("detections", fig_detections, "roi_heads", "Detections", "检测结果", ("eval",)),
    Entry(
        "detection_funnel", fig_detection_funnel, "roi_heads", "Post-processing", "后处理", _EVAL
    ),
    Entry("matches", fig_matches, "losses", "Matching", "匹配", _TRAIN),
    Entry(
        "sampled_anchors", fig_sampled_anchors, "losses", "Sampled anchors", "抽中的锚框", _TRAIN
    ),
    Entry("sampled_rois", fig_sampled_rois, "losses", "Sampled proposals", "抽中的候选框", _TRAIN),
    Entry("balance", fig_balance, "losses", "Positives and negatives", "正负样本", _TRAIN),
    Entry("losses", fig_losses, "losses", "The losses", "损失", _TRAIN),
    Entry("feature_grid", fig_feature_grid, "activations", "Feature maps", "特征图"),
    Entry("histograms", fig_histograms, "activations", "Values through the depth", "逐层取值"),
    Entry("dead_channels", fig_dead_channels, "activations", "Dead channels", "失活的通道", _RES),
)  # fmt: skip

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
