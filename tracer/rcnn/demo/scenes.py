"""Renders scenes of geometric objects with exact boxes and labels, from a seed.

Pillow draws everything. It is installed wherever torchvision is, it is quick,
and polygons drawn four times too large and averaged down are antialiased. Every
object is a polygon in float coordinates, so its box comes from its corners and
not from its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from PIL import Image, ImageDraw

from tracer.errors import TracerError
from tracer.rcnn.classes import names_in

CLASSES = ("__background__", "circle", "rectangle", "triangle", "star")
CLASSES_ZH = names_in(CLASSES, "zh")

DEMO_SIZE = (512, 640)
"""Height and width in pixels of the demo's scenes; the detector sees them unscaled."""

SMALLEST = 24.0
"""Square root of the area of the smallest object's box, in pixels."""

_SUPERSAMPLING = 4
_TRIES = 12
_MAX_HIDDEN = 0.25
_MAX_BOX_IOU = 0.25
_MIN_CONTRAST = 90.0


@dataclass(frozen=True)
class Shape:
    """One object, before it is drawn.

    Attributes:
        label: index into `CLASSES`, 1 or more.
        centre: x, y in pixels of the scene.
        size: width, height in pixels of the outline before it is rotated.
        angle: rotation in radians.
        colour: red, green, blue, 0 to 255.
        stripes: amplitude of the stripes on the object, 0 for a plain one.
    """

    label: int
    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float
    colour: tuple[int, int, int]
    stripes: float = 0.0

    @cached_property
    def corners(self) -> np.ndarray:
        """The outline, float64 [M, 2], x and y in pixels of the scene."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = (_OUTLINES[self.label] * self.size) @ np.array([[cos, sin], [-sin, cos]])
        found: np.ndarray = turned + self.centre
        return found

    @cached_property
    def box(self) -> np.ndarray:
        """The tight box, float64 [4]: x1, y1, x2, y2 in pixels of the scene."""
        return np.concatenate([self.corners.min(0), self.corners.max(0)])

    def coverage(self) -> tuple[tuple[slice, slice], np.ndarray]:
        """Draws the outline.

        Returns:
            The rows and columns of the scene that the box touches, and how much of
            each of these pixels the object covers, float32 [h, w] in 0 to 1.
        """
        x1, y1 = np.floor(self.box[:2]).astype(int)
        x2, y2 = np.ceil(self.box[2:]).astype(int)
        mask = Image.new("L", ((x2 - x1) * _SUPERSAMPLING, (y2 - y1) * _SUPERSAMPLING))
        # A pixel's index is its centre's coordinate less a half.
        points = (self.corners - (x1, y1)) * _SUPERSAMPLING - 0.5
        ImageDraw.Draw(mask).polygon([tuple(p) for p in points], fill=255)
        covered = np.asarray(mask.reduce(_SUPERSAMPLING), dtype=np.float32) / 255
        return (slice(y1, y2), slice(x1, x2)), covered


@dataclass(frozen=True, eq=False)
class Scene:
    """A rendered scene and the truth about it.

    Attributes:
        image: uint8 [H, W, 3], red, green, blue.
        boxes: float32 [N, 4], x1, y1, x2, y2 in pixels of the image; the whole object
            also where another one hides a part of it.
        labels: int64 [N], indices into `CLASSES`.
        shapes: what was drawn, in the order of `boxes`, from back to front.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    shapes: tuple[Shape, ...]

    def tensor(self) -> torch.Tensor:
        """The image as torchvision's detectors take it: float32 [3, H, W] in 0 to 1."""
        return torch.from_numpy(self.image).permute(2, 0, 1).float() / 255

    def target(self) -> dict[str, torch.Tensor]:
        """The truth as torchvision's detectors take it: `boxes` [N, 4], `labels` [N]."""
        return {"boxes": torch.from_numpy(self.boxes), "labels": torch.from_numpy(self.labels)}


def scene(
    seed: int,
    size: tuple[int, int] = DEMO_SIZE,
    objects: tuple[int, int] = (3, 9),
    largest: float = 1.0,
) -> Scene:
    """Renders a random scene; the same arguments give the same pixels.

    Args:
        seed: 0 or more.
        size: height and width in pixels, at least 64 each.
        objects: fewest and most objects tried. A crowded scene may end up with fewer,
            since an object that would hide too much of another is left out.
        largest: upper end of the objects' sizes, as a share of the shorter side.

    Raises:
        TracerError: the size or the seed is out of range.
    """
    _check(seed, size)
    rng = np.random.default_rng(seed)
    canvas = _background(rng, size)
    owner = np.zeros(size, dtype=np.int16)
    areas: list[int] = []
    shapes: list[Shape] = []
    for side in _sides(rng, size, objects, largest):
        shape = _fit(rng, side, canvas, owner, areas, shapes)
        if shape is not None:
            _paint(canvas, shape)
            shapes.append(shape)
    return _finish(rng, canvas, shapes)


def compose(shapes: tuple[Shape, ...], seed: int, size: tuple[int, int] = DEMO_SIZE) -> Scene:
    """Renders given shapes, from back to front, over the background of a seed.

    Raises:
        TracerError: the size or the seed is out of range, or a shape leaves the scene.
    """
    _check(seed, size)
    rng = np.random.default_rng(seed)
    canvas = _background(rng, size)
    for shape in shapes:
        if not _inside(shape, size):
            raise TracerError(
                f"{shape} leaves the scene of {size[0]} x {size[1]} pixels; move it inside."
            )
        _paint(canvas, shape)
    return _finish(rng, canvas, list(shapes))


def default_scene() -> Scene:
    """The demo's picture: for each of P2 to P5 some object that RoI pooling takes from it."""
    return compose(_DEFAULT_SHAPES, seed=_DEFAULT_BACKGROUND)


def demo_scenes() -> tuple[Scene, Scene]:
    """What the demo records: the default scene, and a smaller one that has to be enlarged.

    Their sizes differ, so that the batch pads the one below and the other to the right.
    """
    return default_scene(), scene(9, size=(330, 310))


def _check(seed: int, size: tuple[int, int]) -> None:
    if min(size) < 64:
        raise TracerError(f"a scene needs at least 64 pixels a side, got {size[0]} x {size[1]}.")
    if seed < 0:
        raise TracerError(f"a scene's seed is 0 or more, got {seed}.")


def _circle() -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn)], 1) / 2


def _star() -> np.ndarray:
    turn = np.arange(10) * np.pi / 5 - np.pi / 2
    radius = np.where(np.arange(10) % 2, 0.23, 0.5)
    return np.stack([np.cos(turn), np.sin(turn)], 1) * radius[:, None]


_OUTLINES = {  # unit outlines around the origin, [M, 2]
    1: _circle(),
    2: np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]),
    3: np.array([[0.0, -0.5], [0.5, 0.5], [-0.5, 0.5]]),
    4: _star(),
}


_DEFAULT_BACKGROUND = 7
_DEFAULT_SHAPES = (  # from back to front: one for P5, one for P4, two for P3, four for P2
    Shape(1, (235.5, 262.0), (455.0, 455.0), 0.0, (38, 70, 130), 0.0),
    Shape(4, (506.0, 152.0), (250.0, 250.0), 0.12, (245, 190, 60), 0.0),
    Shape(2, (538.0, 398.0), (150.0, 122.0), 0.3, (200, 72, 60), 24.0),
    Shape(3, (170.0, 340.0), (140.0, 132.0), -0.25, (232, 232, 220), 0.0),
    Shape(2, (262.0, 196.0), (62.0, 48.0), 0.5, (250, 120, 40), 0.0),
    Shape(3, (52.0, 52.0), (52.0, 50.0), 0.4, (176, 40, 130), 0.0),
    Shape(4, (46.0, 464.0), (46.0, 46.0), 0.2, (20, 150, 80), 0.0),
    Shape(1, (596.0, 300.0), (30.0, 30.0), 0.0, (250, 250, 90), 0.0),
)


def _sides(
    rng: np.random.Generator, size: tuple[int, int], objects: tuple[int, int], largest: float
) -> np.ndarray:
    """Square roots of box areas in pixels, from large (at the back) to small.

    They are log-uniform but for one, which is uniform, so that many scenes have an object
    for the highest level.
    """
    count = rng.integers(objects[0], objects[1] + 1)
    top = max(SMALLEST, largest * min(size))
    sides = np.exp(rng.uniform(np.log(SMALLEST), np.log(top), count))
    sides[0] = rng.uniform(max(SMALLEST, top / 4), top)
    return np.sort(sides)[::-1]


def _fit(
    rng: np.random.Generator,
    side: float,
    canvas: np.ndarray,
    owner: np.ndarray,
    areas: list[int],
    shapes: list[Shape],
) -> Shape | None:
    """Looks for a fair place for a new shape and marks its pixels as its own."""
    for _ in range(_TRIES):
        shape = _random_shape(rng, side, canvas.shape[:2])
        if shape is None or any(_iou(shape.box, other.box) > _MAX_BOX_IOU for other in shapes):
            continue
        window, covered = shape.coverage()
        inside = covered > 0.5
        if _hides_too_much(owner, owner[window][inside], areas):
            continue
        areas.append(int(inside.sum()))
        owner[window][inside] = len(areas)
        return replace(shape, colour=_contrasting(rng, canvas[window][inside].mean(0)))
    return None


def _random_shape(rng: np.random.Generator, side: float, size: tuple[int, int]) -> Shape | None:
    """A shape whose box has the area `side` squared, inside the scene, or None if none fits."""
    label = int(rng.integers(1, len(CLASSES)))
    aspect = np.exp(rng.uniform(-0.6, 0.6)) if label == 2 else np.exp(rng.uniform(-0.2, 0.2))
    aspect = 1.0 if label == 1 else aspect
    angle = rng.uniform(0, 2 * np.pi)
    unit = Shape(label, (0.0, 0.0), (np.sqrt(aspect), 1 / np.sqrt(aspect)), angle, (0, 0, 0))
    scale = side / np.sqrt(np.prod(unit.box[2:] - unit.box[:2]))
    low = 1 - unit.box[:2] * scale
    high = (size[1], size[0]) - unit.box[2:] * scale - 1
    if (low > high).any():
        return None
    x, y = rng.uniform(low, high)
    return replace(
        unit,
        centre=(float(x), float(y)),
        size=(float(unit.size[0] * scale), float(unit.size[1] * scale)),
        stripes=float(rng.choice([0.0, 12.0, 24.0])),
    )


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    overlap = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    found: float = overlap / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - overlap)
    return found


def _hides_too_much(owner: np.ndarray, beneath: np.ndarray, areas: list[int]) -> bool:
    """Whether covering the pixels `beneath` leaves less of an earlier object than is fair.

    Args:
        owner: [H, W], for each pixel the number of the object seen there, 0 for none.
        beneath: [K], the same of the pixels that would be covered.
        areas: pixels that each object had when it was drawn.
    """
    taken = np.bincount(beneath, minlength=len(areas) + 1)[1:]
    for number in np.flatnonzero(taken) + 1:
        visible = np.count_nonzero(owner == number) - taken[number - 1]
        if visible < (1 - _MAX_HIDDEN) * areas[number - 1]:
            return True
    return False


def _contrasting(rng: np.random.Generator, behind: np.ndarray) -> tuple[int, int, int]:
    """A random colour that stands out from the mean colour behind it."""
    while True:
        colour = rng.integers(10, 246, 3)
        if np.linalg.norm(colour - behind) > _MIN_CONTRAST:
            return int(colour[0]), int(colour[1]), int(colour[2])


def _inside(shape: Shape, size: tuple[int, int]) -> bool:
    return bool((shape.box[:2] >= 0).all() and (shape.box[2:] <= (size[1], size[0])).all())


def _paint(canvas: np.ndarray, shape: Shape) -> None:
    """Draws a shape into the canvas, float32 [H, W, 3], in place."""
    (rows, columns), covered = shape.coverage()
    y, x = np.ogrid[rows, columns]
    turn = shape.angle + 0.7
    wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * (2 * np.pi / 9)).astype(np.float32)
    paint = np.array(shape.colour, dtype=np.float32) + shape.stripes * wave[..., None]
    part = canvas[rows, columns]
    part += covered[..., None] * (paint - part)


def _background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Clouds, sometimes stripes, and clutter: float32 [H, W, 3] in 0 to 255."""
    height, width = size
    clouds = rng.uniform(-1, 1, (height // 48 + 2, width // 48 + 2, 3)) * rng.uniform(8, 35)
    coarse = np.clip(rng.uniform(50, 206, 3) + clouds, 0, 255).astype(np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    _clutter(rng, ImageDraw.Draw(picture), size, count=int(rng.integers(4, 14)))
    canvas = np.array(picture, dtype=np.float32)
    if rng.random() < 0.4:
        y, x = np.ogrid[:height, :width]
        turn, period = rng.uniform(0, np.pi), rng.uniform(6, 40)
        wave = np.sin((x * np.cos(turn) + y * np.sin(turn)) * (2 * np.pi / period))
        canvas += (rng.uniform(4, 14) * wave[..., None]).astype(np.float32)
    return canvas


def _clutter(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: tuple[int, int], count: int
) -> None:
    """Lines, dots and strokes like writing: things to see that are no objects."""
    kinds = (_line, _dots, _writing)
    for _ in range(count):
        start = rng.uniform((0, 0), (size[1], size[0]))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        kinds[rng.integers(len(kinds))](rng, draw, start, colour)


def _line(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, start: np.ndarray, colour: tuple[int, ...]
) -> None:
    end = start + rng.normal(0, 120, 2)
    draw.line([*start, *end], fill=colour, width=int(rng.integers(1, 4)))


def _dots(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, start: np.ndarray, colour: tuple[int, ...]
) -> None:
    for x, y in start + rng.normal(0, 25, (int(rng.integers(3, 9)), 2)):
        radius = rng.uniform(1, 3)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)


def _writing(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, start: np.ndarray, colour: tuple[int, ...]
) -> None:
    for letter in range(int(rng.integers(3, 9))):
        corner = start + np.array([letter * 9, 0])
        strokes = corner + rng.uniform(0, (7, 11), (int(rng.integers(3, 6)), 2))
        draw.line([tuple(p) for p in strokes], fill=colour, width=1)


def _finish(rng: np.random.Generator, canvas: np.ndarray, shapes: list[Shape]) -> Scene:
    """Adds grain and a few thin lines across everything, and collects the truth."""
    canvas += rng.integers(-6, 7, canvas.shape, dtype=np.int8)
    picture = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 3))):
        start = rng.uniform((0, 0), (picture.width, picture.height))
        draw.line(
            [*start, *(start + rng.normal(0, 90, 2))], fill=tuple(rng.integers(0, 256, 3).tolist())
        )
    return Scene(
        image=np.array(picture),
        boxes=np.array([shape.box for shape in shapes], dtype=np.float32).reshape(-1, 4),
        labels=np.array([shape.label for shape in shapes], dtype=np.int64),
        shapes=tuple(shapes),
    )
