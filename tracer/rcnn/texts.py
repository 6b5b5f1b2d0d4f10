"""The commentary's text files, as they were written: both languages side by side, no numbers yet.

Tables of ``commentary/*.toml``:

- ``[stage.NAME]``, ``[construction.NAME]``: a stage of a pass, and of a construction;
- ``[function."Class.method"]``: a function; each of its ``lines`` is a remark on the line (or the
  block of lines) whose source text begins with ``at``, so that it survives other line numbers;
- ``[path."pattern"]``: modules by dotted path, where the class alone says too little;
- ``questions.toml``: questions that learners ask, ``about`` stages and functions;
- ``papers.toml``: what the citations stand for.

A further language has its own ``commentary.toml`` (`tracer.languages.translated`).

``here`` are sentences with placeholders, told only where a trace has all of their numbers.
`missing_languages`, `placeholders` and `anchors` are what the tests hold against the files.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any

from tracer.languages import joined, languages, listed, read_toml, translated
from tracer.rcnn.facts import PLACEHOLDER, phrase


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of the text files.

    Attributes:
        where: ``"stage"``, ``"construction"``, ``"function"``, ``"path"`` or ``"question"``.
        key: its name there.
        table: as it was read.
    """

    where: str
    key: str
    table: Mapping[str, Any]

    def title(self, lang: str) -> str:
        """Return the title, or the question."""
        return in_language(self._either("title", "question"), lang)

    def text(self, lang: str) -> tuple[str, ...]:
        """Return the paragraphs of the text, or of the answer."""
        return paragraphs(in_language(self._either("text", "answer"), lang))

    def papers(self, lang: str) -> tuple[str, ...]:
        """Return the citations, written out."""
        return tuple(citation(text, lang) for text in self.table.get("papers", ()))

    @property
    def home(self) -> tuple[str, str]:
        """The stage that a function belongs to: (``"stage"`` or ``"construction"``, its name)."""
        kind = "construction" if self.table.get("kind") == "construction" else "stage"
        return kind, self.table.get("stage", "")

    @property
    def lines(self) -> tuple[Mapping[str, Any], ...]:
        """The remarks on lines: tables with ``at``, ``en``, ``zh`` and perhaps ``here``."""
        return tuple(self.table.get("lines", ()))

    def _either(self, name: str, question_name: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self.table.get(
            question_name if self.where == "question" else name, {}
        )
        return found


@functools.cache
def entries() -> Mapping[tuple[str, str], Entry]:
    """Return every table but the papers, by (where, key).

    Raises:
        ValueError: something is explained in two files.
    """
    found: dict[tuple[str, str], Entry] = {}
    for name, tables in _files().items():
        if name == "papers.toml":
            continue
        for where, group in ({"question": tables} if name == "questions.toml" else tables).items():
            for key, table in group.items():
                if (where, key) in found:
                    raise ValueError(f"{where} {key!r} stands in two files, one is {name}")
                found[where, key] = Entry(where, key, translated("commentary", table, where, key))
    return found


def keys(*groups: str) -> list[str]:
    """Return the keys of these groups (``"stage"``, ``"function"``…), in the files' order."""
    return [key for where, key in entries() if where in groups]


def questions_about(key: str) -> list[Entry]:
    """Return the questions that are shown with a stage or a function."""
    return [e for e in questions() if key in e.table["about"]]


def questions() -> list[Entry]:
    """Return all questions."""
    return [entry for (where, _), entry in entries().items() if where == "question"]


def stage_entry(name: str, kind: str) -> Entry | None:
    """Return the entry of a stage of a pass or of a construction; failing that, of the other."""
    order = ("construction", "stage") if kind == "construction" else ("stage", "construction")
    return next((e for e in (entries().get((where, name)) for where in order) if e), None)


def path_entry(path: str) -> Entry | None:
    """Return the entry whose pattern a module's path matches.

    A star stands for one or two parts of the path, not for everything beneath.
    """
    patterns = tuple(pattern for where, pattern in entries() if where == "path")
    return entries().get(("path", _matching(path, patterns)))


@functools.lru_cache(maxsize=4096)
def _matching(path: str, patterns: tuple[str, ...]) -> str:
    for pattern in patterns:
        deeper = len(path.split(".")) - len(pattern.split("."))
        if deeper in (0, 1) and fnmatchcase(path, pattern):
            return pattern
    return ""


def in_language(texts: Mapping[str, str], lang: str) -> str:
    """Return the text in a language; in English where it is not there; ``""`` for none."""
    return texts.get(lang) or texts.get("en", "")


def paragraphs(text: str) -> tuple[str, ...]:
    """Split at empty lines; other line ends become spaces, but not between Chinese characters."""
    return tuple(joined(part) for part in re.split(r"\n\s*\n", text.strip()) if part)


def citation(text: str, lang: str) -> str:
    """Write out ``"ren2015 §3.1.2, eq. 2"``.

    Raises:
        KeyError: papers.toml does not have the paper.
    """
    key, _, place = text.partition(" ")
    paper = _files()["papers.toml"][key]
    first, *others = paper["authors"].split(", ")
    authors = phrase("et_al", lang, first=first) if others else first
    for english, other in phrase.table("places", lang).items():
        place = place.replace(english, other)
    parts = (authors, f"“{paper['title']}”", paper["where"], f"arXiv:{paper['arxiv']}", place)
    return listed(filter(None, parts), lang, clauses=True)


def missing_languages() -> list[str]:
    """Name every place of the text files that one language has and the other lacks."""
    return [
        f"{place}: no {lang}"
        for place, pair in _pairs()
        for lang in languages()
        if not str(pair.get(lang, "")).strip()
    ]


def placeholders() -> dict[str, tuple[set[str], set[str]]]:
    """Return the placeholders of every text, (English, Chinese), by its place."""
    return {
        place: (set(PLACEHOLDER.findall(pair["en"])), set(PLACEHOLDER.findall(pair["zh"])))
        for place, pair in _pairs()
    }


def anchors() -> dict[str, tuple[str, ...]]:
    """Return the beginnings of the lines that are remarked on, by function."""
    functions = (e for e in entries().values() if e.where == "function")
    return {e.key: tuple(line["at"] for line in e.lines) for e in functions if e.lines}


@functools.cache
def _files() -> dict[str, dict[str, Any]]:
    folder = resources.files("tracer.rcnn").joinpath("commentary")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name: read_toml(f) for f in files}


def _pairs() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every place that has two languages."""
    for entry in entries().values():
        place = f"{entry.where} {entry.key!r}"
        for name in ("question", "answer") if entry.where == "question" else ("title", "text"):
            yield f"{place}, {name}", entry.table.get(name, {})
        for pair in entry.table.get("here", ()):
            yield f"{place}, {pair.get('en')!r}", pair
        for line in entry.lines:
            yield f"{place}, line {line['at']!r}", line
            for pair in line.get("here", ()):
                yield f"{place}, line {line['at']!r}, {pair.get('en')!r}", pair
