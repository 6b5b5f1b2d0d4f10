"""The tensor pane: what is known of the selected tensor, and its small picture in half blocks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.widget import Widget

from tracer.record import Preview
from tracer.stepper import Stepper, text
from tracer.stepper.readable import TensorView, tensors_of
from tracer.views.kit.palette import TERMINAL, ramp
from tracer.views.screen.colours import fitted
from tracer.views.screen.panels import CHANGED, DIM, word


class TensorPane(Widget, can_focus=True):
    """Shows one value; of a tensor its picture, whose channels left and right go through."""

    BINDINGS: ClassVar = [
        Binding("left", "plane(-1)", show=False),
        Binding("right", "plane(1)", show=False),
    ]

    def __init__(self, stepper: Stepper, **options: Any) -> None:
        super().__init__(**options)
        self.stepper = stepper
        self.found: Any = None
        self.tensor: TensorView | None = None
        self.name_shown = ""
        self.plane = 0

    def show(self, name: str, found: Any) -> None:
        """Show another value; the plane stays where both have it."""
        self.name_shown, self.found = name, found
        self.tensor = next(tensors_of(found), None)
        planes = self._planes()
        self.plane = min(self.plane, len(planes) - 1) if planes is not None else 0
        self.refresh()

    def action_plane(self, step: int) -> None:
        """Show another plane of the picture."""
        planes = self._planes()
        if planes is not None:
            self.plane = (self.plane + step) % len(planes)
            self.refresh()

    def _planes(self) -> np.ndarray | None:
        if self.tensor is None or self.tensor.state.preview is None:
            return None
        planes = self.tensor.trace.preview(self.tensor.state.id)
        return planes if planes is not None and planes.size else None

    def render(self) -> Text:
        """Return the pane's text."""
        lang = self.stepper.lang
        if not self.name_shown:
            return Text(word("no_value", lang), style=DIM)
        if self.tensor is None:
            return Text("\n".join(text.tree(self.found, text.clean(self.name_shown, 30))))
        facts = self._facts()
        planes = self._planes()
        if planes is None:
            return Text("\n").join([*facts, Text(word("no_picture", lang), DIM)])
        preview = self.tensor.state.preview
        assert preview is not None
        facts.append(Text(caption(preview, self.plane, lang), DIM))
        return _arranged(facts, planes[self.plane], *self.size)

    def _facts(self) -> list[Text]:
        """Return name, shape and dtype, then the statistics, a line each."""
        assert self.tensor is not None
        first, *rest = text.tensor(self.tensor).split("  ")
        name = text.clean(self.name_shown, 30)
        lines = [Text.assemble((name, CHANGED), f" {first}")]
        return [*lines, Text("  ".join(rest))] if rest else lines


def _arranged(facts: list[Text], plane: np.ndarray, width: int, height: int) -> Text:
    """Put the picture beneath the facts, or beside them where the pane is flat."""
    if width < 6 * height:
        drawn = half_blocks(plane, width, max(1, height - len(facts)))
        return Text("\n").join([*facts, *drawn])
    beside = max(fact.cell_len for fact in facts) + 2
    drawn = half_blocks(plane, max(1, width - beside), height)
    lines = []
    for row in range(max(len(facts), len(drawn))):
        line = facts[row].copy() if row < len(facts) else Text()
        line.pad_right(beside - line.cell_len)
        lines.append(line.append_text(drawn[row]) if row < len(drawn) else line)
    return Text("\n").join(lines)


def caption(preview: Preview, plane: int, lang: str) -> str:
    """Return which channel a plane shows, of which image, and which values its colours mean."""
    channel, (low, high) = preview.channels[plane], preview.ranges[plane]
    name = word("mean", lang) if channel < 0 else f"{word('channel', lang)} {channel}"
    image = f"{word('image', lang)}{preview.image}" if preview.image >= 0 else ""
    values = f"{word('colon', lang)}{low:.3g} … {high:.3g}"
    return f"‹{plane + 1}/{len(preview.channels)}› {name}{image}{values}"


def half_blocks(plane: np.ndarray, width: int, height: int) -> list[Text]:
    """Draw a plane, uint8 [h, w], two pixels to a character; return its lines."""
    pixels = ramp(TERMINAL)[fitted(plane, width, 2 * height)]
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    return [_row(*pair) for pair in zip(pixels[::2], pixels[1::2], strict=True)]


def _row(upper: np.ndarray, lower: np.ndarray) -> Text:
    row = Text()
    for above, below in zip(upper, lower, strict=True):
        row.append("▀", Style(color=_hex(above), bgcolor=_hex(below)))
    return row


def _hex(colour: np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
