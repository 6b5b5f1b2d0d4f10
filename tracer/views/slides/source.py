"""Source on a slide: the lines of a function to dwell on, and the shapes that they left."""

from __future__ import annotations

import ast
import functools
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from tracer.errors import MissingError, near
from tracer.query import lines_of
from tracer.rcnn.narration import Note, commentary, function_of
from tracer.record import Call, Line, Trace, Value
from tracer.views.slides.model import Code, CodeStep
from tracer.views.slides.subject import Subject
from tracer.views.values import shape_text

MOST_LINES = 20
"""What a slide has room for."""

MOST_BESIDE = 3
"""Values beside one line."""


@dataclass(frozen=True)
class Function:
    """Where a function stands in a recorded source file.

    Attributes:
        file: a key of `Trace.sources`.
        node: its definition.
        text: of the whole file.
    """

    file: str
    node: ast.FunctionDef
    text: str


def find_function(trace: Trace, name: str) -> Function:
    """Return where a function is defined, whether or not it ran.

    Args:
        trace: the recording, with its sources.
        name: qualified, ``"FeaturePyramidNetwork.forward"``.

    Raises:
        MissingError: none of the recorded files defines it; names the nearest.
    """
    known: set[str] = set()
    for file, source in trace.sources.items():
        defined = definitions(source.text)
        if name in defined:
            return Function(file, defined[name], source.text)
        known.update(defined)
    raise MissingError(f"none of the recorded source files defines {name!r}{near(name, known)}")


@functools.lru_cache(maxsize=64)
def definitions(text: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a source file and of its classes, by qualified name."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a file may be of another Python, or no file of Python at all
        return {}
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef):
            inside = (node for node in owner.body if isinstance(node, ast.FunctionDef))
            found |= {f"{owner.name}.{node.name}": node for node in inside}
    return found


def code(subject: Subject, name: str, at: Iterable[str] = ()) -> tuple[Code, str]:
    """Return the lines of a function around those to dwell on, and the page's address there.

    Args:
        subject: the recording.
        name: of the function.
        at: beginnings of lines, stripped; none for the lines that the commentary remarks on.

    Raises:
        MissingError: the recording has no such function, or none of the lines.
    """
    function = find_function(subject.trace, name)
    call = next((c for c in subject.trace.calls if _ran(c, name, subject.trace)), None)
    notes = _notes(subject, name)
    beginnings = tuple(at) or tuple(notes)
    statements = _statements(function, beginnings)
    steps = tuple(
        CodeStep(tuple(range(first, last + 1)), _beside(subject, call, first, notes.get(text)))
        for text, (first, last) in statements.items()
    )
    package = subject.trace.sources[function.file].package
    source = f"{function.file}, {package}" if package else function.file
    first, last = _extent(function, [number for step in steps for number in step.lines])
    lines = function.text.splitlines()[first - 1 : last]
    place = steps[0].lines[0] if steps and _has_line(subject, call, steps[0].lines[0]) else None
    address = subject.address(call.label, place) if call else ""
    return Code(textwrap.dedent("\n".join(lines)), first, source, steps), address


def _ran(call: Call, name: str, trace: Trace) -> bool:
    return call.kind != "op" and function_of(call, trace) == name


def _notes(subject: Subject, name: str) -> dict[str, Note]:
    said = commentary(function=name, lang=subject.lang, trace=subject.trace)
    return {note.anchor: note for note in said.notes} if said else {}


def _statements(function: Function, beginnings: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Return first and last line of the statements that begin so, in the order of the source."""
    lines = function.text.splitlines()
    found: dict[str, tuple[int, int]] = {}
    for node in ast.walk(function.node):
        if not isinstance(node, ast.stmt) or node is function.node:
            continue
        text = lines[node.lineno - 1].strip()
        match = next((b for b in beginnings if text.startswith(b) and b not in found), None)
        if match is not None:
            found[match] = (node.lineno, _end(node))
    if beginnings and not found:
        raise MissingError(
            f"{function.file} has no line in {function.node.name} that begins with "
            f"{beginnings[0]!r}: another version of it may have"
        )
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _end(node: ast.stmt) -> int:
    """The last line of a statement; of one with a body, the last before its body."""
    body = getattr(node, "body", None)
    return max(node.lineno, body[0].lineno - 1) if body else (node.end_lineno or node.lineno)


def _extent(function: Function, numbers: list[int]) -> tuple[int, int]:
    """First and last line to show: those to dwell on, with the ``def`` where it is near."""
    start, end = function.node.lineno, function.node.end_lineno or function.node.lineno
    if not numbers:
        return start, min(end, start + MOST_LINES - 1)
    first, last = min(numbers), max(numbers)
    if last - start < MOST_LINES:
        first = start
    return first, min(last, first + MOST_LINES - 1)


def _has_line(subject: Subject, call: Call | None, number: int) -> bool:
    if call is None:
        return False
    return any(line.line == number for line in lines_of(subject.trace, call))


def _beside(subject: Subject, call: Call | None, number: int, note: Note | None) -> tuple[str, ...]:
    """What the line left: the shapes of what it bound; where no lines were recorded, a remark."""
    trace = subject.trace
    if call is not None:
        ran = [line for line in lines_of(trace, call) if line.line == number]
        shown = _changed(trace, ran[0]) if ran else []
        if ran and not shown and ran[0] == lines_of(trace, call)[-1] and call.result is not None:
            shown = [f"→ {text}" for text in [shape_text(trace, call.result)] if text]
        if shown:
            rounds = subject.say(f"first of {len(ran)} rounds", f"{len(ran)} 轮中的第一轮")
            return (*shown[:MOST_BESIDE], *([rounds] if len(ran) > 1 else []))
    return note.here[:1] if note else ()


def _changed(trace: Trace, line: Line) -> list[str]:
    texts = ((name, _value(trace, value)) for name, value in line.changed)
    return [f"{name}: {text}" for name, text in texts if text]


def _value(trace: Trace, value: Value) -> str:
    """A tensor's shape, a number, a list of sizes; "" for what says nothing on a slide."""
    if value.kind == "scalar":
        return str(value.scalar) if isinstance(value.scalar, (int, float)) else ""
    return shape_text(trace, value)
