"""The panes around the source: locals, stack, call tree, commentary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.style import Style
from rich.text import Text
from textual.widgets import DataTable, OptionList, Static, Tree
from textual.widgets.option_list import Option
from textual.widgets.tree import TreeNode

from tracer.languages import Texts
from tracer.numbers import dims
from tracer.record import Call, Value
from tracer.stepper import Stepper, text
from tracer.stepper.readable import Reader, TensorView, TreeView, tensors_of
from tracer.views.kit.lines import broken
from tracer.views.kit.palette import stage_colour
from tracer.views.screen.colours import THEME
from tracer.views.screen.lessons import Lessons

word = Texts("screen")

CHANGED = Style(color=THEME.fresh, bold=True)
NAME = Style(color=THEME.accent)
DIM = Style(color=THEME.muted)
ERROR = Style(color=THEME.error, bold=True)

ROWS = 60
"""How many rows of locals are shown."""


@dataclass(frozen=True)
class Row:
    """A row of the locals pane.

    Attributes:
        name: of the local, or of a part of it.
        depth: 0 for a local, 1 for a part.
        found: what it is, as an expression sees it.
        changed: whether it is new at this position.
    """

    name: str
    depth: int
    found: Any
    changed: bool

    @property
    def tensor(self) -> TensorView | None:
        """The first tensor in it."""
        return next(tensors_of(self.found), None)


def rows(stepper: Stepper) -> Iterator[Row]:
    """Yield what the selected call has: at its end the result first, then its locals."""
    read = stepper.timeline.reader(stepper.tick)
    position, call = stepper.position, stepper.call
    new = stepper.timeline.changed(position) if position.call is call else {}
    if position.kind == "end" and position.call is call and call.result is not None:
        yield from _with_parts("return", call.result, read, True)
    for name, value in stepper.locals.items():
        yield from _with_parts(name, value, read, name in new)


def _with_parts(name: str, value: Value, read: Reader, changed: bool) -> Iterator[Row]:
    found = read(value)
    yield Row(name, 0, found, changed)
    has_tensors = isinstance(found, TreeView) and next(found.tensors(), None) is not None
    if has_tensors and value.kind in ("sequence", "mapping", "object"):
        for key, item in value.items[:12]:
            yield Row(key, 1, read(item), changed)


class LocalsTable(DataTable[Text]):
    """Names and values; what just changed is marked."""

    def __init__(self, stepper: Stepper, **options: Any) -> None:
        super().__init__(cursor_type="row", show_header=False, cell_padding=0, **options)
        self.stepper = stepper
        self.rows_shown: list[Row] = []

    def on_mount(self) -> None:
        """Make the columns."""
        self.add_column("name", key="name")
        self.add_column("value", key="value")

    def update_position(self) -> None:
        """Show the locals of the selected call; stay on the same name where it is still there."""
        wanted = self._selected_name()
        self.rows_shown = [row for row, _ in zip(rows(self.stepper), range(ROWS), strict=False)]
        self.clear()
        for row in self.rows_shown:
            self.add_row(_name_cell(row, self.size.width // 3), _value_cell(row.found))
        self.move_cursor(row=self._row_to_select(wanted), animate=False)

    def _selected_name(self) -> str:
        row = self.selected
        return row.name if row is not None else ""

    def _row_to_select(self, wanted: str) -> int:
        """Return the row of a changed tensor, else of the name that was selected before."""
        tests: tuple[Callable[[Row], bool], ...] = (
            lambda row: row.changed and row.tensor is not None,
            lambda row: row.name == wanted,
            lambda row: row.changed,
            lambda row: row.tensor is not None,
        )
        for test in tests:
            for index, row in enumerate(self.rows_shown):
                if test(row):
                    return index
        return 0

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        inside = 0 <= self.cursor_row < len(self.rows_shown)
        return self.rows_shown[self.cursor_row] if inside else None


def _name_cell(row: Row, room: int) -> Text:
    mark = "● " if row.changed and not row.depth else "  "
    style = CHANGED if row.changed else NAME
    return Text(
        mark + "  " * row.depth + text.clean(row.name, max(8, room)) + " ",
        style=style,
        no_wrap=True,
    )


def _value_cell(found: Any) -> Text:
    """Shape and range of a tensor, a few words for anything else."""
    if not isinstance(found, TensorView):
        has_parts = next(tensors_of(found), None) is not None
        return Text(text.short(found) if has_parts else text.value(found, 80), no_wrap=True)
    summary = found.state.summary
    cell = Text(dims(summary.shape), no_wrap=True)
    if summary.min is not None:
        cell.append(f" {text.number(summary.min)} … {text.number(summary.max)}", DIM)
    if summary.nan:
        cell.append(f" NaN×{summary.nan}", ERROR)
    if summary.inf:
        cell.append(f" Inf×{summary.inf}", ERROR)
    if summary.dtype != "float32":
        cell.append(f" {text.clean(summary.dtype, 20)}", DIM)
    return cell


class StackList(OptionList):
    """The calls that are running, the outermost first."""

    def __init__(self, stepper: Stepper, **options: Any) -> None:
        super().__init__(markup=False, compact=True, **options)
        self.stepper = stepper

    def update_position(self) -> None:
        """Show the stack of the present position."""
        stack = self.stepper.stack
        self.clear_options()
        self.add_options([Option(self._entry(call)) for call in reversed(stack)])
        self.highlighted = len(stack) - 1 - self.stepper.selected

    def _entry(self, call: Call) -> Text:
        place = self.stepper.timeline.place(call, self.stepper.tick)
        entry = Text.assemble((text.clean(call.label, 60), NAME))
        if place is not None:
            entry.append(f"  {text.clean(place.file.rsplit('/', 1)[-1], 40)}:{place.line}", DIM)
        return entry

    def look_at(self, index: int) -> None:
        """Look at the entry with this index in the list."""
        self.stepper.selected = len(self.stepper.stack) - 1 - index


class CallTree(Tree[int]):
    """Modules and functions in the order of their calls, marked by stage; ops are left out."""

    def __init__(self, stepper: Stepper, **options: Any) -> None:
        super().__init__("", **options)
        self.stepper = stepper
        self.show_root = False
        self.auto_expand = False
        self.guide_depth = 2
        self._of_call: dict[int, TreeNode[int]] = {}
        self._filled: set[int] = set()

    def on_mount(self) -> None:
        """Show the outermost calls."""
        for call in self.stepper.trace.calls:
            if call.parent is None and call.kind != "op":
                self._add(self.root, call)
        self.root.expand()

    def update_position(self) -> None:
        """Open the branch of the selected call and mark it."""
        chain = [call for call in reversed(self.stepper.stack) if call.kind != "op"]
        for call in chain:
            self._fill(self._of_call[call.id])
            self._of_call[call.id].expand()
        if chain and chain[-1].id in self._of_call:
            node = self._of_call[chain[-1].id]
            self.call_after_refresh(self.move_cursor, node)

    def _fill(self, node: TreeNode[int]) -> None:
        """Add the calls beneath a node, once."""
        if node.data is None or node.data in self._filled:
            return
        self._filled.add(node.data)
        for call in self._children(node.data):
            self._add(node, call)

    def _children(self, call: int) -> list[Call]:
        made = self.stepper.timeline.children_of.get(call, [])
        return [child for child in made if child.kind != "op"]

    def _add(self, node: TreeNode[int], call: Call) -> None:
        leaf = not self._children(call.id)
        self._of_call[call.id] = node.add(self._label(call), call.id, allow_expand=not leaf)

    def _label(self, call: Call) -> Text:
        parent = self.stepper.trace.calls[call.parent] if call.parent is not None else None
        label, name = Text(no_wrap=True), _short_name(call, parent)
        if call.stage and (parent is None or parent.stage != call.stage):
            colour = stage_colour(call.stage, "dark")
            stage = "" if name == call.stage else f"{text.clean(call.stage, 20)} "
            label.append(f"■ {stage}", Style(color=colour, bold=True))
        label.append(name, ERROR if call.error else NAME)
        if call.kind == "module":
            label.append(f" {text.clean(call.type, 30)}", DIM)
        if call.result is not None and call.result.tensor is not None:
            label.append(f" {dims(self.stepper.trace.tensors[call.result.tensor].summary.shape)}")
        return label

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[int]) -> None:
        """A branch is opened: add what is in it."""
        self._fill(event.node)


def _short_name(call: Call, parent: Call | None) -> str:
    """Return a call's path, without that of the module around it."""
    path = call.path or "(root)"
    if parent is not None and parent.kind == call.kind == "module" and parent.path:
        path = path.removeprefix(f"{parent.path}.")
    return text.clean(path, 40) + (f"#{call.nth}" if call.nth else "")


class Prose:
    """A text in lines as wide as its pane: at spaces, and Chinese between its characters.

    Rich takes Chinese up to the next space for one word.
    """

    def __init__(self, text: Text) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Give the lines."""
        for paragraph in self.text.split("\n", allow_blank=True):
            lines, at, cuts = broken(paragraph.plain, options.max_width, cell_len), 0, []
            for line, following in pairwise(lines):
                at = paragraph.plain.index(following, at + len(line))
                cuts.append(at)
            for part in paragraph.divide(cuts):
                part.rstrip()
                yield part

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Give the widths that it can have."""
        return Measurement.get(console, options, self.text)


class Commentary(Static):
    """What is written about the stage, the function and the line at hand."""

    def __init__(self, stepper: Stepper, **options: Any) -> None:
        super().__init__("", markup=False, **options)
        self.stepper = stepper

    def update_position(self) -> None:
        """Show the text for the present line."""
        lessons = self.stepper.lessons
        said = lessons.paragraphs(self.stepper.lang) if isinstance(lessons, Lessons) else ()
        self.update(Prose(_stop(said) if said else commentary(self.stepper)))


def _stop(said: tuple[str, ...]) -> Text:
    """What a tour says where it stands: its title, then paragraphs."""
    title, *paragraphs = (text.clean(part, 2000) for part in said)
    return Text("\n").join([Text(title, CHANGED), *map(Text, paragraphs)])


def commentary(stepper: Stepper) -> Text:
    """Return the commentary on the line, the function or the stage at hand."""
    from tracer.rcnn.narration import commentary as written

    call = next((c for c in stepper.stack[stepper.selected :] if c.kind != "op"), stepper.call)
    line = text.source_line(stepper.timeline, stepper.place) if stepper.line else ""
    options: dict[str, Any] = {"lang": stepper.lang, "trace": stepper.trace, "call": call}
    found = (written(line_text=line, **options) if line else None) or written(**options)
    if found is None:
        return Text(text.clean(call.stage, 80), style=DIM)
    shown = Text.assemble((text.clean(found.title, 200), CHANGED))
    for paragraph in (*found.here, *found.text):
        shown.append("\n" + text.clean(paragraph, 2000))
    return shown
