"""Slides from a notebook: what the cells that are tagged ``slide`` have shown."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracer.errors import InputError, MissingError
from tracer.views.slides.deck import Code, Part, Pictures, Slide
from tracer.views.slides.design import FIGURE
from tracer.views.slides.outline import Entry
from tracer.views.slides.subject import Subject

TAG = "slide"
IMAGES = ("image/png", "image/jpeg")
MOST_LINES = 24
"""Of printed text that a slide has room for."""


@dataclass(frozen=True)
class Cell:
    """A tagged cell.

    Attributes:
        number: its place among the notebook's cells, from 1.
        title: the last heading above it.
        notes: the text between that heading and the cell, a paragraph each.
        pictures: files that it has shown.
        text: what else it has shown or printed.
    """

    number: int
    title: str
    notes: tuple[str, ...]
    pictures: tuple[bytes, ...]
    text: str


def slides_of(path: Path, entry: Entry, subject: Subject, theme: str) -> Iterator[Slide]:
    """Make a slide of each tagged cell.

    Args:
        path: of the notebook, executed and saved.
        entry: its place in the outline: stage, title, link.
        subject: the recording, for links and language.
        theme: of the deck.

    Raises:
        InputError: the notebook cannot be read.
        MissingError: no cell is tagged, or a tagged one has shown nothing.
    """
    cells = read_cells(path, entry.place)
    if not cells:
        raise MissingError(f"no cell of {path.name!r} is tagged {TAG!r} (a cell's tags, metadata)")
    for cell in cells:
        title = subject.told(entry.title) or cell.title or path.stem
        yield Slide(
            key=f"{entry.key}-{cell.number}",
            title=title,
            parts=tuple(_parts(cell, path, title, theme, entry.place)),
            notes=cell.notes,
            stage=entry.stage or None,
            lang=subject.lang,
            step=subject.address(entry.link) if entry.link else "",
        )


def _parts(cell: Cell, path: Path, title: str, theme: str, place: str) -> Iterator[Part]:
    """A cell's pictures, one after the other in one place; without any, its text."""
    source = f"{path.name}, [{cell.number}]"
    if cell.pictures:
        from tracer.views.slides.illustrations import from_file

        read = (io.BytesIO(picture) for picture in cell.pictures)
        figures = tuple(from_file(p, theme=theme, size=FIGURE, place=place) for p in read)
        yield Pictures(figures, title, source)
    elif cell.text:
        yield Code("\n".join(cell.text.splitlines()[:MOST_LINES]), 1, source)
    else:
        raise MissingError(
            f"cell {cell.number} of {path.name!r} is tagged {TAG!r} and has shown no picture or "
            "text: run the notebook and save it"
        )


def read_cells(path: Path, place: str = "") -> list[Cell]:
    """Read the tagged cells of a notebook.

    Raises:
        InputError: it cannot be read, or is no notebook.
    """
    before = f"{place}: " if place else ""
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        return list(_tagged(cells))
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{before}the notebook {str(path)!r} cannot be read: {why}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{before}{str(path)!r} is no Jupyter notebook (version 4)") from error


def _tagged(cells: list[dict[str, Any]]) -> Iterator[Cell]:
    title = ""
    notes: list[str] = []
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "markdown":
            for line in _joined(cell["source"]).splitlines():
                heading = re.fullmatch(r"#{1,6}\s+(.*?)\s*#*", line)
                title, notes = (heading[1], []) if heading else (title, [*notes, line.strip()])
        elif TAG in cell.get("metadata", {}).get("tags", ()):
            shown = [_shown(output) for output in cell.get("outputs", ())]
            pictures = tuple(p for output, _ in shown for p in output)
            text = "".join(text for _, text in shown)
            yield Cell(number, title, tuple(filter(None, notes)), pictures, text)


def _shown(output: Mapping[str, Any]) -> tuple[list[bytes], str]:
    """The pictures of an output; without any, its text."""
    data = output.get("data", {})
    found = next((data[kind] for kind in IMAGES if kind in data), None)
    if found is not None:
        return [base64.b64decode(_joined(found))], ""
    return [], _joined(data.get("text/plain", output.get("text", "")))


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
