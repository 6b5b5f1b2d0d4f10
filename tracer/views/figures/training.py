"""Training: matches, samples, their balance, the losses."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from tracer.rcnn.anatomy import Anatomy, Loss, Matching, Samples
from tracer.views.figures.common import grey, names_of_classes
from tracer.views.figures.sheet import Sheet, figure
from tracer.views.kit.palette import SEQUENTIAL


@figure(height=5.4)
def fig_matches(s: Sheet, parts: Anatomy, image: int) -> None:
    """The IoU matrix of targets and boxes, and what matching made of it."""
    grid = s.grid(2, 2, width_ratios=[1, 1] if s.slide else [1.5, 1])
    pairs = (
        (parts.losses.anchors(image).matching, s.say("anchors", "锚框")),
        (parts.losses.proposals(image).matching, s.say("proposals", "候选框")),
    )
    for row, (matching, who) in enumerate(pairs):
        _matrix(s, s.panel(grid[row, 0]), matching, who, _target_names(s, parts, image))
        _iou_histogram(s, s.panel(grid[row, 1]), matching, who)
    s.title(
        "Matching: which boxes learn which target",
        "匹配：哪些框去学哪个目标",
        "Left: IoU of every target with the boxes that overlap any target most. Right: best IoU of "
        "all boxes with the thresholds; between them boxes are ignored. Low-quality: the best box "
        "of a target, positive although below the threshold.",
        "左：各目标与重叠最大的那些框的 IoU。右：所有框的最高 IoU 与阈值；两阈值之间的不参与训练。"
        "低质量匹配：某目标最好的框，虽未达阈值也算正样本。",
    )


def _target_names(s: Sheet, parts: Anatomy, image: int) -> list[str]:
    """The class of each target, or its number where that was not recorded."""
    labels, called = parts.pictures[image].target_labels, names_of_classes(s, parts)
    if labels is None:
        return [str(i) for i in range(len(parts.losses.anchors(image).matching.targets))]
    return [called(label) for label in labels.tolist()]


def _matrix(s: Sheet, ax: Axes, matching: Matching, who: str, names: list[str]) -> None:
    count = len(matching.boxes)
    if len(matching.targets) == 0:
        s.empty(ax, f"no targets: all {count:,} are negative", f"没有目标：{count:,} 个全为负样本")
        return
    best = np.argsort(-np.nan_to_num(matching.best_iou), kind="stable")[:48]
    best = best[np.lexsort((-matching.best_iou[best], matching.best_target[best]))]
    values = matching.iou(best)
    shown = ax.imshow(values, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto",
                      interpolation="nearest")  # fmt: skip
    positive = matching.positive[best]
    columns = np.flatnonzero(positive)
    ax.plot(columns, matching.matches[best][positive], ".", color=s.theme.warn, ms=s.point / 1.8)
    ax.set_yticks(range(len(names)), names, fontfamily=s.fonts)
    ax.set_xticks([])
    n = len(best)
    s.labels(
        ax,
        s.say(
            f"{n} of {count:,} {who}; dot: matched", f"{count:,} 个{who}中的 {n} 个；圆点：已匹配"
        ),
        s.say("target", "目标"),
    )
    s.colour_bar(ax, shown, "IoU")


def _iou_histogram(s: Sheet, ax: Axes, matching: Matching, who: str) -> None:
    edges = np.linspace(0, 1, 41).tolist()
    kinds = (
        (matching.negative, s.theme.negative, s.say("negative", "负样本")),
        (matching.ignored, s.theme.ignored, s.say("ignored", "忽略")),
        (matching.positive & ~matching.low_quality, s.theme.positive, s.say("positive", "正样本")),
        (matching.low_quality, "#CC79A7", s.say("low-quality", "低质量匹配")),
    )
    found = [kind for kind in kinds if kind[0].any()]
    values = [matching.best_iou[mask] for mask, _, _ in found]
    colours = [colour for _, colour, _ in found]
    names = [f"{name} {int(mask.sum()):,}" for mask, _, name in found]
    ax.hist(values, edges, stacked=True, color=colours, label=names, log=True,
            histtype="stepfilled")  # fmt: skip
    for threshold in {matching.low, matching.high}:
        ax.axvline(threshold, color=s.theme.ink, lw=1, ls="--")
    ax.set_xlim(0, 1)
    s.heading(ax, who)
    s.labels(ax, s.say("best IoU with a target", "与目标的最高 IoU"))
    if s.slide:  # its text would hide the bars
        s.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        s.legend(ax, loc="upper right")


@figure(height=4.4)
def fig_sampled_anchors(s: Sheet, parts: Anatomy, image: int) -> None:
    """The sampled anchors on the picture: what the RPN's losses saw."""
    _samples(s, parts, image, parts.losses.anchors(image))
    s.title(
        "Sampled anchors: what the RPN's losses see of this image",
        "抽中的锚框：RPN 的损失在这张图片上看到的",
        "By default at most 256 per image, at most half of them positive; objectness is learned "
        "from all, deltas from the positives alone.",
        "默认每张图片最多 256 个，正样本最多占一半；前景得分由全部样本学习，偏移量只由正样本学习。",
    )


@figure(height=4.4)
def fig_sampled_rois(s: Sheet, parts: Anatomy, image: int) -> None:
    """The sampled proposals on the picture: what the RoI heads' losses saw."""
    _samples(s, parts, image, parts.losses.proposals(image))
    s.title(
        "Sampled proposals: what the RoI heads' losses see of this image",
        "抽中的候选框：RoI heads 的损失在这张图片上看到的",
        "By default at most 512 per image, at most a quarter positive. The targets themselves are "
        "added to the proposals, so that there are positives from the first step on.",
        "默认每张图片最多 512 个，正样本最多占四分之一。真实框本身也加入候选框，"
        "使训练一开始就有正样本。",
    )


def _samples(s: Sheet, parts: Anatomy, image: int, samples: Samples) -> None:
    grid = s.grid(1, 2)
    picture = parts.pictures[image]
    kinds = (
        (samples.positive, s.theme.positive, s.say("positive", "正样本")),
        (samples.negative, s.theme.negative, s.say("negative", "负样本")),
    )
    for column, (index, colour, name) in enumerate(kinds):
        ax = s.panel(grid[0, column])
        s.picture(ax, grey(picture))
        s.boxes(ax, samples.matching.targets.xyxy, s.theme.target, 1.8)
        shown = index[np.linspace(0, len(index) - 1, min(len(index), 120)).astype(int)]
        s.boxes(ax, samples.matching.boxes.xyxy[shown], colour, 0.9, alpha=0.75)
        height, width = picture.resized_size
        ax.set_xlim(-width * 0.06, width * 1.06)
        ax.set_ylim(height * 1.06, -height * 0.06)
        more = s.say(f" (120 of {len(index)} drawn)", "（画出 120 个）") if len(index) > 120 else ""
        s.heading(ax, s.say(": ", "：").join((name, f"{len(index)}{more}")), colour)
    handle = s.say("targets", "目标")
    s.tag(s.figure.axes[-1], 0.99, 0.01, handle, s.theme.target, ha="right", va="bottom",
          transform=s.figure.axes[-1].transAxes)  # fmt: skip


@figure(height=3.6)
def fig_balance(s: Sheet, parts: Anatomy, image: int) -> None:
    """How many positives and negatives there were, and how many were sampled."""
    training = parts.losses
    grid = s.grid(1, 2)
    pairs = (
        (training.anchors(image), s.say("anchors", "锚框")),
        (training.proposals(image), s.say("proposals", "候选框")),
    )
    for column, (samples, who) in enumerate(pairs):
        _balance(s, s.panel(grid[0, column]), samples, who)
    s.title(
        "The balance of positives and negatives",
        "正负样本的比例",
        "Sampling keeps the many negatives from drowning the few positives. Where positives are "
        "scarce, negatives fill the rest.",
        "采样使大量负样本不至于淹没少数正样本。正样本不足时，由负样本补足。",
    )


def _balance(s: Sheet, ax: Axes, samples: Samples, who: str) -> None:
    m = samples.matching
    rows = (
        (s.say("there were", "总共"), m.positive.sum(), m.ignored.sum(), m.negative.sum()),
        (s.say("sampled", "抽中"), len(samples.positive), 0, len(samples.negative)),
    )
    names = (s.say("positive", "正"), s.say("ignored", "忽略"), s.say("negative", "负"))
    colours = (s.theme.positive, s.theme.ignored, s.theme.negative)
    for row, (_, *counts) in enumerate(rows):
        total, left = max(sum(int(c) for c in counts), 1), 0.0
        for count, name, colour in zip(counts, names, colours, strict=True):
            share = int(count) / total
            ax.barh(row, share, left=left, color=colour, height=0.55)
            text = f"{name} {int(count):,}"
            if share > (0.34 if s.slide else 0.24):
                s.text(ax, left + share / 2, row, text, ha="center", va="center", size=0.8,
                       colour="white")  # fmt: skip
            elif count:
                place = -0.36 if name == names[0] else 0.36
                s.text(ax, left + share / 2, row + place, text, ha="left", va="center", size=0.75,
                       colour=colour)  # fmt: skip
            left += share
    s.categories(ax.yaxis, [0, 1], (row[0] for row in rows))
    ax.set_ylim(1.6, -0.6)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    s.heading(ax, who)


@figure(height=5.2)
def fig_losses(s: Sheet, parts: Anatomy, image: int) -> None:
    """The losses taken apart: their values, and what each sample adds."""
    losses = parts.losses.losses
    taken = [loss for loss in losses if loss.terms is not None]
    grid = s.grid(2, max(len(taken), 1), height_ratios=[1, 1.5])
    _values(s, s.panel(grid[0, :]), losses)
    for column, loss in enumerate(taken):
        _terms(s, s.panel(grid[1, column]), loss)
    total = sum(loss.value for loss in losses)
    s.title(
        f"The losses taken apart: {total:.4f} in total",
        f"损失的拆解：总计 {total:.4f}",
        "Below: what each sample of the whole batch adds, by falling size; a loss is their sum "
        "over the divisor. Box losses are smooth L1, of positives only, divided by all samples.",
        "下：整个批量中每个样本的贡献，由大到小；损失 = 总和 ÷ 除数。"
        "框的损失为 smooth L1，只算正样本，却除以全部样本数。",
    )


def _values(s: Sheet, ax: Axes, losses: tuple[Loss, ...]) -> None:
    values = [loss.value for loss in losses]
    ax.barh(range(len(losses)), values, color="#0072B2", height=0.6)
    for row, value in enumerate(values):
        s.text(ax, value, row, f" {value:.4f}", va="center", size=0.9)
    s.categories(ax.yaxis, range(len(losses)), (loss.name for loss in losses))
    ax.invert_yaxis()
    finite = [value for value in values if np.isfinite(value)]
    ax.set_xlim(0, max([*finite, 1e-6]) * 1.15)
    ax.tick_params(axis="y", labelcolor=s.theme.ink, length=0)


def _terms(s: Sheet, ax: Axes, loss: Loss) -> None:
    assert loss.terms is not None
    each = loss.terms if loss.terms.ndim == 1 else loss.terms.sum(tuple(range(1, loss.terms.ndim)))
    terms = np.sort(each)[::-1]
    name = loss.name.removeprefix("loss_")
    s.heading(ax, name)
    if len(terms) == 0:
        s.empty(ax, "no positives:\nnothing to add", "没有正样本：\n贡献为零")
        return
    ax.fill_between(np.arange(len(terms)), terms, step="mid", color="#56B4E9", lw=0)
    ax.margins(x=0)
    half = int(np.searchsorted(np.cumsum(terms), terms.sum() / 2)) + 1
    ax.axvline(half - 0.5, color=s.theme.warn, lw=1, ls="--")
    share = s.say(f"{half} give{'s' * (half == 1)} half", f"一半来自 {half} 个")
    s.text(ax, 0.97, 0.95, share, ha="right", va="top",
           transform=ax.transAxes, size=0.8, colour=s.theme.warn)  # fmt: skip
    space = "\n" if s.slide else " "
    s.labels(ax, f"Σ {terms.sum():.2f} ÷ {loss.divisor}{space}= {loss.computed:.4f}")
