"""What a deck is to hold: the slides that there are, and an outline's choice of them.

Both are TOML. ``catalogue.toml`` beside this file has the slides of the whole walkthrough by key;
an outline has ``[[slide]]`` tables, each of which takes a slide of the catalogue (``use``), a
notebook's pictures (``notebook``), or says by itself what it shows. The fields are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from tracer.errors import InputError, MissingError, near
from tracer.languages import TOMLDecodeError, languages, parse_toml, read_toml, translated
from tracer.views.kit.flows import FLOWS
from tracer.views.kit.guesses import KINDS
from tracer.views.slides.design import STAGES

Text = Mapping[str, str]
"""By language; empty for none."""

NEEDS = (
    "pass", "rcnn", "two-stage", "resnet", "resnet50", "bottleneck", "fpn", "coarser", "levels",
    "training", "eval", "targets",
)  # fmt: skip


@dataclass(frozen=True)
class Grid:
    """A table that an outline writes out.

    Attributes:
        head: names of the columns.
        rows: as long as `head` each.
    """

    head: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True)
class Entry:
    """One slide as it is asked for.

    Attributes:
        key: its name.
        title: one line.
        stage: a key of `STAGES`, or "".
        layout: ``"title"`` or ``"content"``.
        points: short lines; ``{proposals}`` and other facts of the commentary are filled in.
        stepwise: whether they appear one by one.
        figure: name of a figure (`tracer.views.figures.FIGURES`), or "".
        options: passed to the figure.
        zoom: how much larger the figure's text is than it is drawn.
        interactive: name of something to try (`tracer.views.slides.interactive.INTERACTIVES`), or
            "".
        flow: name of a flow to watch (`tracer.views.kit.flows.FLOWS`), or "".
        guess: kind of a question (`tracer.views.kit.guesses.KINDS`) that is asked on one slide and
            answered on the next; or "".
        picture: path of a picture file, as seen from the outline's folder; or "".
        alt, caption: of the figure or picture.
        table: name of a table (`tracer.views.slides.tables.TABLES`), a `Grid`, or "".
        code: qualified name of a function whose source is shown, or "".
        at: beginnings of its lines to dwell on.
        notes: what the speaker says first.
        about: what of the commentary is told in the notes: ``"stage.fpn"``, ``"function.…"``,
            ``"construction.body"``, ``"question.label-zero"``.
        link: path or label of the call that the slide is about, or "".
        needs: what the recording must be, of `NEEDS`, for the default outline to have it.
        extra: whether the default outline of the whole walkthrough leaves it out.
        notebook: path of a notebook whose tagged cells are taken instead; or "".
        place: ``"outline.toml, line 12"``; "" for the catalogue's own.
    """

    key: str
    title: Text = field(default_factory=dict)
    stage: str = ""
    layout: str = "content"
    points: tuple[Text, ...] = ()
    stepwise: bool = False
    figure: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    zoom: float = 1.0
    interactive: str = ""
    flow: str = ""
    guess: str = ""
    picture: Text = field(default_factory=dict)
    alt: Text = field(default_factory=dict)
    caption: Text = field(default_factory=dict)
    table: str | Grid = ""
    code: str = ""
    at: tuple[str, ...] = ()
    notes: tuple[Text, ...] = ()
    about: tuple[str, ...] = ()
    link: str = ""
    needs: tuple[str, ...] = ()
    extra: bool = False
    notebook: Text = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True)
class Outline:
    """What an outline file says.

    Attributes:
        entries: the slides, in order.
        title: of the deck; empty for the default.
        folder: that its pictures and notebooks are looked for in.
    """

    entries: tuple[Entry, ...]
    title: Text = field(default_factory=dict)
    folder: Path = Path()


# --- fields ---------------------------------------------------------------------------------------


class _Wrong(Exception):
    """A value that a field cannot take; the text says what it takes."""


def _text(value: Any) -> Text:
    if isinstance(value, str):
        return dict.fromkeys(languages(), value)
    if isinstance(value, dict) and value and set(value) <= set(languages()):
        found = {lang: _string(text) for lang, text in value.items()}
        usual = found.get("en", next(iter(found.values())))
        return {lang: found.get(lang, usual) for lang in languages()}
    raise _Wrong('a text, or one for each language: {en = "…", zh = "…"}')


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _Wrong("a text")


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _Wrong("true or false")


def _zoom(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0.5 <= value <= 2:
        return float(value)
    raise _Wrong("a number from 0.5 to 2")


def _options(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _Wrong("a table, e.g. {channel = 3}")


def _one_of(known: Iterable[str]) -> Callable[[Any], str]:
    names = tuple(known)

    def check(value: Any) -> str:
        if value in names:
            return str(value)
        hint = near(value, names) if isinstance(value, str) else ""
        raise _Wrong(f"one of {', '.join(names)}{hint}")

    return check


def _several(one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def check(value: Any) -> tuple[Any, ...]:
        return tuple(one(item) for item in (value if isinstance(value, list) else [value]))

    return check


def _table(value: Any) -> str | Grid:
    if isinstance(value, str):
        return value
    wrong = _Wrong('a name, or {head = ["a", "b"], rows = [["1", "2"]]} with rows as long as head')
    if not isinstance(value, dict) or set(value) != {"head", "rows"}:
        raise wrong
    head, rows = value["head"], value["rows"]
    if not isinstance(head, list) or not isinstance(rows, list) or not head:
        raise wrong
    if any(not isinstance(row, list) or len(row) != len(head) for row in rows):
        raise wrong
    return Grid(tuple(map(_cell, head)), tuple(tuple(map(_cell, row)) for row in rows))


def _cell(value: Any) -> Text:
    return _text(value if isinstance(value, (str, dict)) else str(value))


FIELDS: dict[str, Callable[[Any], Any]] = {
    "title": _text,
    "stage": _one_of(STAGES),
    "layout": _one_of(("content", "title")),
    "points": _several(_text),
    "stepwise": _flag,
    "figure": _string,
    "options": _options,
    "zoom": _zoom,
    "interactive": _string,
    "flow": _one_of(FLOWS),
    "guess": _one_of(KINDS),
    "picture": _text,
    "alt": _text,
    "caption": _text,
    "table": _table,
    "code": _string,
    "at": _several(_string),
    "notes": _several(_text),
    "about": _several(_string),
    "link": _string,
    "needs": _several(_one_of(NEEDS)),
    "extra": _flag,
    "notebook": _text,
}
"""What a slide may say, and what each is checked by."""


ENDS = ("title", "sources")
"""The slides that every deck opens and closes with, unless an outline says otherwise."""


# --- the catalogue --------------------------------------------------------------------------------


@functools.cache
def catalogue() -> Mapping[str, Entry]:
    """Return the slides that there are, by key, in the order of the walkthrough."""
    tables = translated("walkthrough", read_toml(resources.files(__package__) / "catalogue.toml"))
    return {
        key: Entry(key, **{name: FIELDS[name](value) for name, value in table.items()})
        for key, table in tables.items()
    }


def chosen(stages: Iterable[str]) -> tuple[Entry, ...]:
    """Return the catalogue's slides: the whole walkthrough's, or all of a few stages.

    A lecture on a few stages opens and closes as the whole one does, and goes deeper: it has the
    extra slides too.

    Raises:
        MissingError: there is no such stage; names the nearest.
    """
    wanted = set(stages)
    for stage in wanted - set(STAGES):
        raise MissingError(
            f"there is no stage {stage!r}{near(stage, STAGES)} (there is {', '.join(STAGES)})"
        )
    if not wanted:
        return tuple(e for e in catalogue().values() if not e.extra)
    inside = [e for e in catalogue().values() if e.stage in wanted and e.key not in ENDS]
    first, last = (catalogue()[key] for key in ENDS)
    return first, *inside, last


# --- outline files --------------------------------------------------------------------------------


def read_outline(path: str | Path) -> Outline:
    """Read an outline file.

    Raises:
        InputError: it cannot be read or understood; says in which line.
    """
    file = Path(path)
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(f"the outline {str(path)!r} cannot be read: {reason}") from error
    try:
        tables = parse_toml(text)
    except TOMLDecodeError as error:
        raise InputError(f"the outline {str(path)!r} is no valid TOML: {error}") from error
    return _Reader(str(path), text, tables).outline(file.parent)


@dataclass(frozen=True, eq=False)
class _Reader:
    """One outline file being understood."""

    path: str
    text: str
    tables: dict[str, Any]

    def outline(self, folder: Path) -> Outline:
        for name in set(self.tables) - {"title", "slide"}:
            line = self._line_of(functools.partial(_has, name))
            raise self._error(line, f"there is no {name!r}{near(name, ('title', 'slide'))}")
        slides = self.tables.get("slide", [])
        if not isinstance(slides, list) or not slides:
            raise InputError(
                f"the outline {self.path!r} has no slides: each begins with a line [[slide]]"
            )
        title = self._checked(self.tables, "title", _text, functools.partial(_has, "title"))
        entries = tuple(self._entry(number) for number in range(len(slides)))
        return Outline(entries, title or {}, folder)

    def _entry(self, number: int) -> Entry:
        table = self.tables["slide"][number]
        for name in set(table) - set(FIELDS) - {"use", "key"}:
            hint = near(name, [*FIELDS, "use", "key"])
            raise self._error(self._line(number, name), f"a slide has no field {name!r}{hint}")
        given = {
            name: self._checked(table, name, check, self._at(number, name))
            for name, check in FIELDS.items()
            if name in table
        }
        base = self._base(number, table)
        key = self._checked(table, "key", _string, self._at(number, "key")) or base.key
        place = f"{self.path}, line {self._starts[number]}"
        return replace(base, key=key, place=place, **given)

    def _base(self, number: int, table: dict[str, Any]) -> Entry:
        if "use" not in table:
            return Entry(f"slide-{number + 1}")
        used = table["use"]
        if used in catalogue():
            return catalogue()[used]
        hint = near(str(used), catalogue()) or "; tracer slides --list names them"
        raise self._error(self._line(number, "use"), f"there is no slide {used!r}{hint}")

    def _checked(
        self, table: dict[str, Any], name: str, check: Callable[[Any], Any], there: _Test
    ) -> Any:
        if name not in table:
            return None
        try:
            return check(table[name])
        except _Wrong as wrong:
            found = str(table[name])
            raise self._error(
                self._line_of(there), f"{name!r} is {wrong}; found {found!r:.60}"
            ) from wrong

    # --- lines, which the parser does not tell ---

    def _at(self, number: int, name: str) -> _Test:
        def there(tables: dict[str, Any]) -> bool:
            slides = tables.get("slide", [])
            return len(slides) > number and (not name or name in slides[number])

        return there

    def _line(self, number: int, name: str) -> int:
        return self._line_of(self._at(number, name))

    def _line_of(self, there: _Test) -> int:
        """Return the line after which the beginning of the file says so."""
        count = len(self.text.splitlines())
        return next((end for end in range(1, count) if there(self._until(end))), count)

    @functools.cached_property
    def _starts(self) -> list[int]:
        """The line of each slide's ``[[slide]]``."""
        lines = enumerate(self.text.splitlines(), 1)
        heads = [number for number, line in lines if line.strip().startswith("[[")]
        counts = {n: len(self._until(n).get("slide", [])) for n in heads}
        return [
            next((line for line, there in counts.items() if there > number), 1)
            for number in range(len(self.tables["slide"]))
        ]

    def _until(self, end: int) -> dict[str, Any]:
        """Read the file's first lines; none of them where they end within a text."""
        try:
            return parse_toml("\n".join(self.text.splitlines()[:end]))
        except TOMLDecodeError:
            return {}

    def _error(self, line: int, what: str) -> InputError:
        return InputError(f"{self.path}, line {line}: {what}")


def _has(name: str, tables: dict[str, Any]) -> bool:
    return name in tables


_Test = Callable[[dict[str, Any]], bool]
