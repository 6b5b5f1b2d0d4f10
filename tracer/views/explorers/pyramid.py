"""The pyramid explorer: a level's channel over the picture, and one point in every level."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tracer.errors import MissingError, option
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, Level, Plane, anatomy
from tracer.rcnn.anatomy.reading import kept_by
from tracer.record import Trace
from tracer.views.explorers import drawing
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Control, Shown, Slider, places
from tracer.views.explorers.explorer import Explorer
from tracer.views.figures.common import focus
from tracer.views.figures.fpn import fig_pyramid
from tracer.views.kit.palette import level_colour
from tracer.views.kit.scene import limits, over

MEAN = -1
"""The channel number that stands for the mean over all."""


@dataclass(frozen=True, eq=False)
class Scene(drawing.Scene):
    """What is looked at, without colour.

    Attributes:
        levels: of the pyramid, finest first.
    """

    levels: tuple[Level, ...]
    _planes: dict[tuple[int, int], Plane | None] = field(default_factory=dict, repr=False)

    def level(self, name: str) -> Level:
        """Return a level by its name."""
        return next(level for level in self.levels if level.name == name)

    def plane(self, level: Level, channel: int) -> Plane | None:
        """Return one channel of a level, None where there is none; the last few stay."""
        if channel >= level.map.shape[1]:
            return None
        key = (level.index, channel)
        if key not in self._planes:
            while len(self._planes) >= 4 * len(self.levels):
                del self._planes[next(iter(self._planes))]
            try:
                self._planes[key] = level.map.channel(channel, self.picture.index)
            except MissingError:
                self._planes[key] = None
        return self._planes[key]


def value_at(plane: Plane, cell: tuple[int, int]) -> float:
    """Return the value of a cell; of a preview, that of the nearest cell it shows."""
    rows, columns = plane.values.shape
    row, column = cell[0] // plane.step, cell[1] // plane.step
    return float(plane.values[min(row, rows - 1), min(column, columns - 1)])


def draw(scene: Scene, level: str, channel: int, blend: float, x: int, y: int) -> Shown:
    """Show a level over the picture, with the point, its cell, and the point in every level."""
    chosen = scene.level(level)
    plane = scene.plane(chosen, channel)
    canvas = scene.canvas()
    if plane is not None:
        canvas.overlaid(over(chosen.map, plane, alpha=blend))
    for each in reversed(scene.levels):
        width = 4 if each is chosen else 2
        canvas.boxes(_square(each, x, y)[None], level_colour(each.name), width)
    canvas.cross(x, y)
    canvas.tag(2, scene.picture.resized_size[0] - 2, level, level_colour(level))
    return canvas.shown(_words(scene, chosen, plane, channel, x, y))


def _square(level: Level, x: float, y: float) -> np.ndarray:
    """The pixels that the point's cell stands for, float32 [4]."""
    lattice = level.map.cells()
    return np.asarray(lattice.box(*lattice.at(x, y)), np.float32)


def _words(
    scene: Scene, level: Level, plane: Plane | None, channel: int, x: float, y: float
) -> str:
    lang, shape, stride = scene.lang, level.map.shape, level.map.stride[0]
    size = f"{shape[1]}×{shape[2]}×{shape[3]}"
    first = told.say("stride", lang, name=level.name, size=size, stride=stride)
    return told.block(
        told.note(first),
        *_missing(scene, level, plane, channel),
        *_range(lang, plane),
        told.note(told.say("point", lang, x=x, y=y)),
        _levels(scene, channel, x, y),
    )


def _range(lang: str, plane: Plane | None) -> list[str]:
    """What the colours stand for: the extremes, half a percent at either end, are left out."""
    if plane is None:
        return []
    low, high = limits(plane.values)
    text = told.say("dark_to_bright", lang, low=low, high=high)
    return [told.note(text, muted=True)]


def _missing(scene: Scene, level: Level, plane: Plane | None, channel: int) -> list[str]:
    """Say where the picture is not made of the values themselves."""
    lang, keep = scene.lang, option(keep=kept_by(level.map.keep))
    if channel >= level.map.shape[1]:
        text = told.say("only_channels", lang, name=level.name, channels=level.map.shape[1])
    elif plane is None:
        text = told.say("channel_missing", lang, channel=channel, name=level.name, option=keep)
    elif not plane.exact:
        text = told.say("from_preview", lang, step=plane.step, option=keep)
    else:
        return []
    return [told.note(text, muted=True)]


def _levels(scene: Scene, channel: int, x: float, y: float) -> str:
    """A row per level: which cell the point is in, and that cell's value."""
    lang = scene.lang
    name = told.say("mean", lang) if channel == MEAN else f"[{channel}]"
    heads = [told.say(key, lang) for key in ("level", "map", "cell")]
    rows = []
    for level in scene.levels:
        plane, cell = scene.plane(level, channel), level.map.cells().at(x, y)
        value = "–" if plane is None else f"{value_at(plane, cell):.3g}"
        if plane is not None and not plane.exact:
            value = f"≈ {value}"
        size = dims(level.map.shape[-2:])
        label = told.swatch(level.name, level_colour(level.name))
        rows.append((label, size, f"{cell[0]}, {cell[1]}", value))
    return told.table([*heads, name], rows, raw=(0,))


def explorer(
    trace: Trace, lang: str, *, image: int = 0, level: str = "", channel: int = MEAN,
    blend: float = 0.6, x: int | None = None, y: int | None = None,
) -> Explorer:  # fmt: skip
    """Return the pyramid explorer, of a detector; the options are `Recording.explore`'s."""
    parts = anatomy(trace)
    scene = scene_of(parts, lang, image)
    names = tuple((each.name, each.name) for each in scene.levels)
    start = level or names[min(2, len(names) - 1)][0]
    controls: tuple[Control, ...] = (
        Choice("level", told.say("level", lang), names, start, buttons=True),
        Slider("channel", told.say("channel_or_mean", lang), MEAN,
               max(each.map.shape[1] for each in scene.levels) - 1, channel),
        Slider("blend", told.say("map_over_picture", lang), 0.0, 1.0, blend, 0.05),
        *places(scene.picture.resized_size, x, y, focus(parts, image)),
    )  # fmt: skip

    still = partial(fig_pyramid, parts, lang=lang, image=image)
    return Explorer("pyramid", lang, controls, partial(draw, scene), lambda values: still())


def scene_of(parts: Anatomy, lang: str, image: int = 0) -> Scene:
    """Prepare an image of a pass."""
    picture = parts.pictures[image]
    return Scene(picture, drawing.photo(picture, grey=True), lang, parts.pyramid.levels)
