"""Source on a slide: the lines of a function to dwell on, and the shapes that they left."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tracer.errors import MissingError, near
from tracer.rcnn.narration import Note, commentary, function_of
from tracer.record import Call, Line, Trace, Value
from tracer.record.query import find_call, lines_of
from tracer.views.kit.shapes import shape_text
from tracer.views.slides.deck import Code, CodeStep
from tracer.views.slides.subject import Subject

MOST_LINES = 20
"""What a slide has room for."""

MOST_NUMBERS = 5
"""Of a list that is written out."""

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


@dataclass(frozen=True)
class Shown:
    """A piece of source for a slide.

    Attributes:
        code: the lines, with those to dwell on.
        step: fragment of the page's address at the first of them.
        said: what the commentary remarks on them, for the notes.
    """

    code: Code
    step: str
    said: tuple[str, ...]


def code(subject: Subject, name: str, at: Iterable[str] = (), within: str = "") -> Shown:
    """Return the lines of a function around those to dwell on.

    Args:
        subject: the recording.
        name: of the function.
        at: beginnings of lines, stripped; none for the lines that the commentary remarks on.
        within: the call whose values are shown, or in which the function ran; the first, if none.

    Raises:
        MissingError: the recording has no such function, or none of the lines.
    """
    function = find_function(subject.trace, name)
    call = _shown_call(subject.trace, name, within)
    remarks = _remarks(subject, name)
    places = _statements(function, tuple(at) or tuple(note.anchor for note in remarks))
    notes = {first: _note_on(function, first, remarks) for first, _ in places}
    steps = tuple(
        CodeStep(tuple(range(first, last + 1)), _beside(subject, call, first, notes[first]))
        for first, last in places
    )
    package = subject.trace.sources[function.file].package
    start, end = _extent(function, [number for step in steps for number in step.lines])
    text = textwrap.dedent("\n".join(function.text.splitlines()[start - 1 : end]))
    source = f"{function.file}, {package}" if package else function.file
    said = (f"{first}: {note.text}" for first, note in notes.items() if note)
    return Shown(Code(text, start, source, steps), _address(subject, call, places), tuple(said))


def _address(subject: Subject, call: Call | None, places: list[tuple[int, int]]) -> str:
    """The page's address at the first line to dwell on, or at the call where it did not run."""
    if call is None:
        return ""
    ran = {line.line for line in lines_of(subject.trace, call)}
    return subject.address(call.label, next((n for n, _ in places if n in ran), None))


def _shown_call(trace: Trace, name: str, within: str) -> Call | None:
    """Return the first call of a function, of those in a call if there are any."""
    ran = [call for call in trace.calls if call.kind != "op" and function_of(call, trace) == name]
    known = within and within in {call.path for call in trace.calls}
    outer = find_call(trace, within) if known else None
    inside = (c for c in ran if outer and outer.start <= c.start and c.end <= outer.end)
    return next(inside, next(iter(ran), None))


def _remarks(subject: Subject, name: str) -> tuple[Note, ...]:
    said = commentary(function=name, lang=subject.lang, trace=subject.trace)
    return said.notes if said else ()


def _note_on(function: Function, number: int, remarks: tuple[Note, ...]) -> Note | None:
    text = function.text.splitlines()[number - 1].strip()
    return next((note for note in remarks if text.startswith(note.anchor)), None)


def _statements(function: Function, beginnings: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return first and last line of the statements that begin so, in the order of the source."""
    lines = function.text.splitlines()
    found: dict[str, tuple[int, int]] = {}
    for node in sorted(_within(function.node), key=lambda node: node.lineno):
        text = lines[node.lineno - 1].strip()
        match = next((b for b in beginnings if text.startswith(b) and b not in found), None)
        if match is not None:
            found[match] = (node.lineno, _end(node))
    if beginnings and not found:
        raise MissingError(
            f"{function.file} has no line in {function.node.name} that begins with "
            f"{beginnings[0]!r}: another version of it may have"
        )
    return sorted(found.values())


def _within(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    nodes = (node for node in ast.walk(function) if node is not function)
    yield from (node for node in nodes if isinstance(node, ast.stmt))


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


def _beside(subject: Subject, call: Call | None, number: int, note: Note | None) -> tuple[str, ...]:
    """What the line left: the shapes of what it bound; where none are known, a remark."""
    lines = lines_of(subject.trace, call) if call is not None else ()
    ran = [line for line in lines if line.line == number]
    shown = _left_by(subject.trace, ran[0], lines) if ran else []
    if not shown:
        return (_first_sentence(note.text),) if note else ()
    rounds = subject.say("first_round", rounds=len(ran))
    return (*shown[:MOST_BESIDE], *([rounds] if len(ran) > 1 else []))


def _left_by(trace: Trace, line: Line, lines: tuple[Line, ...]) -> list[str]:
    """What a line bound; of the last one of its call, what the call gave back."""
    shown = _changed(trace, line)
    if shown or line is not lines[-1]:
        return shown
    text = shape_text(trace, trace.calls[line.call].result)
    return [f"→ {text}"] if text else []


def _first_sentence(text: str) -> str:
    found = re.match(r".*?(?:[。！？]|[.!?](?=\s|$))", text)
    return (found.group() if found else text).replace("`", "")


def _changed(trace: Trace, line: Line) -> list[str]:
    texts = ((name, _value(trace, value)) for name, value in line.changed)
    return [f"{name}: {text}" for name, text in texts if text]


def _value(trace: Trace, value: Value) -> str:
    """A tensor's shape, a number, a list of sizes; "" for what says nothing on a slide."""
    if value.kind == "scalar":
        return str(value.scalar) if isinstance(value.scalar, (int, float)) else ""
    if value.tensor is not None and (single := _single(trace, value.tensor)):
        return single
    if value.kind == "sequence" and value.items and not value.elided:
        inner = [str(v.scalar) for _, v in value.items if v.kind == "scalar"]
        if len(inner) == len(value.items) <= MOST_NUMBERS:
            return f"[{', '.join(inner)}]"
    return shape_text(trace, value)


def _single(trace: Trace, state: int) -> str:
    """The value of a tensor without axes."""
    summary = trace.tensors[state].summary
    return f"{summary.mean:.4g}" if summary.shape == () and summary.mean is not None else ""
