"""Colours of source code, the same in every format, and the code cut into runs of one colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tracer.views.kit.palette import SOURCE
from tracer.views.page.highlight import KINDS, tokens


@dataclass(frozen=True)
class Run:
    """A piece of a line in one colour; `kind` is one of `KINDS`."""

    kind: str
    text: str

    def colour(self, theme: str) -> str | None:
        """Return its colour; None for that of all text."""
        return SOURCE[theme].get(self.kind)


def lines(text: str) -> list[tuple[Run, ...]]:
    """Cut a source into lines of coloured runs."""
    found: list[list[Run]] = [[]]
    for run in _runs(text):
        for row, part in enumerate(run.text.split("\n")):
            if row:
                found.append([])
            if part:
                found[-1].append(Run(run.kind, part))
    return list(map(tuple, found))


def _runs(text: str) -> Iterator[Run]:
    units = text.encode("utf-16-le", "surrogatepass")
    runs, at = tokens(text), 0
    for kind, length in zip(runs[::2], runs[1::2], strict=True):
        piece = units[at : at + 2 * length].decode("utf-16-le", "surrogatepass")
        at += 2 * length
        yield Run(KINDS[kind], piece)


def broken(runs: Iterable[Run], pieces: Sequence[str]) -> list[tuple[Run, ...]]:
    """Return the runs of each piece of a line that was broken where it has spaces.

    Args:
        runs: of the whole line.
        pieces: the line as it was broken; each may be set in by spaces of its own.
    """
    every = tuple(runs)
    text = "".join(run.text for run in every)
    kinds = [run.kind for run in every for _ in run.text]
    found, at = [], 0
    for piece in pieces:
        bare = piece.lstrip(" ")
        start = text.index(bare, at)
        at = start + len(bare)
        inset = Run("", " " * (len(piece) - len(bare)))
        found.append((inset, *_joined(bare, kinds[start:at])))
    return found


def _joined(text: str, kinds: Sequence[str]) -> Iterator[Run]:
    """Yield the stretches of one kind, a kind for each letter."""
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or kinds[end] != kinds[start]:
            yield Run(kinds[start], text[start:end])
            start = end
