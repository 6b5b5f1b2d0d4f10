"""The feature pyramid: laterals, the top-down path, outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracer.errors import MissingError, NotRecorded
from tracer.rcnn.anatomy.backbone import maps_of
from tracer.rcnn.anatomy.features import FeatureMap, Plane, feature_map, names_by_stride
from tracer.rcnn.anatomy.reading import Pass
from tracer.record import Call, Value


@dataclass(frozen=True, eq=False)
class Level:
    """One level of what the backbone returned: the RPN looks at all of them.

    Attributes:
        index: from the finest, 0.
        key: in the backbone's result, ``"0"``…``"3"``, ``"pool"``, ``"p6"``.
        map: the feature map; its name is ``"P2"``…``"P7"`` (by stride), or ``"P[key]"`` where
            two levels have the same stride.
    """

    index: int
    key: str
    map: FeatureMap

    @property
    def name(self) -> str:
        """The map's name."""
        return self.map.name


@dataclass(frozen=True, eq=False)
class Merge:
    """How one level of the pyramid came to be.

    Attributes:
        name: of the level, ``"P4"``.
        source: the backbone's map, ``C4``.
        lateral: its 1×1 convolution.
        top: the merged map one level up, before its 3×3; None for the topmost level.
        upsampled: `top` doubled by nearest neighbour; None for the topmost level.
        merged: lateral plus upsampled (the lateral itself at the top).
        output: the merged map's 3×3 convolution, one of the pyramid's levels.
    """

    name: str
    source: FeatureMap
    lateral: FeatureMap
    top: FeatureMap | None
    upsampled: FeatureMap | None
    merged: FeatureMap
    output: FeatureMap

    def planes(self, image: int = 0, channel: int = -1) -> tuple[Plane, ...]:
        """Return one channel of lateral, upsampled, merged and output, all at one resolution.

        Where the sum itself was not kept but its terms were, it is their sum. The mean over all
        channels (-1) is the one that previews have too, and it adds up just as each channel does.

        Raises:
            MissingError: neither values nor previews are in the trace.
        """
        if self.upsampled is None or self.top is None:
            raise MissingError(f"{self.name} is the top of the pyramid: nothing is added there")
        lateral = self.lateral.channel(channel, image)
        output = self.output.channel(channel, image)
        if self.lateral.kept and (self.merged.kept or self.top.kept):
            up = self._upsampled(channel, image)
            added = Plane(lateral.values + up.values)
        else:
            up = self.upsampled.channel(channel, image)
            added = self.merged.channel(channel, image)
        return lateral, up, added, output

    def _upsampled(self, channel: int, image: int) -> Plane:
        """The doubled map: kept, or from the kept `top`, or the kept sum less the lateral."""
        assert self.upsampled is not None
        assert self.top is not None
        if self.upsampled.kept:
            return self.upsampled.channel(channel, image)
        if self.top.kept:
            return Plane(nearest(self.top.channel(channel, image).values, self.lateral.shape[-2:]))
        total = self.merged.channel(channel, image).values
        return Plane(total - self.lateral.channel(channel, image).values)


@dataclass(frozen=True, eq=False)
class Pyramid:
    """What the backbone handed on.

    Attributes:
        levels: from the finest to the coarsest; one level where there is no pyramid.
        merges: from the top down, in the order of computation; empty where there is no FPN.
        extra: names of levels made from others afterwards (``P6`` by pooling P5).
    """

    levels: tuple[Level, ...]
    merges: tuple[Merge, ...]
    extra: tuple[str, ...]

    def __len__(self) -> int:
        """How many levels there are."""
        return len(self.levels)


def nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize [..., h, w] to a larger size by nearest neighbour, as ``interpolate`` does."""
    rows, columns = (
        np.arange(new) * old // new for new, old in zip(size, values.shape[-2:], strict=True)
    )
    return values[..., rows[:, None], columns]


def read_pyramid(run: Pass) -> Pyramid:
    """Read the levels and how they were made.

    Raises:
        MissingError: the backbone did not run to its end.
    """
    backbone = run.need_module("backbone", "pyramid")
    assert backbone.result is not None
    values = maps_of(backbone.result)
    fpn = run.module("backbone.fpn")
    names = names_by_stride(run, [value for _, value in values], "P")
    levels = tuple(
        Level(i, key, feature_map(run, name, value, *_maker(run, backbone, value)))
        for i, (name, (key, value)) in enumerate(zip(names, values, strict=True))
    )
    merges = () if fpn is None else _merges(run, fpn, levels)
    merged = {merge.output.state for merge in merges}
    extra = tuple(lv.name for lv in levels if fpn is not None and lv.map.state not in merged)
    return Pyramid(_pooled(run, levels, backbone), merges, extra)


def _pooled(run: Pass, levels: tuple[Level, ...], backbone: Call) -> tuple[Level, ...]:
    """Note at the last level that it is every second cell of the one before, where it is."""
    if len(levels) < 2 or levels[-1].key != "pool":
        return levels
    pools = run.named("op", "max_pool2d", backbone)
    settings = plain_arguments(pools[-1]) if pools else {}
    if settings.get("kernel_size") != 1 or settings.get("stride") != 2:
        return levels
    last = replace(levels[-1].map, _pooled_from=levels[-2].map)
    return (*levels[:-1], replace(levels[-1], map=last))


def plain_arguments(op: Call) -> dict[str, object]:
    """Return a max-pooling's numbers; kernel size is its second argument."""
    found = {name: value.scalar for name, value in op.args.items if value.kind == "scalar"}
    positional = [value.scalar for _, value in op.args.items[1:2]]
    return {"kernel_size": positional[0] if positional else None, **found}


def _maker(run: Pass, backbone: Call, value: Value) -> tuple[Call, str]:
    """The module that made a level, and the pattern that keeps it."""
    found = [
        call
        for call in run.trace.calls[backbone.id : backbone.end]
        if call.start <= backbone.end
        and call.kind == "module"
        and call.result is not None
        and call.result.tensor == value.tensor
    ]
    # The innermost module that handed it out is no better a name than the block that it is in.
    chosen = next((c for c in found if "_blocks." in c.path), found[0] if found else backbone)
    return chosen, chosen.path


def _merges(run: Pass, fpn: Call, levels: tuple[Level, ...]) -> tuple[Merge, ...]:
    names = {level.map.state: level for level in levels}
    inner = _blocks_of(run, fpn, "inner_blocks")
    layer = _blocks_of(run, fpn, "layer_blocks")
    merges: list[Merge] = []
    for index in sorted(layer, reverse=True):
        result = layer[index].result
        level = None if result is None or result.tensor is None else names.get(result.tensor)
        if level is None or index not in inner:
            continue
        merges.append(_merge(run, fpn, inner[index], layer[index], level, merges))
    return tuple(merges)


def _blocks_of(run: Pass, fpn: Call, name: str) -> dict[int, Call]:
    """The calls of the direct members of ``inner_blocks`` or ``layer_blocks``, by index."""
    found: dict[int, Call] = {}
    for index in range(16):
        calls = run.named("module", f"{fpn.path}.{name}.{index}", fpn)
        if calls:
            found[index] = calls[0]
    return found


def _merge(
    run: Pass, fpn: Call, inner: Call, layer: Call, level: Level, above: list[Merge]
) -> Merge:
    assert inner.result is not None
    entering = inner.args.items[0][1]
    source = feature_map(run, level.name.replace("P", "C"), entering, inner, f"args:{inner.path}")
    lateral = feature_map(run, "lateral", inner.result, inner)
    summed = layer.args.items[0][1]
    merged = feature_map(run, "sum", summed, layer, f"args:{layer.path}")
    if not above:
        return Merge(level.name, source, lateral, None, None, merged, level.map)
    doubled = [
        call
        for call in run.named("op", "interpolate", fpn)
        if call.start < layer.start and call.result is not None
    ]
    if not doubled or doubled[-1].result is None:
        raise NotRecorded("how the pyramid was merged is not in the trace", grain="op")
    up = feature_map(run, "upsampled", doubled[-1].result, doubled[-1])
    return Merge(level.name, source, lateral, above[-1].merged, up, merged, level.map)
