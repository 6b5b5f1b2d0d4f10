"""Drawing that keeps up with a hand on a slider: plain pixels, no figure, nothing to be closed.

A picture is a Pillow image of the resized image, so many pixels wide; what is drawn on it is given
in resized pixels. Words stand beside the picture, in HTML; only names are in it: of a level, of a
class.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tracer.rcnn.anatomy import Picture
from tracer.views.explorers.controls import Shown
from tracer.views.kit.fonts import families, file_of, tell, writes
from tracer.views.kit.palette import written_on
from tracer.views.kit.scene import Marks, Overlay, Points, Ruled, places

WIDTH = 720
"""Pixels of a picture."""
TEXT = 15
"""Pixels of the letters in it."""
Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Scene:
    """What is looked at.

    Attributes:
        picture: one image of the batch.
        photo: the picture, as wide as it is drawn.
        lang: of the texts.
    """

    picture: Picture
    photo: Image.Image
    lang: str

    def canvas(self) -> Canvas:
        """Return a copy of the picture to draw on, in resized pixels."""
        return Canvas(self.photo.copy(), self.photo.width / self.picture.resized_size[1])


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

    def marked(self, marks: Marks, width: int = 2) -> None:
        """Outline boxes, the first on top, and write their names where they hide nothing."""
        self.boxes(marks.xyxy[::-1], marks.colours[::-1], width)
        sizes = [_size_of(name) for name in marks.names]
        boxes = (marks.xyxy[: len(sizes)] - [*self.origin, *self.origin]) * self.scale
        spots = places(boxes, sizes, self.image.size)
        for place, name, colour in zip(spots, marks.names, marks.colours, strict=False):
            if place is not None:
                self._name(place, name, colour)

    def cross(self, x: float, y: float) -> None:
        """Mark a point."""
        px, py = self.at(x, y)
        for reach, colour, width in ((9, "#101010", 5), (8, "#ffffff", 2)):
            self._draw.line((px - reach, py, px + reach, py), fill=colour, width=width)
            self._draw.line((px, py - reach, px, py + reach), fill=colour, width=width)

    def points(self, points: Points) -> None:
        """Mark points."""
        pixels, radius = (points.xy - self.origin) * self.scale, points.size * TEXT / 2 - 0.5
        if radius < 0.5:
            self._draw.point(pixels.ravel().tolist(), fill=points.colour)
            return
        for x, y in pixels.tolist():
            around = (x - radius, y - radius, x + radius, y + radius)
            self._draw.ellipse(around, fill=points.colour, outline=points.edge or None)

    def ruled(self, lines: Ruled) -> None:
        """Draw the lines that part a box."""
        (x1, y1, x2, y2), (upright, level) = lines.box, lines.lines
        ends = [(x, y1, x, y2) for x in upright] + [(x1, y, x2, y) for y in level]
        for left, top, right, bottom in ends:
            self._draw.line((*self.at(left, top), *self.at(right, bottom)), fill=lines.colour)

    def overlaid(self, over: Overlay) -> None:
        """Lay a map over the picture, cell by cell."""
        alpha = np.full((*over.values.shape, 1), round(255 * over.alpha), np.uint8)
        cells = Image.fromarray(np.concatenate([over.pixels, alpha], 2))
        # Only the part on the picture is enlarged: the affine map is pixel → cell.
        way = over.cells.affine(self.scale, self.origin)
        shown = cells.transform(
            self.image.size, Image.Transform.AFFINE, way, Image.Resampling.NEAREST
        )
        self.image.paste(shown, mask=shown)

    def tag(self, x: float, y: float, text: str, colour: str) -> None:
        """Write a short name, dark or light on a colour, with its lower left corner at a point."""
        wide, tall = _size_of(text)
        px, py = self.at(x, y)
        px = min(max(px, 0), self.image.width - wide)
        self._name((px, min(max(py, tall), self.image.height) - tall), text, colour)

    def _name(self, place: Point, text: str, colour: str) -> None:
        """Write a name with its upper left corner at a pixel."""
        (x, y), (wide, tall) = place, _size_of(text)
        left, top, *_ = _font(text).getbbox(text)
        self._draw.rectangle((x, y, x + wide, y + tall), fill=colour)
        ink, corner = written_on(colour), (x + 4 - left, y + 3 - top)
        self._draw.text(corner, text, fill=ink, font=_font(text))

    def shown(self, html: str) -> Shown:
        """Return picture and text; colours are not thinned out, so that thin lines stay sharp."""
        file = io.BytesIO()
        self.image.save(file, "JPEG", quality=88, subsampling=0)
        return Shown(html, file.getvalue(), self.image.width)


def photo(picture: Picture, grey: bool = False, width: int = WIDTH) -> Image.Image:
    """Return the resized image, so many pixels wide, in colour or without."""
    pixels = (picture.rgb() * 255).round().astype(np.uint8)
    image = Image.fromarray(pixels)
    if grey:
        image = image.convert("L").convert("RGB")
    height, wide = picture.resized_size
    return image.resize((width, max(1, round(width * height / wide))), Image.Resampling.BILINEAR)


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


def _size_of(text: str) -> Point:
    """Return the width and height in pixels that a name takes."""
    left, top, right, bottom = _font(text).getbbox(text)
    return right - left + 8, bottom - top + 6


@cache
def _font(text: str) -> Any:
    """The first font that has all of a text; Pillow writes it in one."""
    tell(text)
    names = families(text)
    family = next((name for name in names if writes(name, text)), names[-1])
    return ImageFont.truetype(file_of(family, bold=True), TEXT)
