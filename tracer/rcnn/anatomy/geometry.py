"""Arithmetic on boxes as torchvision does it, in numpy and in the same order of operations.

Boxes are float32 [N, 4] as x1, y1, x2, y2 in pixels. Additions, products, quotients and comparisons
give torchvision's results bit for bit; only `exp` and `log` may differ in the last place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracer.errors import InputError, MissingError

FIRST = -0.5
"""Where the first cell of a map begins, in cells from the picture's corner; nothing else says it.

Point i of a map of stride s stands at pixel i·s, and its cell reaches half a stride to each side.
There its receptive field is centred (of C2 to C5: each kernel is odd and padded alike at both
sides, so that point i of a layer of stride 2 looks around point 2i of the map before it), there
stand its anchors (``AnchorGenerator.grid_anchors``: i·s) and there RoIAlign reads it
(``aligned=False``: coordinate x/s in the map). Pixels are counted from the picture's edge, so that
the middle of pixel i·s lies at i·s + 0.5: half a pixel that no figure shows.
"""

ORIGINAL = "original"
RESIZED = "resized"


@dataclass(frozen=True)
class Cells:
    """The cells of a map, or of the part of it that a small picture shows: a point amid each.

    Attributes:
        shape: how many there are, (rows, columns).
        stride: pixels of the resized image from point to point, (vertical, horizontal).
    """

    shape: tuple[int, int]
    stride: tuple[float, float]

    def box(
        self, row: float, column: float, rows: float = 1, columns: float = 1
    ) -> tuple[float, float, float, float]:
        """Return the pixels of some cells as x1, y1, x2, y2, from the first of them on."""
        down, right = self.stride
        top, left = row + FIRST, column + FIRST
        return left * right, top * down, (left + columns) * right, (top + rows) * down

    def point(self, row: int, column: int) -> tuple[float, float]:
        """Return the pixel (x, y) at which a point stands."""
        return column * self.stride[1], row * self.stride[0]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The pixels of all cells as left, right, bottom, top: what matplotlib asks for."""
        left, top, right, bottom = self.box(0, 0, *self.shape)
        return left, right, bottom, top

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Return (row, column) of the cell that a pixel lies in, or of the nearest."""
        places = (pixel / side - FIRST for pixel, side in zip((y, x), self.stride, strict=True))
        row, column = (
            min(max(int(place), 0), size - 1)
            for place, size in zip(places, self.shape, strict=True)
        )
        return row, column

    def affine(
        self, scale: float, origin: tuple[float, float] = (0, 0)
    ) -> tuple[float, float, float, float, float, float]:
        """Return the way from a picture's pixels, so many to one resized, to cells, as Pillow's."""
        (down, right), (x, y) = self.stride, origin
        return 1 / (right * scale), 0, x / right - FIRST, 0, 1 / (down * scale), y / down - FIRST


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes in the pixels of one image.

    Attributes:
        xyxy: float32 [N, 4], x1, y1, x2, y2 in pixels.
        pixels: of which image: ``"original"``, as it was given to the model; or ``"resized"``,
            after the transform. A resized image lies at the top left of the padded batch, so the
            same numbers hold in both.
        size: (height, width) of that image in pixels, without padding.
        image: its index in the batch.

    Raises:
        MissingError: what was recorded as boxes is none.
    """

    xyxy: np.ndarray
    pixels: str
    size: tuple[int, int]
    image: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no boxes."""
        if self.xyxy.ndim != 2 or self.xyxy.shape[1] != 4 or self.xyxy.dtype.kind not in "fiu":
            raise MissingError(
                f"boxes are numbers [N, 4]; of image {self.image} the recording holds "
                f"{self.xyxy.dtype} {list(self.xyxy.shape)}"
            )

    def __len__(self) -> int:
        """How many boxes there are."""
        return len(self.xyxy)

    def take(self, index: np.ndarray | slice) -> Boxes:
        """Return some of the boxes, by index, mask or slice."""
        return Boxes(self.xyxy[index], self.pixels, self.size, self.image)

    def iou(self, other: Boxes) -> np.ndarray:
        """Return the IoU with each other box, float32 [N, M].

        Raises:
            InputError: the two are not in the same image's pixels.
        """
        if (self.pixels, self.image) != (other.pixels, other.image):
            raise InputError(
                f"boxes in {self.pixels} pixels of image {self.image} cannot be compared with "
                f"boxes in {other.pixels} pixels of image {other.image}"
            )
        return iou(self.xyxy, other.xyxy)


def area(boxes: np.ndarray) -> np.ndarray:
    """Return width times height, [N] in square pixels."""
    found: np.ndarray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return found


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each pair, [N, M]; 0/0 is NaN as in torchvision."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    inter = sides[..., 0] * sides[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = inter / (area(a)[:, None] + area(b)[None] - inter)
        return found


def clip(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Clip [..., 4] to an image of (height, width) pixels."""
    height, width = size
    found: np.ndarray = np.clip(boxes, 0, np.asarray([width, height, width, height], boxes.dtype))
    return found


def decode(
    deltas: np.ndarray,
    boxes: np.ndarray,
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0),
    limit: float = float(np.log(1000 / 16)),
) -> np.ndarray:
    """Move and scale boxes by deltas: what ``BoxCoder.decode`` does.

    Args:
        deltas: float32 [N, 4] as dx, dy, dw, dh: shifts of the centre in widths and heights of the
            box, and logarithms of the scale.
        boxes: float32 [N, 4].
        weights: what the deltas were multiplied with when they were learned.
        limit: dw and dh are clamped to it, so that no box grows more than 62.5-fold.
    """
    boxes = boxes.astype(deltas.dtype, copy=False)
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = boxes[:, :2] + np.float32(0.5) * sizes
    shift = deltas[:, :2] / np.asarray(weights[:2], deltas.dtype)
    grow = np.minimum(deltas[:, 2:] / np.asarray(weights[2:], deltas.dtype), np.float32(limit))
    middle = shift * sizes + centres
    half = np.float32(0.5) * (np.exp(grow) * sizes)
    return np.concatenate([middle - half, middle + half], 1)


def encode(
    targets: np.ndarray, boxes: np.ndarray, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
) -> np.ndarray:
    """Return the deltas that turn `boxes` into `targets`: what ``BoxCoder.encode`` does, [N, 4]."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = boxes[:, :2] + np.float32(0.5) * sizes
    wanted = targets[:, 2:] - targets[:, :2]
    middles = targets[:, :2] + np.float32(0.5) * wanted
    factors = np.asarray(weights, boxes.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = factors[:2] * (middles - centres) / sizes
        grow = factors[2:] * np.log(wanted / sizes)
    return np.concatenate([shift, grow], 1)


def nms_limit(threshold: float) -> np.float32:
    """Return the float32 that an IoU of NMS is compared with.

    torchvision's kernel compares in double precision, which is to compare with the largest float32
    that is not above the threshold.
    """
    limit = np.float32(threshold)
    below: np.float32 = np.nextafter(limit, np.float32(-1))
    return below if float(limit) > threshold else limit


def suppressors(
    boxes: np.ndarray, groups: np.ndarray, kept: np.ndarray, removed: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find for each box that NMS removed the one that it was removed for.

    That is the best survivor of its group that overlaps it by more than the threshold, for NMS goes
    by falling score. Where rounding hides it, it is the one that overlaps it most.

    Args:
        boxes: float32 [N, 4].
        groups: [N], level or class: NMS compares only within a group.
        kept: indices of the survivors, by falling score.
        removed: indices of the boxes that NMS removed.
        threshold: IoU above which the worse of two is dropped.

    Returns:
        The survivor's index for each removed box (-1 if its group has none), and their IoU.
    """
    by = np.full(len(removed), -1, np.int64)
    overlap = np.zeros(len(removed), np.float32)
    for group in np.unique(groups[removed]):
        rows = np.flatnonzero(groups[removed] == group)
        rivals = kept[groups[kept] == group]
        if len(rivals) == 0:
            continue
        shared = np.nan_to_num(iou(boxes[removed[rows]], boxes[rivals]))
        enough = shared > nms_limit(threshold)
        best = np.where(enough.any(1), enough.argmax(1), shared.argmax(1))
        by[rows], overlap[rows] = rivals[best], shared[np.arange(len(rows)), best]
    return by, overlap
