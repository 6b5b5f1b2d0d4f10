"""The RoIAlign explorer: a box on its level's map, its bins and sampling points, the pooled map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tracer.errors import MissingError, option
from tracer.rcnn.anatomy import Anatomy, Grid, Level, Pooling, anatomy, lay_grid
from tracer.rcnn.anatomy.geometry import FIRST
from tracer.rcnn.anatomy.reading import kept_by
from tracer.record import Trace
from tracer.views.explorers import drawing
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Shown, Slider
from tracer.views.explorers.explorer import Explorer
from tracer.views.figures.roi import choose_box, fig_roi_align
from tracer.views.kit.palette import level_colour
from tracer.views.kit.scene import Points, alone, bins, limits

HEIGHT = 330
"""Pixels of each of the three panels."""
MARGIN = 2
"""Cells around the box that are shown too."""
LOOKS: tuple[tuple[int, float, str, str], ...] = (
    (400, 0.46, "#F0E442", "#101010"),
    (1501, 0.26, "#F0E442", ""),
)
"""Of fewer sampling points than so many: size, colour, edge. Still more are single pixels."""


@dataclass(frozen=True, eq=False)
class Scene(drawing.Scene):
    """What is looked at.

    Attributes:
        pooling: the recorded RoIAlign of the box head.
    """

    pooling: Pooling
    _maps: dict[int, np.ndarray | None] = field(default_factory=dict, repr=False)

    def maps(self, level: Level) -> np.ndarray | None:
        """Return a level's values [C, H, W] of this image, None where they were not kept."""
        if level.index not in self._maps:
            try:
                self._maps[level.index] = level.map.data()[self.picture.index]
            except MissingError:
                self._maps[level.index] = None
        return self._maps[level.index]


def grid_of(scene: Scene, box: int, sampling_ratio: int, output_size: int) -> Grid:
    """Lay another grid over a recorded box's map."""
    pooling, image = scene.pooling, scene.picture.index
    place = int(pooling.assigned[image][box])
    size = pooling.levels[place].map.shape[-2:]
    bins = (output_size, output_size)
    return lay_grid(
        pooling.boxes[image].xyxy[box], pooling.scales[place], bins, sampling_ratio, size
    )


def draw(scene: Scene, box: int, sampling_ratio: int, output_size: int, channel: int) -> Shown:
    """Show the box on the picture, its grid on the map, and the pooled map."""
    level = scene.pooling.level_of(box, scene.picture.index)
    grid = grid_of(scene, box, sampling_ratio, output_size)
    maps = scene.maps(level)
    values = None if maps is None else maps[channel : channel + 1]
    pooled = None if values is None else grid.pool(values)[0]
    whole = _whole(scene, box, level)
    crop, (low, high) = _crop(scene, grid, level, values)
    panels = [whole, crop]
    if pooled is not None:
        panels.append(_enlarged(pooled, low, high))
    words = _words(scene, box, level, grid, channel, pooled)
    return drawing.Canvas(drawing.beside(panels), 1).shown(words)


def _whole(scene: Scene, box: int, level: Level) -> Image.Image:
    canvas = scene.canvas()
    xyxy = scene.pooling.boxes[scene.picture.index].xyxy[box]
    canvas.boxes(xyxy[None], level_colour(level.name), 3)
    canvas.tag(float(xyxy[0]), float(xyxy[1]), level.name, level_colour(level.name))
    return canvas.image


def _crop(
    scene: Scene, grid: Grid, level: Level, values: np.ndarray | None
) -> tuple[Image.Image, tuple[float, float]]:
    """The map around the box, or the picture where the map was not kept, with the grid on it."""
    rows, columns = level.map.shape[-2:]
    x1, y1, x2, y2 = grid.roi.tolist()
    left, top = (max(int(np.floor(v)) - MARGIN, 0) for v in (x1, y1))
    right, bottom = (
        min(int(np.ceil(v)) + MARGIN + 1, most) for v, most in ((x2, columns), (y2, rows))
    )
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    scale = min(HEIGHT / (bottom - top), 1.5 * HEIGHT / (right - left))
    size = int((right - left) * scale), int((bottom - top) * scale)
    part = _picture_part(scene, level, (left, top, right, bottom))
    image = part.resize(size, Image.Resampling.NEAREST)
    canvas = drawing.Canvas(image, scale, (left + FIRST, top + FIRST))
    span = (0.0, 1.0)
    if values is not None:
        span = limits(values[0, top:bottom, left:right])
        canvas.overlaid(alone(values[0], span))
    _grid_lines(canvas, grid, level)
    return image, span


def _picture_part(scene: Scene, level: Level, part: tuple[int, int, int, int]) -> Image.Image:
    scale = scene.photo.width / scene.picture.resized_size[1]
    left, top, right, bottom = part
    pixels = level.map.cells().box(top, left, bottom - top, right - left)
    x1, y1, x2, y2 = (round(pixel * scale) for pixel in pixels)
    return scene.photo.crop((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)))


def _grid_lines(canvas: drawing.Canvas, grid: Grid, level: Level) -> None:
    """The bins, then the box, then the sampling points."""
    canvas.ruled(bins(grid))
    canvas.boxes(np.asarray([bins(grid).box], np.float32), level_colour(level.name), 3)
    points = grid.samples.reshape(-1, 2)
    looks = (
        Points(points, ink, size, edge) for most, size, ink, edge in LOOKS if len(points) < most
    )
    canvas.points(next(looks, Points(points, size=0.06)))


def _enlarged(pooled: np.ndarray, low: float, high: float) -> Image.Image:
    image = Image.fromarray(alone(pooled, (low, high)).pixels)
    return image.resize((HEIGHT, HEIGHT), Image.Resampling.NEAREST)


# --- words ----------------------------------------------------------------------------------------


def _words(
    scene: Scene, box: int, level: Level, grid: Grid, channel: int, pooled: np.ndarray | None
) -> str:
    lang, pooling, image = scene.lang, scene.pooling, scene.picture.index
    exact, side = pooling.exact_level(image)[box], pooling.sides(image)[box]
    points = grid.samples.shape[2]
    lines = [
        told.say("assignment", lang, side=float(side), exact=float(exact), name=level.name),
        told.say(
            "in_cells",
            lang,
            box=", ".join(f"{value:.2f}" for value in grid.roi.tolist()),
            rows=grid.bins[0],
            columns=grid.bins[1],
            width=grid.bin_size[1],
            height=grid.bin_size[0],
        ),
        told.say("sampling", lang, points=points, total=points * grid.bins[0] * grid.bins[1]),
        _result(scene, level, channel, pooled),
    ]
    return told.block(*(told.note(line) for line in lines))


def _result(scene: Scene, level: Level, channel: int, pooled: np.ndarray | None) -> str:
    lang = scene.lang
    if pooled is None:
        keep = option(keep=kept_by(level.map.keep))
        return told.say("values_missing", lang, name=level.name, option=keep)
    low, high = float(np.nanmin(pooled)), float(np.nanmax(pooled))
    return told.say("pooled", lang, channel=channel, name=level.name, low=low, high=high)


def explorer(
    trace: Trace, lang: str, *, image: int = 0, box: int | None = None,
    sampling_ratio: int | None = None, output_size: int | None = None, channel: int | None = None,
) -> Explorer:  # fmt: skip
    """Return the RoIAlign explorer; the options are `Recording.explore`'s."""
    parts = anatomy(trace)
    scene = scene_of(parts, lang, image)
    pooling = scene.pooling
    count = len(pooling.boxes[image])
    if count == 0:
        raise MissingError(f"image {image} has no boxes to be pooled")
    start = _start(parts, image) if box is None else box
    ratio = pooling.sampling_ratio if sampling_ratio is None else sampling_ratio
    size = pooling.output_size[0] if output_size is None else output_size
    first = _lively(scene, start) if channel is None else channel
    channels = pooling.levels[0].map.shape[1]
    controls = (
        Slider("box", told.say("box", lang), 0, count - 1, start),
        Slider("sampling_ratio", "sampling_ratio", 0, 8, max(ratio, 0)),
        Slider("output_size", "output_size", 1, 28, size),
        Slider("channel", told.say("channel", lang), 0, channels - 1, first),
    )

    def still(values: Mapping[str, Any]) -> Figure | Shown:
        try:
            return fig_roi_align(parts, lang=lang, image=image, box=values["box"])
        except MissingError:  # the map that the box is pooled from was not kept
            return draw(scene, **values)

    return Explorer("roi_align", lang, controls, partial(draw, scene), still)


def _start(parts: Anatomy, image: int) -> int:
    """The box behind a good detection; the first one where no map was kept."""
    try:
        return choose_box(parts, image)
    except MissingError:
        return 0


def scene_of(parts: Anatomy, lang: str, image: int = 0) -> Scene:
    """Prepare an image of a pass."""
    picture = parts.pictures[image]
    height, width = picture.resized_size
    photo = drawing.photo(picture, width=max(1, round(HEIGHT * width / height)))
    return Scene(picture, photo, lang, parts.roi_heads.box)


def _lively(scene: Scene, box: int) -> int:
    """The channel that varies most within a box; 0 where the values were not kept."""
    level = scene.pooling.level_of(box, scene.picture.index)
    maps = scene.maps(level)
    if maps is None:
        return 0
    pooled = scene.pooling.grid(box, scene.picture.index).pool(maps)
    return int(np.nan_to_num(pooled).std(axis=(1, 2)).argmax())
