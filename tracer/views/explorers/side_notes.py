"""The words beside an explorer's picture: small tables and notes as HTML, in either theme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracer.languages import Texts
from tracer.views.kit.html_text import escape

_CELL = "padding:1px 9px 1px 0;border:0;text-align:{align};white-space:nowrap"
_BAR = (
    "display:inline-block;height:.75em;width:{width:.0f}px;background:{colour};"
    "border-radius:2px;vertical-align:baseline"
)


say = Texts("explorers")


def block(*parts: str) -> str:
    """Return parts one beneath the other, in the notebook's own colours."""
    # No width of its own: a wide table scrolls by itself and does not push the text out of sight.
    style = "line-height:1.45;color:var(--jp-content-font-color1,inherit);width:0;min-width:100%"
    return f'<div class="tracer-explorer" style="{style}">{"".join(parts)}</div>'


def note(text: str, muted: bool = False) -> str:
    """Return a paragraph."""
    faded = ";opacity:.75;font-size:.92em" if muted else ""
    return f'<p style="margin:.35em 0{faded}">{escape(text)}</p>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], raw: Sequence[int] = ()) -> str:
    """Return a table whose first column is text and whose others are numbers.

    Args:
        head: the headings.
        rows: the cells.
        raw: indices of columns that hold HTML already, such as a `bar`.
    """
    lines = [_line("th", [escape(h) for h in head], raw)] if any(head) else []
    for row in rows:
        cells = [cell if i in raw else escape(cell) for i, cell in enumerate(row)]
        lines.append(_line("td", cells, raw))
    style = "border-collapse:collapse;margin:.3em 0;font-variant-numeric:tabular-nums"
    return f'<div style="overflow-x:auto"><table style="{style}">{"".join(lines)}</table></div>'


def _line(tag: str, cells: Sequence[str], raw: Sequence[int]) -> str:
    sides = ["left" if i == 0 or i in raw else "right" for i in range(len(cells))]
    aligned = [
        f'<{tag} style="{_CELL.format(align=side)}">{cell}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    ]
    return f'<tr style="background:transparent">{"".join(aligned)}</tr>'


def swatch(name: str, colour: str) -> str:
    """Return a name with its colour before it, as HTML."""
    style = (
        f"display:inline-block;width:.75em;height:.75em;background:{colour};margin-right:.4em;"
        "border-radius:2px;box-shadow:0 0 0 1px #8888"
    )
    return f'<span style="{style}"></span>{escape(name)}'


def bar(parts: Iterable[tuple[float, str]]) -> str:
    """Return (pixels, colour) one behind the other, as HTML."""
    drawn = [_BAR.format(width=width, colour=colour) for width, colour in parts if width >= 0.5]
    return f'<span style="display:inline-flex">{_spans(drawn)}</span>'


def _spans(styles: Iterable[str]) -> str:
    return "".join(f'<span style="{style}"></span>' for style in styles)
