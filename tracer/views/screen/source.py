"""The source pane: the current line, breakpoints in the margin, and values beside their lines."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tracer.stepper import Stepper, text
from tracer.views.screen.colours import THEME
from tracer.views.screen.panels import word

MARGIN = 8
"""Columns of the margin: breakpoint, line number, the current line's arrow."""

PLAIN = Style(bgcolor=THEME.paper)
CURRENT = Style(bgcolor=THEME.here)
CHOSEN = Style(bgcolor=THEME.panel)
BREAKPOINT = Style(color=THEME.error, bold=True)
ARROW = Style(color=THEME.edge, bold=True)
RAN = Style(color=THEME.ink)
IDLE = Style(color=THEME.bar)
BESIDE = Style(color=THEME.accent, italic=True)


class SourceView(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows the file that the selected call is in."""

    BINDINGS: ClassVar = [
        Binding("up", "choose(-1)", show=False),
        Binding("down", "choose(1)", show=False),
        Binding("pageup", "choose(-10)", show=False),
        Binding("pagedown", "choose(10)", show=False),
    ]

    class Toggled(Message):
        """The user asks for a breakpoint at a line, or for its end."""

        def __init__(self, file: str, line: int) -> None:
            super().__init__()
            self.file = file
            self.line = line

    def __init__(self, stepper: Stepper, **options: Any) -> None:
        super().__init__(**options)
        self.stepper = stepper
        self.file = ""
        self.current = 0
        self.chosen = 0
        self._shown_at: tuple[int, int] | None = None
        self._codes: dict[str, list[Text]] = {}
        self._ran: dict[str, set[int]] = {}
        self._marked: set[int] = set()
        self._beside: dict[int, str] = {}

    def update_position(self) -> None:
        """Show where the stepper stands now."""
        place = self.stepper.place
        self.file = place.file if place is not None else ""
        self.current = place.line if place is not None else 0
        if self._shown_at != (self.stepper.tick, self.stepper.selected):
            self._shown_at = (self.stepper.tick, self.stepper.selected)
            self.chosen = self.current
            self.call_after_refresh(self._follow)
        self._marked = self.stepper.marked_lines(self.file)
        self._beside = self._values_beside()
        code = self._code()
        width = max((line.cell_len for line in code), default=0) + MARGIN + 50
        self.virtual_size = Size(width, len(code))
        self.border_subtitle = Text(text.clean(self._origin(), 60))  # a plain str is read as markup
        self.refresh()

    def _origin(self) -> str:
        source = self.stepper.trace.sources.get(self.file)
        return " · ".join(part for part in (self.file, source.package if source else "") if part)

    def _follow(self) -> None:
        """Put the current line a third from the top, if it has left the middle of the pane."""
        third = max(1, self.scrollable_content_region.height) // 3
        top = self.scroll_offset.y
        if not third // 2 <= self.current - 1 - top <= 2 * third:
            top = max(0, self.current - 1 - third)
        self.scroll_to(self._indent(), top, animate=False)

    def _indent(self) -> int:
        """Return how many columns of indentation to leave out where there is little room."""
        source, lines = self.stepper.call.source, self.stepper.timeline.text(self.file)
        room = self.scrollable_content_region.width - MARGIN
        if room > 60 or source is None or source.file != self.file or source.line > len(lines):
            return 0
        head = lines[source.line - 1]
        return len(head) - len(head.lstrip())

    def _code(self) -> list[Text]:
        """Return the file's lines, highlighted; control characters are spelt out."""
        if self.file not in self._codes:
            lines = self.stepper.timeline.text(self.file)
            plain = "\n".join(text.clean(line.expandtabs(4), 500) for line in lines)
            syntax = Syntax(plain, "python", theme="monokai", background_color="default")
            shown = syntax.highlight(plain) if plain else Text()
            shown.no_wrap = True
            self._codes[self.file] = list(shown.split("\n", allow_blank=True))[: len(lines)]
        return self._codes[self.file]

    def _lines_that_ran(self) -> set[int]:
        if self.file not in self._ran:
            calls = self.stepper.trace.calls
            self._ran[self.file] = {
                line.line
                for line in self.stepper.trace.lines
                if (source := calls[line.call].source) is not None and source.file == self.file
            }
        return self._ran[self.file]

    def _values_beside(self) -> dict[int, str]:
        """Return what the lines of the selected call bound when they last ran, by line."""
        stepper, found = self.stepper, {}
        read = stepper.timeline.reader(stepper.tick)
        lines = stepper.timeline.lines_of.get(stepper.call.id, [])
        known_at = [*(line.tick for line in lines[1:]), stepper.call.end]
        for line, known in zip(lines, known_at, strict=False):
            if known > stepper.tick:
                break
            news = (f"{text.clean(n, 30)} = {text.short(read(v))}" for n, v in line.changed)
            found[line.line] = "  ".join(news)
        return found

    def render_line(self, y: int) -> Strip:
        """Return one line of the pane."""
        left, top = self.scroll_offset
        number, width = top + y + 1, self.scrollable_content_region.width
        code = self._code()
        if number > len(code):
            missing = word("no_source", self.stepper.lang) if not code and y == 0 else ""
            return Strip([Segment(missing, IDLE)]).adjust_cell_length(width)
        body = Strip(self._segments(code[number - 1], number))
        shown = Strip.join([Strip(self._margin(number)), body.crop(left, left + width - MARGIN)])
        ground = self._ground(number)
        return shown.adjust_cell_length(width).apply_style(ground)

    def _ground(self, number: int) -> Style:
        """Return the background of a line."""
        if number == self.current:
            return CURRENT
        return CHOSEN if number == self.chosen and self.has_focus else PLAIN

    def _margin(self, number: int) -> list[Segment]:
        mark = "●" if number in self._marked else " "
        ran = RAN if number in self._lines_that_ran() else IDLE
        arrow = "▶" if number == self.current else " "
        return [
            Segment(mark, BREAKPOINT),
            Segment(f"{number:>5}", ran),
            Segment(f"{arrow} ", ARROW),
        ]

    def _segments(self, line: Text, number: int) -> list[Segment]:
        rendered = (s for s in line.render(self.app.console) if s.text != "\n")
        segments = [Segment(s.text, _without_ground(s.style)) for s in rendered]
        if beside := self._beside.get(number):
            segments.append(Segment(f"   {beside}", BESIDE))
        return segments

    def on_resize(self) -> None:
        """Keep the current line in sight."""
        self.call_after_refresh(self._follow)

    def on_focus(self) -> None:
        """The chosen line becomes visible."""
        self.refresh()

    def on_blur(self) -> None:
        """The chosen line is no longer marked."""
        self.refresh()

    def action_choose(self, step: int) -> None:
        """Choose another line, for a breakpoint."""
        self.chosen = max(1, min(len(self._code()), self.chosen + step))
        self.scroll_to_region(Region(0, self.chosen - 1, 1, 1), animate=False, x_axis=False)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Choose a line; in the margin, toggle its breakpoint."""
        at = event.get_content_offset(self)
        if at is None:
            return
        number = self.scroll_offset.y + at.y + 1
        if number <= len(self._code()):
            self.chosen = number
            self.refresh()
            if at.x < MARGIN:
                self.post_message(self.Toggled(self.file, number))


def _without_ground(style: Style | None) -> Style:
    """Return a style without its background, which the line decides."""
    return Style(color=style.color, bold=style.bold, italic=style.italic) if style else Style()
