"""Drawing that keeps up with a hand on a slider: plain pixels, no figure, nothing to be closed.

A picture is a Pillow image of the resized image, so many pixels wide; what is drawn on it is given
in resized pixels. Words stand beside the picture, in HTML; only names are in it: of a level, of a
class.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tracer.rcnn.anatomy import FeatureMap, Picture, Plane
from tracer.views.figures.sheet import limits
from tracer.views.kit.fonts import families, file_of, tell, writes
from tracer.views.kit.palette import SEQUENTIAL, written_on
from tracer.views.kit.scene import cells

WIDTH = 720
"""Pixels of a picture."""
TEXT = 15
"""Pixels of the letters in it."""
Point = tuple[float, float]
_WARNING = np.asarray((213, 94, 0), np.uint8)


class Canvas:
    """A picture in the making, in a coordinate system of its own.

    Attributes:
        image: the pixels.
        scale: pixels of the image per unit.
        origin: (x, y) of the top left corner, in units.
    """

    def __init__(self, image: Image.Image, scale: float, origin: Point = (0, 0)) -> None:
        """Draw on an image; it is changed."""
        self.image, self.scale, self.origin = image, scale, origin
        self._draw = ImageDraw.Draw(image)

    def at(self, x: float, y: float) -> Point:
        """Return the pixel of a point."""
        return (x - self.origin[0]) * self.scale, (y - self.origin[1]) * self.scale

    def boxes(self, xyxy: np.ndarray, colours: str | Sequence[str], width: int = 2) -> None:
        """Outline boxes [N, 4], with a dark edge so that they are seen on any picture."""
        each = [colours] * len(xyxy) if isinstance(colours, str) else colours
        for (x1, y1, x2, y2), colour in zip(xyxy.tolist(), each, strict=True):
            low, high = self.at(x1, y1), self.at(x2, y2)
            corners = (*low, max(low[0], high[0]), max(low[1], high[1]))
            if width > 1:
                edge = (corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1)
                self._draw.rectangle(edge, outline="#101010", width=width + 2)
            self._draw.rectangle(corners, outline=colour, width=width)

    def cross(self, x: float, y: float) -> None:
        """Mark a point."""
        px, py = self.at(x, y)
        for reach, colour, width in ((9, "#101010", 5), (8, "#ffffff", 2)):
            self._draw.line((px - reach, py, px + reach, py), fill=colour, width=width)
            self._draw.line((px, py - reach, px, py + reach), fill=colour, width=width)

    def dots(self, points: Iterable[Point], colour: str, radius: float = 2.5) -> None:
        """Mark many points; the larger ones with a dark edge."""
        edge = "#101010" if radius > 2 else None
        for x, y in points:
            px, py = self.at(x, y)
            around = (px - radius, py - radius, px + radius, py + radius)
            self._draw.ellipse(around, fill=colour, outline=edge)

    def points(self, points: np.ndarray) -> None:
        """Mark very many points [N, 2], a pixel each."""
        pixels = (points - np.asarray(self.origin)) * self.scale
        self._draw.point(pixels.ravel().tolist(), fill="#ffffff")

    def lines(self, xs: Iterable[float], ys: Iterable[float], box: Sequence[float]) -> None:
        """Draw the lines of a grid within a box x1, y1, x2, y2."""
        x1, y1, x2, y2 = box
        for x in xs:
            self._draw.line((*self.at(x, y1), *self.at(x, y2)), fill="#ffffff", width=1)
        for y in ys:
            self._draw.line((*self.at(x1, y), *self.at(x2, y)), fill="#ffffff", width=1)

    def tag(self, x: float, y: float, text: str, colour: str) -> None:
        """Write a short name, dark or light on a colour, with its lower left corner at a point."""
        font = _font(text)
        left, top, right, bottom = font.getbbox(text)
        wide, tall = right - left + 8, bottom - top + 6
        px, py = self.at(x, y)
        px = min(max(px, 0), self.image.width - wide)
        py = min(max(py, tall), self.image.height)
        self._draw.rectangle((px, py - tall, px + wide, py), fill=colour)
        ink = written_on(colour)
        self._draw.text((px + 4 - left, py - tall + 3 - top), text, fill=ink, font=font)

    def jpeg(self) -> bytes:
        """Return the file; colours are not thinned out, so that thin lines stay sharp."""
        file = io.BytesIO()
        self.image.save(file, "JPEG", quality=88, subsampling=0)
        return file.getvalue()


def photo(picture: Picture, grey: bool = False, width: int = WIDTH) -> Image.Image:
    """Return the resized image, so many pixels wide, in colour or without."""
    pixels = (picture.rgb() * 255).round().astype(np.uint8)
    image = Image.fromarray(pixels)
    if grey:
        image = image.convert("L").convert("RGB")
    height, wide = picture.resized_size
    return image.resize((width, max(1, round(width * height / wide))), Image.Resampling.BILINEAR)


def scale_of(picture: Picture, width: int = WIDTH) -> float:
    """Return how many pixels of a `photo` one resized pixel is."""
    return width / picture.resized_size[1]


def coloured(values: np.ndarray, low: float, high: float) -> Image.Image:
    """Return a map's values [h, w] as colours, a pixel for each cell; NaN in vermilion."""
    span = (high - low) or 1.0
    with np.errstate(invalid="ignore"):
        index = np.clip((values - low) * (255 / span), 0, 255)
    pixels = _colours()[np.nan_to_num(index).astype(np.uint8)]
    if not np.isfinite(values).all():
        pixels = np.where(np.isfinite(values)[..., None], pixels, _WARNING)
    return Image.fromarray(np.ascontiguousarray(pixels))


def heat(plane: Plane, feature: FeatureMap, picture: Picture, width: int = WIDTH) -> Image.Image:
    """Return a plane where it lies on a `photo`, cell by cell, without the padding."""
    image = coloured(plane.values, *limits(plane.values))
    scale = scale_of(picture, width)
    tall = max(1, round(width * picture.resized_size[0] / picture.resized_size[1]))
    # Only the part on the picture is enlarged: the affine map is pixel → cell.
    return image.transform(
        (width, tall),
        Image.Transform.AFFINE,
        cells(feature, plane).affine(scale),
        Image.Resampling.NEAREST,
    )


def beside(images: Sequence[Image.Image], gap: int = 8) -> Image.Image:
    """Return images of one height side by side, on a grey that fits either theme."""
    height = max(image.height for image in images)
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet = Image.new("RGB", (width, height), "#808080")
    x = 0
    for image in images:
        sheet.paste(image, (x, 0))
        x += image.width + gap
    return sheet


@cache
def _colours() -> np.ndarray:
    """The colour map, uint8 [256, 3]."""
    found: np.ndarray = (
        (mpl.colormaps[SEQUENTIAL](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    )
    return found


@cache
def _font(text: str) -> Any:
    """The first font that has all of a text; Pillow writes it in one."""
    tell(text)
    names = families(text)
    family = next((name for name in names if writes(name, text)), names[-1])
    return ImageFont.truetype(file_of(family, bold=True), TEXT)
