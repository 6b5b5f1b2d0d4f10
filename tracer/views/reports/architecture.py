"""The modules as `print(model)` shows them, rebuilt from the record, if wanted with live shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tracer.errors import MissingError, near
from tracer.numbers import Cell
from tracer.rcnn.findings import changed
from tracer.record import Module, Trace
from tracer.views.kit.shapes import shape_text
from tracer.views.reports import word
from tracer.views.reports.names import changes
from tracer.views.reports.report import Column, Row, Table
from tracer.views.reports.rows import Names, several

MOST_LINES = 20_000
"""Beyond so many lines, and three for each module there is, shared modules are written out once."""

INDENT = 2  # spaces that `nn.Module.__repr__` puts before each nested line


@dataclass(frozen=True, slots=True)
class _Text:
    """One line of the printed model.

    Attributes:
        depth: how deep it is nested.
        body: the line without its indentation.
        paths: the modules that begin on this line; several if they are folded, none on a line
            that closes a bracket or belongs to a module's own text.
    """

    depth: int
    body: str
    paths: tuple[str, ...] = ()


_Child = tuple[str, list[_Text]]  # its name, and its lines
Same = Callable[[Sequence[_Text], Sequence[_Text]], bool]


def architecture(
    trace: Trace, *, annotated: bool = False, fold: bool = False, path: Names | None = None,
    lang: str = "en",
) -> Table:  # fmt: skip
    """Return the printed model, a row per line; the options are `Recording.architecture`'s."""
    outputs = _outputs(trace) if annotated else {}
    printer = _Printer(trace, fold, outputs)
    lines = [line for root in _asked(trace, path) for line in printer.lines(root)]
    shared = (word("note_shared", lang),) if printer.brief else ()
    notes = (*shared, *changed(trace, lang))
    if not annotated:
        rows = tuple(Row((line.body,), line.depth) for line in lines)
        return Table(
            (Column("line", ""),), rows, notes=notes, layout="plain", common=changes(trace)
        )
    columns = (
        Column("line", word("line", lang), floor=48),
        Column("calls", word("calls", lang), "count", rank=2),
        Column("params", word("params", lang), "count", rank=1),
        Column("output", word("output", lang), floor=18),
    )
    rows = tuple(Row((line.body, *_notes(line, trace, outputs)), line.depth) for line in lines)
    return Table(columns, rows, notes=notes, layout="plain", lang=lang, common=changes(trace))


def _roots(trace: Trace) -> list[str]:
    inner = {path for module in trace.modules.values() for _, path in module.children}
    return [path for path in trace.modules if path not in inner or not path]


def _asked(trace: Trace, path: Names | None) -> list[str]:
    """Return the outermost modules to print: all roots, or those of some paths."""
    if path is None:
        return _roots(trace)
    found: list[str] = []
    for pattern in several(path):
        matching = [name for name in trace.modules if fnmatchcase(name or "(root)", pattern)]
        if not matching:
            raise MissingError(f"the model has no module {pattern!r}{near(pattern, trace.modules)}")
        found += matching
    inside = tuple(f"{name}." for name in found)
    return [name for name in dict.fromkeys(found) if not (name and f"{name}".startswith(inside))]


def _outputs(trace: Trace) -> dict[str, list[str]]:
    """Return by path the shapes that each call of a module returned, in order."""
    found: dict[str, list[str]] = {}
    for call in trace.calls:
        if call.kind == "module":
            found.setdefault(call.path, []).append(call.error or shape_text(trace, call.result))
    return found


def _notes(line: _Text, trace: Trace, outputs: dict[str, list[str]]) -> tuple[Cell, Cell, Cell]:
    shapes = [shape for path in line.paths for shape in outputs.get(path, ())]
    params = sum(trace.modules[path].params for path in line.paths)
    return len(shapes) or None, params or None, "; ".join(dict.fromkeys(shapes)) or None


class _Printer:
    """Prints modules line by line, the way `nn.Module.__repr__` and `nn.ModuleList`'s do.

    Attributes:
        brief: whether a module that stands in several places is written out at the first alone.
    """

    def __init__(self, trace: Trace, fold: bool, outputs: dict[str, list[str]]) -> None:
        self.modules = trace.modules
        self.fold = fold
        self.outputs = outputs
        self._sizes: dict[str, int] = {}
        self._known: dict[str, list[_Text]] = {}
        written = sum(map(self._size, _roots(trace)))
        self.brief = written > max(MOST_LINES, 3 * len(self.modules))

    def _size(self, path: str) -> int:
        """Return how many lines a module takes, closing brackets aside."""
        if path not in self._sizes:
            module = self.modules[path]
            own = 1 + module.extra.count("\n") + module.custom_repr.count("\n")
            self._sizes[path] = own + sum(self._size(child) for _, child in module.children)
        return self._sizes[path]

    def lines(self, path: str) -> list[_Text]:
        """Return the lines of a module."""
        if path not in self._known:
            self._known[path] = self._lines(path)
        elif self.brief and self._sizes[path] > 1:
            return [_Text(0, f"{self.modules[path].type}(…)", (path,))]
        return self._known[path]

    def _lines(self, path: str) -> list[_Text]:
        module = self.modules[path]
        children = [(name, self.lines(child)) for name, child in module.children]
        if module.custom_repr:
            return self._own_words(module, _with_nones(module, children))
        return self._plain(module, self._folded(children) if self.fold else children)

    def _own_words(self, module: Module, children: list[_Child]) -> list[_Text]:
        """Print a class that writes itself.

        Where it does so in torch's own way (a ModuleList folds equal neighbours), its structure
        is known; else it is opaque text.
        """
        bare = replace(module, extra="")
        for form, printed in ((bare, _fold(children, _same_text)), (module, children)):
            lines = self._plain(form, printed)
            if _joined(lines) == module.custom_repr:
                return self._plain(form, self._folded(children)) if self.fold else lines
        first, *rest = module.custom_repr.split("\n")
        return [_Text(0, first, (module.path,)), *(_Text(0, line) for line in rest)]

    def _folded(self, children: list[_Child]) -> list[_Child]:
        return _fold(children, self._same)

    def _same(self, a: Sequence[_Text], b: Sequence[_Text]) -> bool:
        return _same_text(a, b) and all(
            self.outputs.get(p) == self.outputs.get(q)
            for x, y in zip(a, b, strict=True)
            for p, q in zip(x.paths[:1], y.paths[:1], strict=False)
        )

    def _plain(self, module: Module, children: list[_Child]) -> list[_Text]:
        extra = module.extra.split("\n") if module.extra else []
        head = f"{module.type}("
        if not children and len(extra) <= 1:
            return [_Text(0, f"{head}{''.join(extra)})", (module.path,))]
        inner = [_Text(1, line) for line in extra]
        for name, lines in children:
            first, *rest = lines
            inner.append(_Text(1, f"({name}): {first.body}", first.paths))
            inner += [_Text(line.depth + 1, line.body, line.paths) for line in rest]
        return [_Text(0, head, (module.path,)), *inner, _Text(0, ")")]


def _with_nones(module: Module, children: list[_Child]) -> list[_Child]:
    """Add the children that are None, which torch prints among the others."""
    printed = re.findall(r"^  \((.*?)\): (None$)?", module.custom_repr, re.MULTILINE)
    if not any(none for _, none in printed):
        return children
    known = dict(children)
    return [
        (name, [_Text(0, "None")] if none else known[name])
        for name, none in printed
        if none or name in known
    ]


def _fold(children: list[_Child], same: Same) -> list[_Child]:
    """Write runs of equal neighbours as one: ``(1-2): 2 x Bottleneck(…)``."""
    runs: list[list[_Child]] = []
    for child in children:
        if runs and _numbered(runs[-1][-1][0], child[0]) and same(runs[-1][0][1], child[1]):
            runs[-1].append(child)
        else:
            runs.append([child])
    return [run[0] if len(run) == 1 else _merged(run) for run in runs]


def _numbered(name: str, following: str) -> bool:
    numbers = all(text.isdecimal() and len(text) < 10 for text in (name, following))
    return numbers and int(following) == int(name) + 1


def _merged(run: list[_Child]) -> tuple[str, list[_Text]]:
    lines = [
        replace(alike[0], paths=tuple(path for line in alike for path in line.paths))
        for alike in zip(*(lines for _, lines in run), strict=True)
    ]
    first = replace(lines[0], body=f"{len(run)} x {lines[0].body}")
    return f"{run[0][0]}-{run[-1][0]}", [first, *lines[1:]]


def _same_text(a: Sequence[_Text], b: Sequence[_Text]) -> bool:
    return len(a) == len(b) and all(
        x.body == y.body and x.depth == y.depth for x, y in zip(a, b, strict=True)
    )


def _joined(lines: Sequence[_Text]) -> str:
    indented = (" " * INDENT * line.depth + line.body for line in lines)
    return "\n".join(line if line.strip() else "" for line in indented)
