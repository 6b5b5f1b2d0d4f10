"""One writer per output format; each takes any report."""

from __future__ import annotations

import csv as csv_module
import hashlib
import io
import json as json_module
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tracer.errors import InputError, near
from tracer.foreign import clean, spelt
from tracer.numbers import shown
from tracer.views.kit.html_text import escape, lang_attribute
from tracer.views.reports import word
from tracer.views.reports.text_layout import fit, grid, lines_of, notes_of, pad, rule, wrap

if TYPE_CHECKING:
    from tracer.numbers import Cell
    from tracer.views.reports.report import Column, Row, Table

CELL_ROWS = 200
"""A notebook keeps what it shows: longer reports are cut, and say so."""


TEXT_WIDTH = 120
"""Columns of plain text, unless all of it is asked for."""


def write(table: Table, format: str, *, wide: bool = False) -> str:
    """Return the report in one of `FORMATS`, without a final newline; `wide` text is never cut.

    Raises:
        InputError: there is no such format.
    """
    if format not in FORMATS:
        raise InputError(
            f"no format {format!r}{near(format, FORMATS)} (there are: {', '.join(FORMATS)})"
        )
    return text(table, None) if wide and format == "text" else FORMATS[format](table)


# --- text -----------------------------------------------------------------------------------------


def text(table: Table, available: int | None = TEXT_WIDTH) -> str:
    """Columns padded with spaces, cut to so many characters; complete if there is no limit."""
    laid, left_out = fit(grid(table), available if len(table.columns) > 1 else None)
    rows = [pad(each, laid.widths, laid.columns) for r in laid.rows for each in lines_of(r, laid)]
    if laid.header:
        rows = [pad(laid.header, laid.widths, laid.columns), rule(laid.widths), *rows]
    if laid.totals:
        rows += [rule(laid.widths), pad(laid.totals, laid.widths, laid.columns)]
    parts = [table.title and clean(table.title)], notes_of(table, left_out)
    title, notes = (
        [line for each in part for line in (wrap(each, available) if available else [each]) if each]
        for part in parts
    )
    return "\n\n".join("\n".join(lines) for lines in (title, rows, notes) if lines)


# --- markdown -------------------------------------------------------------------------------------


def markdown(table: Table) -> str:
    """A pipe table; a plain report becomes a code block."""
    if table.layout == "plain" and len(table.columns) == 1:
        return _fenced(text(table))
    lines = [f"**{_md(clean(table.title))}**", ""] if table.title else []
    lines += [_md_row(_md(clean(column.title)) for column in table.columns)]
    lines += [_md_row("--:" if column.numeric else ":--" for column in table.columns)]
    lines += [_md_row(_md_cells(table, row)) for row in table.rows]
    if table.totals:
        totals = (_md(shown(c, k.kind)) for c, k in zip(table.totals, table.columns, strict=True))
        lines.append(_md_row(f"**{cell}**" if cell else "" for cell in totals))
    for note in table.notes:
        lines += ["", _md(clean(note))]
    return "\n".join(lines)


def _fenced(body: str) -> str:
    longest = max((len(run) for run in re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def _md_row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md_cells(table: Table, row: Row) -> Iterator[str]:
    for i, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True)):
        body = shown(cell, column.kind)
        spaces = len(body) - len(body.lstrip(" ")) + (2 * row.depth if i == 0 else 0)
        yield "&nbsp;" * (spaces if table.layout != "grid" else 0) + _md(body.strip(" "))


_MD_SPECIAL = re.compile(r"[\\`*\[\]<>|&~$#!]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def _md(body: str) -> str:
    """Escape what Markdown would read as markup (an underscore within a word is none)."""
    return _MD_SPECIAL.sub(lambda m: "&amp;" if m.group() == "&" else "\\" + m.group(), body)


# --- csv ------------------------------------------------------------------------------------------


def csv(table: Table) -> str:
    """Plain values under the columns' keys, numbers unrounded; no totals, no notes."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    records = table.records()
    writer.writerow([_csv_cell(key) for key in table.record_keys()])
    writer.writerows([_csv_cell(cell) for cell in record.values()] for record in records)
    return out.getvalue().rstrip("\n")


def _csv_cell(cell: Cell) -> Cell:
    """Return the cell; a text that a spreadsheet would take for a formula gets a quote in front."""
    if not isinstance(cell, str):
        return cell
    body = clean(cell)
    return f"'{body}" if body.lstrip()[:1] in tuple("=+-@＝＋－＠") else body


# --- html -----------------------------------------------------------------------------------------

# Jupyter's own rules for tables (text to the right, stripes) have the weight of two classes.
_WEIGHTY = ("div.tracer-report", "div.tracer-report.tracer-report")

STYLE = """\
div.tracer-report { overflow-x: auto; font: 13px/1.45 system-ui, sans-serif; }
div.tracer-report table { border-collapse: collapse; border: 0; margin: .6em 0;
  table-layout: auto; font: inherit; }
div.tracer-report caption { text-align: left; font-weight: 600; padding: .2em 0 .5em; }
div.tracer-report th, div.tracer-report td { padding: .18em .7em; text-align: left; border: 0;
  vertical-align: top; white-space: pre-wrap; overflow-wrap: break-word; max-width: 34em; }
div.tracer-report th { border-bottom: 2px solid #8888; white-space: normal; }
div.tracer-report tbody tr { background: none; border-bottom: 1px solid #8883; }
div.tracer-report tbody tr:hover { background: #8882; }
div.tracer-report .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
div.tracer-report .first { font-family: ui-monospace, monospace; }
div.tracer-report td.first:not(.long) { white-space: pre; max-width: none; }
div.tracer-report .plain th, div.tracer-report .plain td { padding: 0 1em 0 0; }
div.tracer-report .plain tbody tr { border-bottom: 0; }
div.tracer-report tfoot td { border-top: 2px solid #8888; font-weight: 600; }
div.tracer-report .error { color: #d33; }
div.tracer-report .overwritten .first { font-style: italic; }
div.tracer-report p { margin: .2em 0; opacity: .75; overflow-wrap: anywhere; }
""".replace(*_WEIGHTY)
"""Colours with an alpha are readable on a light ground and on a dark one."""

PAGE_STYLE = """\
:root { color-scheme: light dark; }
body { margin: 1.5em; background: Canvas; color: CanvasText; }
div.tracer-report { overflow: visible; }
div.tracer-report thead th { position: sticky; top: 0; background: Canvas; }
""".replace(*_WEIGHTY)


LONG = 160
"""A first cell of more characters is wrapped."""


def html(table: Table) -> str:
    """A whole document: no script, no request, readable in light and in dark."""
    style = STYLE + PAGE_STYLE
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f'<!DOCTYPE html>\n<html lang="{table.lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        f"content=\"default-src 'none'; style-src 'sha256-{digest}'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(table.title) or 'tracer'}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{html_fragment(table)}\n</body>\n</html>"
    )


def html_fragment(table: Table) -> str:
    """The report alone, to be set into a page that has `STYLE`."""
    head = f'<div class="tracer-report"{lang_attribute(table.lang)}>'
    parts = [f'{head}<table class="{table.layout}">']
    if table.title:
        parts.append(f"<caption>{escape(table.title)}</caption>")
    if table.headed:
        heads = "".join(_th(column) for column in table.columns)
        parts.append(f"<thead><tr>{heads}</tr></thead>")
    parts += ["<tbody>", *(_tr(table, row) for row in table.rows), "</tbody>"]
    if table.totals:
        parts.append(f"<tfoot>{_tr(table, table.totals_row)}</tfoot>")
    parts.append("</table>")
    parts += [f"<p>{escape(note)}</p>" for note in table.notes]
    return "\n".join([*parts, "</div>"])


def cell_html(table: Table, rows: int = CELL_ROWS) -> str:
    """Return a report as HTML for a notebook cell, at most so many rows of it."""
    if len(table) > rows:
        cut = word("note_cut", table.lang, shown=rows, all=len(table))
        table = replace(table, rows=table.rows[:rows], notes=(*table.notes, cut))
    return f"<style>{STYLE}</style>{html_fragment(table)}"


def _th(column: Column) -> str:
    return f'<th scope="col"{_class(column.numeric and "n")}>{escape(column.title)}</th>'


_NAMED = re.compile(r"\.(?=[^\W\d])")


def _tr(table: Table, row: Row) -> str:
    indent = "  " * row.depth if table.layout != "grid" else ""
    cells = []
    for i, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True)):
        body = shown(cell, column.kind)
        if i == 0:
            name = "first long" if len(body) > LONG else "first"
            cells.append(f"<td{_class(name)}>{indent}{escape(body)}</td>")
        elif column.numeric:
            cells.append(f"<td{_class('n')}>{escape(body)}</td>")
        else:
            # A dotted name may be broken after a dot, a number not.
            cells.append(f"<td>{_NAMED.sub('.<wbr>', escape(body))}</td>")
    return f"<tr{_class(row.mark)}>{''.join(cells)}</tr>"


def _class(name: str | bool) -> str:
    return f' class="{name}"' if name else ""


# --- json -----------------------------------------------------------------------------------------


def json(table: Table) -> str:
    """A list with one object per row, by the columns' keys."""
    common = {key: list(texts) for key, texts in table.common.items()}
    records = ({k: _json_cell(v) for k, v in record.items()} | common for record in table.records())
    lines = ",\n".join(json_text(record) for record in records)
    return f"[\n{lines}\n]" if lines else "[]"


def json_text(data: object) -> str:
    """Return strictly valid JSON on one line, with nothing in it that a terminal would obey.

    Raises:
        ValueError: a number in it is not finite.
    """
    body = json_module.dumps(data, ensure_ascii=False, allow_nan=False)
    return spelt(body, how=lambda char: json_module.dumps(char)[1:-1])


def _json_cell(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


# --- latex ----------------------------------------------------------------------------------------


def latex(table: Table) -> str:
    r"""A ``longtable`` to ``\input`` into a document."""
    align = "".join("r" if column.numeric else "l" for column in table.columns)
    head = " & ".join(_tex(clean(column.title)) for column in table.columns)
    lines = [
        r"% \usepackage{booktabs,longtable,textcomp}; for Chinese, XeLaTeX with ctex",
        rf"\begin{{longtable}}{{{align}}}",
    ]
    if table.title:
        lines.append(rf"\caption{{{_tex(clean(table.title))}}}\\")
    lines += [r"\toprule"]
    if table.headed:
        lines += [rf"{head} \\", r"\midrule"]
    lines += [r"\endhead"]
    lines += [rf"{' & '.join(_tex_cells(table, row))} \\" for row in table.rows]
    if table.totals:
        lines += [r"\midrule", rf"{' & '.join(_tex_cells(table, table.totals_row))} \\"]
    lines += [r"\bottomrule", r"\end{longtable}"]
    lines += [rf"\noindent {_tex(clean(note))}\par" for note in table.notes]
    return "\n".join(lines)


def _tex_cells(table: Table, row: Row) -> Iterator[str]:
    for i, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True)):
        body = shown(cell, column.kind)
        spaces = len(body) - len(body.lstrip(" ")) + (2 * row.depth if i == 0 else 0)
        text = "~" * (spaces if table.layout != "grid" else 0) + _tex(body.strip(" "))
        if i == 0 and table.layout == "plain":
            text = rf"\texttt{{{text}}}"
        # A row that began with a bracket would be read as an option of the line break before it.
        yield "{}" + text if text[:1] in ("[", "*") else text


_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "-": r"-{}",
    "×": r"$\times$",
    "…": r"\ldots{}",
    "→": r"$\to$",
    "µ": r"$\mu$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
}


def _tex(body: str) -> str:
    return "".join(_TEX.get(character, character) for character in body)


FORMATS: dict[str, Callable[[Table], str]] = {
    "text": text,
    "markdown": markdown,
    "csv": csv,
    "html": html,
    "json": json,
    "latex": latex,
}
