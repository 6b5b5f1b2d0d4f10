"""The step debugger on a full terminal screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Container, VerticalScroll
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static, Tree

from tracer.errors import TracerError, option
from tracer.stepper import Stepper, text
from tracer.stepper.help import groups
from tracer.stepper.help import texts as help_texts
from tracer.views.kit.palette import stage_colour
from tracer.views.screen.colours import THEME
from tracer.views.screen.lessons import Lessons
from tracer.views.screen.panels import (
    CHANGED,
    DIM,
    NAME,
    CallTree,
    Commentary,
    LocalsTable,
    Prose,
    StackList,
    word,
)
from tracer.views.screen.picture import TensorPane
from tracer.views.screen.source import SourceView
from tracer.views.screen.timeline import TimelineBar

PANES: tuple[type[Any], ...] = (
    *(SourceView, CallTree, LocalsTable, StackList, Commentary, TimelineBar),
)
"""The parts that follow the stepper."""

LEAST = (80, 24)
"""The smallest terminal, in characters."""

WIDTHS = [(0, "-tiny"), (LEAST[0], "-narrow"), (120, "-wide"), (150, "-broad")]
HEIGHTS = [(0, "-flat"), (LEAST[1], "-low"), (36, "-high")]
"""The arrangements of `screen.tcss`, from which size in characters on."""

OUTPUT = 6
"""Lines of an answer that fit beneath the timeline."""

LOWER = ("text", "tensor", "stack", "tree")
"""What the lower part of a small screen shows, one at a time."""

LOOKED_AT = {
    "picture": "tensor",
    "tensor": "tensor",
    "commentary": "text",
    "source": "source",
    "values": "locals",
    "calls": "tree",
}
"""By a tour's panel, the part that shows it here."""

MOVES = (
    ("s", "s"),
    ("S", "rs"),
    ("n,right,space", "n"),
    ("N,left", "rn"),
    ("r,o", "r"),
    ("R,O", "rr"),
    ("c", "c"),
    ("C", "rc"),
    ("t", "until"),
    ("right_square_bracket", "]"),
    ("left_square_bracket", "["),
    ("home", "first"),
    ("end", "last"),
    ("u", "u"),
    ("d", "d"),
)
"""The commands that have a key."""


class StepperApp(App[None]):
    """Source, call tree, locals, stack, timeline, tensor and command line around one stepper."""

    CSS_PATH = "screen.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDINGS: ClassVar = [
        *(Binding(keys, f"do({command!r})", show=False) for keys, command in MOVES),
        Binding("b", "breakpoint", show=False),
        Binding("comma", "plane(-1)", show=False),
        Binding("full_stop", "plane(1)", show=False),
        Binding("v", "lower", show=False),
        Binding("plus,equals_sign", "tour('on')", show=False),
        Binding("minus", "tour('back')", show=False),
        Binding("g", "guess", show=False),
        Binding("slash", "type('find ')", show=False),
        Binding("colon", "type('')", show=False),
        Binding("question_mark", "keys", show=False),
        Binding("escape", "keys_again", show=False),
        Binding("q,ctrl+c", "quit", show=False),
    ]

    def __init__(self, stepper: Stepper) -> None:
        """Show a stepper, from where it stands."""
        super().__init__()
        self.title = "tracer step"
        self.stepper = stepper
        stepper.lessons = self.lessons = Lessons(stepper.trace)
        self._lower = LOWER[0]
        self._typed: list[str] = []
        self._recalled = 0

    # --- the parts ---

    def compose(self) -> ComposeResult:
        """Make the parts of the screen."""
        stepper, lang = self.stepper, self.stepper.lang
        yield Static(markup=False, id="title")
        with Container(id="body"):
            for key, pane in (
                ("source", SourceView(stepper, id="source")),
                ("locals", LocalsTable(stepper, id="locals")),
                ("tensor", TensorPane(stepper, id="tensor")),
                ("text", Commentary(stepper, id="text")),
                ("stack", StackList(stepper, id="stack")),
                ("tree", CallTree(stepper, id="tree")),
            ):
                pane.border_title = word(key, lang)
                yield pane
        yield TimelineBar(stepper, id="timeline")
        yield Static(markup=False, id="output")
        yield Input(
            placeholder=word("hint", lang), compact=True, select_on_focus=False, id="command"
        )
        yield Static(markup=False, id="small")

    def on_mount(self) -> None:
        """Begin with the keys at work, not the command line."""
        self.query_one("#body").add_class(f"-{self._lower}")
        self.query_one(SourceView).focus()
        self.call_after_refresh(self.update_position)

    def update_position(self) -> None:
        """Show everywhere where the stepper stands now."""
        self.query_one("#title", Static).update(title(self.stepper))
        for pane in PANES:
            self.query_one(pane).update_position()
        self._show_tensor()

    def _show_tensor(self) -> None:
        row = self.query_one(LocalsTable).selected
        self.query_one(TensorPane).show(row.name if row else "", row.found if row else None)

    def on_resize(self, event: events.Resize) -> None:
        """Say so where the terminal is too small."""
        self.query_one("#small", Static).update(too_small(event.size, self.stepper.lang))

    # --- commands ---

    def carry_out(self, command: str) -> None:
        """Carry out a command and show what it says."""
        try:
            reply = self.stepper.do(command)
        except TracerError as error:
            self._say(Text(f"*** {error}", style=THEME.error))
            self.update_position()
            return
        if reply.quit:
            self.exit()
            return
        if command.startswith("tour"):
            self._look()
        self._say(Text("\n".join(reply.notes)))
        self.update_position()

    def _say(self, shown: Text) -> None:
        """Show an answer beneath the timeline; a long one over the screen."""
        output = self.query_one("#output", Static)
        if shown.plain.count("\n") >= OUTPUT:
            self.push_screen(TextScreen(shown))
            shown = Text()
        output.update(shown)

    def action_do(self, command: str) -> None:
        """Carry out the command of a key."""
        self.carry_out(command)

    def action_breakpoint(self) -> None:
        """Set or remove the breakpoint of the chosen line."""
        source = self.query_one(SourceView)
        if source.file and source.chosen:
            self._toggle(source.file, source.chosen)

    @on(SourceView.Toggled)
    def toggle_line(self, event: SourceView.Toggled) -> None:
        """Set or remove the breakpoint of a line that was clicked."""
        self._toggle(event.file, event.line)

    def _toggle(self, file: str, line: int) -> None:
        here = [
            b.number
            for b in self.stepper.breakpoints.values()
            if (b.location.kind, b.location.line) == ("line", line)
            and f"/{file}".endswith(f"/{b.location.name}")
        ]
        self.carry_out(f"cl {here[0]}" if here else f"b {file}:{line}")

    @on(TimelineBar.Scrubbed)
    def scrub(self, event: TimelineBar.Scrubbed) -> None:
        """Go to a moment that was pointed at."""
        if event.tick != self.stepper.tick:
            self.carry_out(f"goto {event.tick}")

    @on(Tree.NodeSelected, "#tree")
    def go_to_call(self, event: Tree.NodeSelected[int]) -> None:
        """Go to a call that was chosen in the tree."""
        if event.node.data is not None:
            self.carry_out(f"goto {self.stepper.trace.calls[event.node.data].start}")

    @on(OptionList.OptionSelected, "#stack")
    def look_at(self, event: OptionList.OptionSelected) -> None:
        """Look at a stack entry that was chosen."""
        self.query_one(StackList).look_at(event.option_index)
        self.update_position()

    @on(LocalsTable.RowHighlighted)
    def look_at_local(self) -> None:
        """Show the tensor of the local under the cursor."""
        self._show_tensor()

    def action_plane(self, step: int) -> None:
        """Show another channel of the picture."""
        self.query_one(TensorPane).action_plane(step)

    def action_lower(self) -> None:
        """On a small screen, show the next of the lower parts."""
        self._show_lower(LOWER[(LOWER.index(self._lower) + 1) % len(LOWER)])
        self.call_after_refresh(self.update_position)

    def _show_lower(self, part: str) -> None:
        body = self.query_one("#body")
        body.remove_class(f"-{self._lower}")
        self._lower = part
        body.add_class(f"-{self._lower}")

    # --- lessons ---

    def action_tour(self, way: str) -> None:
        """Begin the tour, or go to its next or previous stop."""
        self.carry_out("tour" if self.lessons.stop is None else f"tour {way}")

    def _look(self) -> None:
        """Show what a tour says, and mark the part that it looks at."""
        self._show_lower("text")
        seen = LOOKED_AT.get(self.lessons.panel)
        for pane in self.query("#body > *"):
            pane.set_class(pane.id == seen, "-looked-at")

    def action_guess(self) -> None:
        """Ask a question over the screen; a letter answers it."""
        try:
            asked = self.lessons.ask(self.stepper.lang)
        except TracerError as error:
            self._say(Text(f"*** {error}", style=THEME.error))
            return
        self.push_screen(GuessScreen(Text(asked), self.lessons, self.stepper))

    def action_keys(self) -> None:
        """Show the help."""
        self.push_screen(TextScreen(Text("\n").join(help_lines(self.stepper.lang))))

    # --- the command line ---

    def action_type(self, begin: str) -> None:
        """Go to the command line."""
        line = self.query_one("#command", Input)
        line.value = begin
        line.focus()
        line.cursor_position = len(begin)

    def action_keys_again(self) -> None:
        """Leave the command line: letters are keys again."""
        self.query_one("#command", Input).value = ""
        self.query_one(SourceView).focus()

    @on(Input.Submitted, "#command")
    def submit(self, event: Input.Submitted) -> None:
        """Carry out what was typed."""
        if event.value.strip():
            self._typed.append(event.value)
        self._recalled = len(self._typed)
        self.action_keys_again()
        self.carry_out(event.value)

    def on_key(self, event: events.Key) -> None:
        """Recall what was typed before, with up and down in the command line."""
        line = self.query_one("#command", Input)
        if self.focused is not line or event.key not in ("up", "down"):
            return
        step = -1 if event.key == "up" else 1
        self._recalled = max(0, min(len(self._typed), self._recalled + step))
        line.value = self._typed[self._recalled] if self._recalled < len(self._typed) else ""
        line.cursor_position = len(line.value)
        event.stop()


def title(stepper: Stepper) -> Text:
    """Return the line above: what is stepped through, and where one is in it."""
    trace, position = stepper.trace, stepper.position
    shown = Text(no_wrap=True, overflow="ellipsis")
    shown.append(text.clean(f" {trace.kind} of {trace.subject} ", 60), CHANGED)
    if position.call.stage:
        colour = stage_colour(position.call.stage, "dark")
        shown.append(f" ■ {text.clean(position.call.stage, 20)}", colour)
    lang = stepper.lang
    last = stepper.timeline.ticks[-1]
    shown.append(f"  {word('step', lang)} {stepper.tick}{word('of', lang)}{last} ", DIM)
    event = {"start": "--Call--", "end": "--Return--", "line": ""}[position.kind]
    event = "--Exception--" if position.kind == "end" and position.call.error else event
    shown.append(f" {event} " if event else " ", CHANGED)
    shown.append(text.call_name(stepper.call), NAME)
    if position.kind == "end" and position.call.error:
        shown.append(f" {text.clean(position.call.error)}", THEME.error)
    return shown


def too_small(size: Size, lang: str) -> str:
    """Return the sentence for a terminal that is too small."""
    least = {"least_width": LEAST[0], "least_height": LEAST[1]}
    plain = option(plain=True)
    return word("small", lang, width=size.width, height=size.height, plain=plain, **least)


class TextScreen(ModalScreen[None]):
    """A longer text over the screen: any key closes it, but for those that scroll what is long."""

    def __init__(self, shown: Text) -> None:
        """Show a text."""
        super().__init__()
        self.shown = shown

    def compose(self) -> ComposeResult:
        """Make the box and the text in it."""
        with VerticalScroll(id="box", can_focus=False):
            yield Static(Prose(self.shown), markup=False)

    def on_key(self, event: events.Key) -> None:
        """Scroll, where there is more to see, or go back."""
        box = self.query_one("#box")
        moves = {
            "up": box.scroll_up,
            "down": box.scroll_down,
            "pageup": box.scroll_page_up,
            "pagedown": box.scroll_page_down,
        }
        (moves.get(event.key, self.dismiss) if box.max_scroll_y else self.dismiss)()
        event.stop()

    def on_click(self) -> None:
        """Go back."""
        self.dismiss()


class GuessScreen(TextScreen):
    """A question over the screen: a letter answers it, after that any key closes it."""

    def __init__(self, shown: Text, lessons: Lessons, stepper: Stepper) -> None:
        """Show a question."""
        super().__init__(shown)
        self.lessons, self.stepper = lessons, stepper

    def on_key(self, event: events.Key) -> None:
        """Judge an answer; any other key is left to the text."""
        guess = self.lessons.open
        if guess is None or guess.chosen(event.key, self.stepper.lang) is None:
            return
        told = Text(self.lessons.answer(event.key, self.stepper))
        self.query_one(Static).update(Prose(Text("\n\n").join([self.shown, told])))
        event.prevent_default()
        event.stop()


def help_lines(lang: str) -> Iterator[Text]:
    """Yield the help, line by line."""
    yield Text.assemble((word("keys", lang), CHANGED), (f"  ({word('close', lang)})", DIM))
    for keys, what in word.table("of_keys", lang).items():
        yield Text.assemble((f"  {keys:<10}", NAME), what)
    yield Text(word("mouse", lang), CHANGED)
    for what in word.table("of_mouse", lang).values():
        yield Text(f"  {what}")
    yield Text(word("commands", lang), CHANGED)
    for commands in groups(lang).values():
        for usage, what in commands.items():
            yield Text.assemble((f"  {usage}  ", NAME), what)
    yield Text(help_texts("conditions", lang), DIM)
