"""The RoI heads: which level each box is pooled from, RoIAlign, the two-layer head."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from tracer.errors import MissingError
from tracer.rcnn.anatomy.anchors import coder_weights
from tracer.rcnn.anatomy.features import FeatureMap
from tracer.rcnn.anatomy.fpn import Level, Pyramid
from tracer.rcnn.anatomy.geometry import RESIZED, Boxes, area
from tracer.rcnn.anatomy.reading import Pass, plain
from tracer.rcnn.anatomy.transform import Picture
from tracer.record import Call


@dataclass(frozen=True, eq=False)
class Grid:
    """How RoIAlign reads one box off one map. Coordinates are (x, y) in cells of that map.

    A cell's value stands at its integer coordinate (``aligned=False``).

    Attributes:
        roi: float32 [4], the box divided by the stride, x1, y1, x2, y2.
        bins: (rows, columns) of the output.
        bin_size: (height, width) of one bin in cells.
        samples: float32 [rows, columns, S, 2], the sampling points of each bin.
        corners: int64 [rows, columns, S, 4, 2], the four cells (x, y) around each point:
            top left, top right, bottom left, bottom right.
        weights: float32 [rows, columns, S, 4], their bilinear weights; all zero for a point that
            lies off the map.
    """

    roi: np.ndarray
    bins: tuple[int, int]
    bin_size: tuple[float, float]
    samples: np.ndarray
    corners: np.ndarray
    weights: np.ndarray

    def pool(self, maps: np.ndarray) -> np.ndarray:
        """Average the interpolated samples of each bin: float32 [C, rows, columns].

        Args:
            maps: float32 [C, H, W].
        """
        values = maps[:, self.corners[..., 1], self.corners[..., 0]]
        found: np.ndarray = (values * self.weights).sum(-1).mean(-1)
        return found

    def thinned(self, step: int, size: tuple[int, int]) -> Grid:
        """Return the same samples on a map of which every `step`-th row and column is there.

        Args:
            step: in cells.
            size: (H, W) of what is there.
        """
        corners, weights = _bilinear(self.samples / np.float32(step), size)
        return replace(self, corners=corners, weights=weights)


def lay_grid(
    box: np.ndarray, scale: float, bins: tuple[int, int], ratio: int, size: tuple[int, int]
) -> Grid:
    """Lay RoIAlign's sampling points over a map, as ``torchvision.ops.roi_align`` does.

    Args:
        box: float32 [4] in resized pixels.
        scale: cells per pixel, 1 / stride.
        bins: (rows, columns) of the output.
        ratio: sampling points per bin and side; 0 or less for as many as a bin has cells.
        size: (H, W) of the map.
    """
    roi = (box * np.float32(scale)).astype(np.float32)
    sides = np.maximum(roi[2:] - roi[:2], np.float32(1))
    steps = (sides / np.asarray([bins[1], bins[0]], np.float32)).astype(np.float32)
    counts = [ratio if ratio > 0 else max(int(np.ceil(step)), 1) for step in steps]
    x = _points(roi[0], steps[0], bins[1], counts[0])
    y = _points(roi[1], steps[1], bins[0], counts[1])
    points = np.empty((bins[0], bins[1], counts[1], counts[0], 2), np.float32)
    points[..., 0] = x[None, :, None, :]
    points[..., 1] = y[:, None, :, None]
    samples = points.reshape(*bins, -1, 2)
    corners, weights = _bilinear(samples, size)
    return Grid(roi, bins, (float(steps[1]), float(steps[0])), samples, corners, weights)


def _points(start: np.ndarray, step: np.ndarray, bins: int, count: int) -> np.ndarray:
    """Sampling coordinates along one axis, float32 [bins, count]."""
    places = (np.arange(count, dtype=np.float32) + np.float32(0.5)) * step / np.float32(count)
    found: np.ndarray = start + np.arange(bins, dtype=np.float32)[:, None] * step + places
    return found


def _bilinear(samples: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Corners and weights of points: those up to one cell off the map count as on its border."""
    limits = np.asarray([size[1], size[0]])
    outside = ((samples < -1) | (samples > limits)).any(-1)
    placed = np.maximum(samples, 0)
    low = np.minimum(np.floor(placed).astype(np.int64), limits - 1)
    high = np.minimum(low + 1, limits - 1)
    placed = np.where(low >= limits - 1, low.astype(np.float32), placed)
    part = placed - low
    rest = np.float32(1) - part
    corners = np.stack(
        [
            low,
            np.stack([high[..., 0], low[..., 1]], -1),
            np.stack([low[..., 0], high[..., 1]], -1),
            high,
        ],
        -2,
    )
    pairs = [(rest, rest), (part, rest), (rest, part), (part, part)]
    weights = np.stack([a[..., 0] * b[..., 1] for a, b in pairs], -1)
    weights[outside] = 0
    return corners, weights.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Pooling:
    """One call of a ``MultiScaleRoIAlign``: boxes in, one small map per box out.

    Attributes:
        path: the module, ``"roi_heads.box_roi_pool"``.
        boxes: per image, in resized pixels.
        levels: the levels that are pooled from; P6 of a standard pyramid is not among them.
        scales: cells per pixel of each level.
        output_size: (rows, columns) of bins.
        sampling_ratio: sampling points per bin and side.
        canonical_scale, canonical_level: 224 and 4 in k = ⌊4 + log₂(√(wh)/224)⌋.
        k_min, k_max: the formula's result is clamped to these.
        assigned: int64 per image [N], index into `levels` of each box, as recorded.
    """

    path: str
    boxes: tuple[Boxes, ...]
    levels: tuple[Level, ...]
    scales: tuple[float, ...]
    output_size: tuple[int, int]
    sampling_ratio: int
    canonical_scale: float
    canonical_level: float
    k_min: int
    k_max: int
    assigned: tuple[np.ndarray, ...]
    _pass: Pass = field(repr=False)
    _call: Call = field(repr=False)

    def sides(self, image: int = 0) -> np.ndarray:
        """Return √(w·h) of each box in resized pixels, float32 [N]."""
        found: np.ndarray = np.sqrt(np.maximum(area(self.boxes[image].xyxy), 0))
        return found

    def exact_level(self, image: int = 0) -> np.ndarray:
        """Return 4 + log₂(√(wh)/224), neither rounded down nor clamped, float32 [N]."""
        with np.errstate(divide="ignore"):
            ratio = self.sides(image) / np.float32(self.canonical_scale)
            found: np.ndarray = np.float32(self.canonical_level) + np.log2(ratio)
            return found

    def formula(self, image: int = 0) -> np.ndarray:
        """Return the level index that the formula gives, int64 [N], to compare with `assigned`."""
        exact = self.exact_level(image) + np.float32(1e-6)
        k = np.clip(np.floor(exact), self.k_min, self.k_max)
        found: np.ndarray = k.astype(np.int64) - self.k_min
        return found

    def level_of(self, index: int, image: int = 0) -> Level:
        """Return the level that a box is pooled from."""
        return self.levels[int(self.assigned[image][index])]

    def grid(self, index: int, image: int = 0) -> Grid:
        """Return where RoIAlign samples the map of a box's level."""
        place = int(self.assigned[image][index])
        size = self.levels[place].map.shape[-2:]
        box = self.boxes[image].xyxy[index]
        return lay_grid(box, self.scales[place], self.output_size, self.sampling_ratio, size)

    def pooled(self, index: int, image: int = 0) -> np.ndarray:
        """Return what RoIAlign made of a box, float32 [C, rows, columns].

        Recorded values where they were kept (``keep="roi_heads.box_roi_pool"``), else computed
        from the kept map of the box's level.

        Raises:
            MissingError: neither the output nor that map was kept.
        """
        whole = None if self._call.result is None else self._pass.maybe(self._call.result)
        if whole is not None:
            found: np.ndarray = whole[sum(len(b) for b in self.boxes[:image]) + index]
            return found
        features: FeatureMap = self.level_of(index, image).map
        return self.grid(index, image).pool(features.data()[image])


@dataclass(frozen=True, eq=False)
class RoiHeads:
    """What the RoI heads did in this pass.

    Attributes:
        box: pooling for classes and boxes.
        mask, keypoint: pooling of the further heads, where the model has them and they ran.
        layers: (module, shape of its result) from pooling to predictor.
        num_classes: background (0) included.
        rows: per image, the slice of the rows of `logits` that are its boxes.
        weights: what dx, dy, dw, dh are divided by when decoded.
    """

    box: Pooling
    mask: Pooling | None
    keypoint: Pooling | None
    layers: tuple[tuple[str, tuple[int, ...]], ...]
    num_classes: int
    rows: tuple[slice, ...]
    weights: tuple[float, ...]
    _pass: Pass = field(repr=False)
    _predictor: Call = field(repr=False)

    def logits(self, image: int = 0) -> np.ndarray:
        """Return the class logits, float32 [N, num_classes].

        Raises:
            MissingError: they were not kept.
        """
        return self._predicted(0, "class scores")[self.rows[image]]

    def deltas(self, image: int = 0) -> np.ndarray:
        """Return the box deltas per class, float32 [N, num_classes, 4].

        Raises:
            MissingError: they were not kept.
        """
        values = self._predicted(1, "box deltas")[self.rows[image]]
        return values.reshape(len(values), -1, 4)

    def scores(self, image: int = 0) -> np.ndarray:
        """Return the softmax of the logits, float32 [N, num_classes]; recorded where possible.

        Raises:
            MissingError: they were not kept.
        """
        softmax = self._pass.function("RoIHeads.postprocess_detections")
        ops = () if softmax is None else self._pass.named("op", "softmax", softmax)
        kept = self._pass.maybe(ops[0].result) if ops else None
        return softmax_of(self.logits(image)) if kept is None else kept[self.rows[image]]

    def hidden(self, index: int, image: int = 0) -> tuple[tuple[str, np.ndarray | None], ...]:
        """Return what the fully connected layers of the box head made of a box, after their ReLUs.

        The last one's values are those of the whole head, as recorded; of one before it the module
        gives what goes into the ReLU.

        Returns:
            (module, float32 [C]) per layer in order; None for values that were not kept.
        """
        run, row = self._pass, self.rows[image].start + index
        table, inside = run.trace.modules, f"{run.prefix}roi_heads.box_head."
        linear = [p for p, m in table.items() if p.startswith(inside) and m.type == "Linear"]
        found = []
        for path in linear:
            name = "roi_heads.box_head" if path == linear[-1] else path.removeprefix(run.prefix)
            call = run.module(name)
            values = None if call is None or call.result is None else run.maybe(call.result)
            after = None if values is None else np.maximum(values[row], 0)
            found.append((path.removeprefix(run.prefix), after))
        return tuple(found)

    def _predicted(self, part: int, what: str) -> np.ndarray:
        assert self._predictor.result is not None
        return self._pass.array(self._predictor.result[part], what)


def softmax_of(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True)) if logits.size else logits
    found: np.ndarray = raised / raised.sum(-1, keepdims=True)
    return found


def read_roi_heads(run: Pass, pyramid: Pyramid, pictures: tuple[Picture, ...]) -> RoiHeads:
    """Read the RoI heads.

    Raises:
        MissingError: the model has none, or what they did was not recorded.
    """
    run.need_module("roi_heads", "RoI heads")
    predictor = run.need_module("roi_heads.box_predictor", "class scores")
    assert predictor.result is not None
    box = _pooling(run, "roi_heads.box_roi_pool", pyramid, pictures)
    assert box is not None
    ends = np.cumsum([0, *(len(b) for b in box.boxes)]).tolist()
    rows = tuple(slice(start, end) for start, end in pairwise(ends))
    return RoiHeads(
        box,
        _pooling(run, "roi_heads.mask_roi_pool", pyramid, pictures, optional=True),
        _pooling(run, "roi_heads.keypoint_roi_pool", pyramid, pictures, optional=True),
        _layers(run),
        run.shape(predictor.result[0])[-1],
        rows,
        coder_weights(run, _decoding(run), (10.0, 10.0, 5.0, 5.0)),
        run,
        predictor,
    )


def _decoding(run: Pass) -> Call | None:
    """The decoding of the heads' deltas; there is none in training."""
    after = run.function("RoIHeads.postprocess_detections")
    return None if after is None else run.function("BoxCoder.decode", after)


def _layers(run: Pass) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Pooling, the head's own layers, the predictor's: module and shape of result."""
    paths = ["roi_heads.box_roi_pool"]
    for parent in ("roi_heads.box_head", "roi_heads.box_predictor"):
        module = run.trace.modules.get(run.prefix + parent)
        paths += [path.removeprefix(run.prefix) for _, path in (module.children if module else ())]
    calls = [run.module(path) for path in paths]
    return tuple(
        (path, run.shape(call.result))
        for path, call in zip(paths, calls, strict=True)
        if call is not None and call.result is not None and call.result.tensor is not None
    )


def _pooling(
    run: Pass, path: str, pyramid: Pyramid, pictures: tuple[Picture, ...], optional: bool = False
) -> Pooling | None:
    if optional and run.module(path) is None:
        return None
    call = run.need_module(path, "pooled boxes")
    align = run.need_function(
        "_multiscale_roi_align", "the levels that boxes are pooled from", call
    )
    arrays = run.arrays(call.args["boxes"], "the boxes to be pooled")
    boxes = tuple(
        Boxes(xyxy, RESIZED, picture.resized_size, picture.index)
        for xyxy, picture in zip(arrays, pictures, strict=False)
    )
    own = _settings(run, call)
    scales = plain(align.args["scales"])
    return Pooling(
        path,
        boxes,
        _pooled_levels(align, pyramid),
        scales,
        plain(align.args["output_size"]),
        plain(align.args["sampling_ratio"]),
        own.get("canonical_scale", 224),
        own.get("canonical_level", 4),
        int(-np.log2(scales[0])),
        int(-np.log2(scales[-1])),
        _assigned(run, align, boxes),
        run,
        call,
    )


def _settings(run: Pass, call: Call) -> dict[str, float]:
    """The canonical scale and level, where the pooler set itself up in this pass."""
    setup = run.function("_setup_scales", call)
    names = ("canonical_scale", "canonical_level")
    return {} if setup is None else {name: plain(setup.args[name]) for name in names}


def _pooled_levels(align: Call, pyramid: Pyramid) -> tuple[Level, ...]:
    by_state = {level.map.state: level for level in pyramid.levels}
    states = [value.tensor for _, value in align.args["x_filtered"].items]
    return tuple(by_state[state] for state in states if state in by_state)


def _assigned(run: Pass, align: Call, boxes: tuple[Boxes, ...]) -> tuple[np.ndarray, ...]:
    """Split the recorded levels by image; with one level there is nothing to assign."""
    counts = [len(b) for b in boxes]
    mapper = run.function("LevelMapper.__call__", align)
    if mapper is None:
        return tuple(np.zeros(count, np.int64) for count in counts)
    if mapper.result is None:
        raise MissingError("the recorded pass ended while boxes were assigned to levels")
    every = run.array(mapper.result, "the level of each box")
    return tuple(np.split(every, np.cumsum(counts)[:-1]))
