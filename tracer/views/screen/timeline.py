"""The timeline: the stages of the run side by side, to see where one is and to go elsewhere."""

from __future__ import annotations

from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tracer.stepper import Stepper, text
from tracer.views.kit.palette import stage_colour, written_on
from tracer.views.screen.colours import THEME

CURSOR = Style(color=THEME.edge, bold=True)
STOP = Style(color=THEME.error)
REST = Style(color=THEME.bar)


class TimelineBar(Widget):
    """Two rows: the stages, and beneath them the cursor and the breakpoints."""

    class Scrubbed(Message):
        """The user points at a moment."""

        def __init__(self, tick: int) -> None:
            super().__init__()
            self.tick = tick

    def __init__(self, stepper: Stepper, **options: Any) -> None:
        super().__init__(**options)
        self.stepper = stepper
        self._dragging = False

    def update_position(self) -> None:
        """Show where the stepper stands now."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one of the two rows."""
        width = self.size.width
        if width < 1 or y > 1:
            return Strip.blank(max(0, width))
        segments = self._stage_row(width) if y == 0 else self._cursor_row(width)
        return Strip(segments).adjust_cell_length(width)

    def column(self, tick: int, width: int) -> int:
        """Return the column of a tick."""
        return min(width - 1, tick * width // (self.stepper.timeline.ticks[-1] + 1))

    def tick_at(self, column: int, width: int) -> int:
        """Return the first position in a column."""
        timeline = self.stepper.timeline
        wanted = max(0, column) * (timeline.ticks[-1] + 1) // max(1, width)
        index = timeline.index(wanted)
        later = timeline.ticks[index] < wanted and index + 1 < len(timeline.ticks)
        return timeline.ticks[index + 1 if later else index]

    def _stage_row(self, width: int) -> list[Segment]:
        """Return the stages as coloured stretches with their names where there is room."""
        names = [self._stage_of(column, width) for column in range(width)]
        segments, start = [], 0
        for end in range(1, width + 1):
            if end == width or names[end] != names[start]:
                segments.append(self._stretch(names[start], end - start))
                start = end
        return segments

    def _stage_of(self, column: int, width: int) -> str:
        tick = self.tick_at(column, width)
        return self.stepper.timeline.at(tick).call.stage

    def _stretch(self, name: str, width: int) -> Segment:
        label = text.clean(name, 30)
        shown = f" {label}" if len(label) + 2 <= width else ""
        colour = stage_colour(name, "dark")
        return Segment(
            shown.ljust(width), Style(color=written_on(colour), bgcolor=colour, bold=True)
        )

    def _cursor_row(self, width: int) -> list[Segment]:
        marks = {self.column(t, width): ("●", STOP) for t in self._stops()}
        marks[self.column(self.stepper.tick, width)] = ("▲", CURSOR)
        return [Segment(*marks.get(column, ("─", REST))) for column in range(width)]

    def _stops(self) -> list[int]:
        return [t for b in self.stepper.breakpoints.values() for t in b.stops()]

    # --- mouse ---

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Go there, and follow the mouse."""
        self._dragging = True
        self.capture_mouse()
        self._point(event.x)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Follow the mouse while its button is down."""
        if self._dragging:
            self._point(event.x)

    def on_mouse_up(self) -> None:
        """Stop following."""
        self._dragging = False
        self.release_mouse()

    def _point(self, column: int) -> None:
        width = self.size.width
        self.post_message(self.Scrubbed(self.tick_at(min(column, width - 1), width)))
