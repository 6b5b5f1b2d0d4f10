"""A flow as data: things on a board, and where each of them is at each step."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracer.languages import Texts, languages
from tracer.views.kit.palette import SCREEN, ramp

WIDTH, HEIGHT = 640, 360
"""Of the board, in units of its own; y grows downwards."""
SIDE = 300
"""Pixels of a picture's longer side at most."""
TEXT = 15
"""Height of what is written on a board."""

Place = tuple[float, float, float, float]
"""x, y, width and height on the board; of a text its lower left corner, any width, its height."""
Words = Mapping[str, str]

say = Texts("flow")


@dataclass(frozen=True)
class Item:
    """A thing on the board.

    Attributes:
        kind: ``"image"``, ``"box"`` (an outline), ``"fill"``, ``"grid"``, ``"dots"`` or ``"text"``.
        colour: ``"#rrggbb"``, or ``""`` for that of the text around the board.
        text: of a text, by language.
        image: of an image uint8 [h, w] (values, shown in colours) or [h, w, 3].
        cells: of a grid or dots, (rows, columns).
        dashed: whether an outline is.
    """

    kind: str
    colour: str = ""
    text: Words = field(default_factory=dict)
    image: np.ndarray | None = field(default=None, repr=False, compare=False)
    cells: tuple[int, int] = (1, 1)
    dashed: bool = False


@dataclass(frozen=True)
class Frame:
    """A step.

    Attributes:
        said: what happens, by language.
        places: by index of the items those that are on the board, with how well each is seen, 0–1.
    """

    said: Words
    places: Mapping[int, tuple[Place, float]]


@dataclass(frozen=True)
class Flow:
    """A few steps.

    Attributes:
        name: one of `FLOWS`.
        items: what is on the board; later ones lie above.
        steps: in order.
    """

    name: str
    items: tuple[Item, ...]
    steps: tuple[Frame, ...]

    def data(self) -> dict[str, Any]:
        """Return what ``flow.js`` plays, for JSON; a text is a list of it in each language."""
        return {
            "title": say.each(f"name.{self.name}"),
            "size": [WIDTH, HEIGHT],
            "items": [_item(item) for item in self.items],
            "steps": [
                {
                    "said": [step.said[lang] for lang in languages()],
                    "at": {
                        index: [*(round(float(v), 1) for v in place), alpha]
                        for index, (place, alpha) in step.places.items()
                    },
                }
                for step in self.steps
            ],
        }


def _item(item: Item) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": item.kind, "colour": item.colour}
    if item.text:
        found["text"] = [item.text[lang] for lang in languages()]
    if item.image is not None:
        found |= {"image": _packed(item.image), "plain": item.image.ndim == 2}
    if item.cells != (1, 1):
        found["cells"] = list(item.cells)
    return found | ({"dashed": True} if item.dashed else {})


def _packed(image: np.ndarray) -> str:
    """An image as base64: a photo as JPEG, values as PNG in the colours of the page."""
    from PIL import Image

    out = io.BytesIO()
    if image.ndim == 3:
        Image.fromarray(image).save(out, "JPEG", quality=82)
    else:
        Image.fromarray(ramp(SCREEN)[image]).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


class Board:
    """A flow in the making: things are put on it, and each step says where they are.

    What a step does not name stays where it was, unless it is taken away.
    """

    def __init__(self, name: str) -> None:
        """Begin a flow."""
        self.name = name
        self._items: list[Item] = []
        self._frames: list[Frame] = []
        self._places: dict[int, tuple[Place, float]] = {}

    def new(self, kind: str, **look: Any) -> int:
        """Put a thing on the board, and return its number."""
        self._items.append(Item(kind, **look))
        return len(self._items) - 1

    def step(
        self,
        key: str,
        moved: Mapping[int, Place],
        numbers: Mapping[str, object],
        *,
        gone: tuple[int, ...] = (),
        faint: tuple[int, ...] = (),
    ) -> None:
        """Add a step.

        Args:
            key: what is said there, of this flow.
            moved: what comes or goes elsewhere, and where.
            numbers: in what is said.
            gone: what is taken away.
            faint: what is hardly to be seen any more.
        """
        self._places |= {index: (place, 1.0) for index, place in moved.items()}
        self._places |= {index: (self._places[index][0], 0.15) for index in faint}
        for index in gone:
            self._places.pop(index, None)
        self._frames.append(Frame(words(f"{self.name}.{key}", numbers), dict(self._places)))

    def done(self) -> Flow:
        """Return the flow."""
        return Flow(self.name, tuple(self._items), tuple(self._frames))


def words(key: str, values: Mapping[str, object]) -> Words:
    """Return a text in every language; a value may be a text by language itself."""
    return {
        lang: say(
            key, lang, **{n: v[lang] if isinstance(v, Mapping) else v for n, v in values.items()}
        )
        for lang in languages()
    }


def small(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Return a picture, float [h, w, 3] in 0–1, as 8 bits with at most so many pixels a side."""
    from PIL import Image

    image = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    image.thumbnail((side, side))
    return np.asarray(image)


def fit(size: tuple[float, float], place: Place) -> Place:
    """Return where something of a height and a width lies, as large as it can be in a place."""
    x, y, width, height = place
    scale = min(width / size[1], height / size[0])
    across, down = size[1] * scale, size[0] * scale
    return x + (width - across) / 2, y + (height - down) / 2, across, down


def inside(box: np.ndarray, size: tuple[float, float], place: Place) -> Place:
    """Return where a box lies, x1, y1, x2, y2 in pixels of a picture that fills a place."""
    x, y, width, height = place
    x1, y1, x2, y2 = (float(v) for v in box)
    across, down = width / size[1], height / size[0]
    return x + x1 * across, y + y1 * down, (x2 - x1) * across, (y2 - y1) * down
