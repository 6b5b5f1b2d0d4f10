"""The writers: each format's whole text for one small table, and hostile names in every format."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import math
import re
from dataclasses import replace

import pytest
from golden_files import check_golden
from handmade import HOSTILE_NAMES, hostile_pass

from tracer import numbers as cells
from tracer.errors import InputError, MissingError
from tracer.foreign import clean
from tracer.numbers import shown
from tracer.views.reports.formats import FORMATS
from tracer.views.reports.report import NUMERIC, Column, Row, Table
from tracer.views.reports.text_layout import guides, width, wrap


def small(layout: str = "grid") -> Table:
    return Table(
        columns=(
            Column("call", "Call"),
            Column("output", "Output"),
            Column("params", "Params", "count"),
            Column("time", "Time", "seconds"),
        ),
        rows=(
            Row(("(root)", "{scores: 1×2}", None, 0.5)),
            Row(("body", "1×4×6×8", 9408, 0.00125), depth=1, mark="overwritten"),
            Row(("body.conv", None, 108, 2e-6), depth=2),
            Row(("head", "1×2", 10, 0.25), depth=1, mark="error"),
        ),
        title="A small table",
        notes=("A note.", "Another."),
        totals=("Total", None, 9526, 0.751252),
        layout=layout,
    )


def test_text():
    assert small().to("text") == str(small()) == repr(small())
    assert (
        str(small())
        == """\
A small table

Call       Output         Params     Time
─────────  ─────────────  ──────  ───────
(root)     {scores: 1×2}           500 ms
body       1×4×6×8         9,408  1.25 ms
body.conv                    108     2 µs
head       1×2                10   250 ms
─────────  ─────────────  ──────  ───────
Total                      9,526   751 ms

A note.
Another."""
    )


def test_text_of_a_tree():
    lines = str(small("tree")).split("\n")[4:8]
    assert [line[:16].rstrip() for line in lines] == [
        "(root)",
        "├─ body",
        "│  └─ body.conv",
        "└─ head",
    ]


def test_text_of_plain_lines():
    columns = (Column("line", ""),)
    rows = (Row(("Net(",)), Row(("(a): A()",), depth=1), Row(("",), depth=1), Row((")",)))
    assert str(Table(columns, rows, layout="plain")) == "Net(\n  (a): A()\n\n)"


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"text"}))
@pytest.mark.parametrize("layout", ["grid", "tree"])
def test_golden(format, layout):
    text = small(layout).to(format)
    if format == "html":  # its style is no business of a golden file
        text = text.partition("</style>")[2]
    check_golden(f"small_{layout}.{format}", text)


def test_chinese_takes_two_cells():
    table = Table(
        (Column("a", "调用"), Column("b", "b")), (Row(("骨干", "x")), Row(("abcde", "y")))
    )
    assert str(table).split("\n") == ["调用   b", "─────  ─", "骨干   x", "abcde  y"]


def test_an_unknown_format_is_refused_with_what_is_near():
    with pytest.raises(InputError, match=r"no format 'markdwn'; did you mean 'markdown'\?"):
        small().to("markdwn")


def test_columns_can_be_picked_and_ordered():
    table = small().select(["params", "call"])
    assert [column.key for column in table.columns] == ["params", "call"]
    assert table.rows[1].cells == (9408, "body")
    assert table.totals == (9526, "Total")
    assert small().column("params") == [None, 9408, 108, 10]


def test_an_unknown_column_is_refused_with_what_is_near():
    with pytest.raises(MissingError, match=r"no column 'parms'; did you mean 'params'\?"):
        small().select(["parms"])


def test_records_have_the_depth_where_it_shows():
    assert small().records()[1] == {
        "call": "body",
        "output": "1×4×6×8",
        "params": 9408,
        "time": 0.00125,
    }
    assert small("tree").records()[2]["depth"] == 2


def test_a_depth_that_is_a_column_too_stands_there_once():
    table = Table(
        (Column("call", "Call"), Column("depth", "Depth")), (Row(("a", 0)),), layout="tree"
    )
    assert table.to("csv") == "depth,call\n0,a"


def test_csv_has_plain_numbers_under_the_keys():
    rows = list(csv.DictReader(io.StringIO(small().to("csv"))))
    assert [row["params"] for row in rows] == ["", "9408", "108", "10"]
    assert float(rows[2]["time"]) == 2e-6


def test_json_has_null_where_a_number_is_not_finite():
    table = Table((Column("x", "x", "number"),), (Row((math.nan,)), Row((math.inf,)), Row((1.5,))))
    assert json.loads(table.to("json")) == [{"x": None}, {"x": None}, {"x": 1.5}]
    assert json.loads(Table((Column("x", "x"),), ()).to("json")) == []


# --- single cells ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("count", 25557032, "25,557,032"),
        ("macs", 118013952, "118 M"),
        ("macs", 999_499, "999 k"),
        ("macs", 999_600, "1.00 M"),
        ("macs", 12, "12"),
        ("seconds", 0.0123, "12.3 ms"),
        ("seconds", 0.0009996, "1.00 ms"),
        ("seconds", 12.345, "12.3 s"),
        ("seconds", -0.5, "-500 ms"),
        ("fraction", 0.49851, "49.9 %"),
        ("number", -1.32749, "-1.327"),
        ("number", 1474, "1,474"),
        ("pixels", "4, 8", "4, 8"),
        ("text", None, ""),
        ("text", True, "True"),
        ("number", math.nan, "nan"),
    ],
)
def test_cells(kind, value, text):
    assert shown(value, kind) == text


def test_every_numeric_kind_has_a_writer():
    assert set(NUMERIC) == set(cells.WRITERS)


def test_control_characters_are_spelt_out():
    assert clean("a\nb\x1b[31m\u202e\ud800") == r"a\nb\x1b[31m\u202e\ud800"
    assert clean("骨干 é ×") == "骨干 é ×"


def test_guides_join_the_right_rows():
    assert guides([0, 1, 2, 2, 1, 2, 0]) == [
        "",
        "├─ ",
        "│  ├─ ",
        "│  └─ ",
        "└─ ",
        "   └─ ",
        "",
    ]


def test_notes_are_wrapped_at_spaces_and_chinese_anywhere():
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("一二三四五六", 6) == ["一二三", "四五六"]
    assert all(width(line) <= 10 for line in wrap("模块 layer1.1 表示，相邻 的", 10))


def test_no_line_begins_with_a_closing_sign_or_ends_with_an_opening_one():
    assert wrap("三个字，两个（见）“引”", 6) == ["三个", "字，两", "个", "（见）", "“引”"]
    assert wrap("值是“NaN”：停", 8) == ["值是", "“NaN”：", "停"]


# --- the terminal ---------------------------------------------------------------------------------


def drawn(table: Table, columns: int, color: bool = False) -> str:
    from rich.console import Console

    out = io.StringIO()
    system = "standard" if color else None
    console = Console(file=out, width=columns, force_terminal=True, color_system=system)
    console.print(table)
    return out.getvalue()


@pytest.mark.parametrize("columns", [12, 20, 30, 41, 80])
@pytest.mark.parametrize("layout", ["grid", "tree"])
def test_a_terminal_gets_lines_that_fit(columns, layout):
    lines = drawn(small(layout), columns).split("\n")
    rows = [line for line in lines if not line.startswith("A small")]
    assert max(width(line) for line in rows) <= columns


def test_a_wide_terminal_shows_what_a_pipe_gets():
    assert drawn(small(), 200).rstrip("\n") == str(small())


def test_a_narrow_terminal_leaves_columns_out_by_rank_and_says_so():
    ranked = (
        Column("call", "Call"),
        Column("output", "Output", rank=3),
        Column("params", "Params", "count", rank=1),
        Column("time", "Time", "seconds", rank=2),
    )
    table = Table(ranked, small().rows)
    text = drawn(table, 34)
    assert "Output" not in text.split("\n")[0]
    assert "Params" in text.split("\n")[0]
    said = " ".join(text.split())
    assert "lack of width: output (columns= chooses, wide=True has all of them)." in said


def test_names_are_no_rich_markup():
    table = Table((Column("call", "Call"),), (Row(("[red]x[/red] [link=a]b[/link] :smile:",)),))
    assert "[red]x[/red] [link=a]b[/link] :smile:" in drawn(table, 100, color=True)


def test_colour_marks_errors():
    line = next(line for line in drawn(small(), 80, color=True).split("\n") if "head" in line)
    assert "\x1b[1;31m" in line


# --- hostile names in every format ----------------------------------------------------------------

REPORTS = ("table", "tree", "board", "architecture")


@pytest.fixture(scope="module")
def hostile():
    trace = hostile_pass()
    return {name: getattr(trace, name)() for name in REPORTS}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("report", REPORTS)
def test_hostile_names_bring_no_control_character_and_no_extra_line(hostile, report, format):
    table = hostile[report]
    text = table.to(format, wide=True)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\u2066]", text)
    harmless = replace(
        table,
        rows=tuple(replace(row, cells=("x",) * len(row.cells)) for row in table.rows),
        title="x" if table.title else "",
        notes=("x",) * len(table.notes),
    )
    assert text.count("\n") == harmless.to(format, wide=True).count("\n")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_whole_in_text(hostile, name):
    assert clean(name) in hostile["table"].to("text", wide=True)


class Reader(html.parser.HTMLParser):
    """Collects the tags of a document and the text of its cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in ("td", "p", "caption", "title"):
            self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


@pytest.mark.parametrize("report", REPORTS)
def test_html_shows_hostile_names_as_text(hostile, report):
    reader = Reader()
    reader.feed(hostile[report].to("html"))
    assert not reader.tags & {"script", "img", "red", "link"}
    assert reader.attributes <= {
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "scope",
    }
    shown_texts = "\n".join(reader.texts)
    assert all(clean(name) in shown_texts for name in HOSTILE_NAMES)


def test_the_html_page_allows_its_own_style_only():
    import base64
    import hashlib

    page = small().to("html")
    style = re.search("<style>(.*?)</style>", page, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert not re.search("https?://", page)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_markdown_keeps_a_hostile_name_in_its_cell(name):
    table = Table((Column("a", "a"), Column("b", "b")), (Row((name, "end")),))
    row = table.to("markdown").split("\n")[-1]
    assert re.findall(r"(?<!\\)(?:\\\\)*\|", row)[1:-1] == ["|"], row
    assert not re.search(r"(?<!\\)[<>`*\[\]]", row)
    # Undoing the escapes gives the name back.
    cell = re.split(r"(?<!\\)\|", row)[1].strip()
    assert html.unescape(re.sub(r"\\([\\`*\[\]<>|~$#!_])", r"\1", cell)) == clean(name).strip()


def test_markdown_underscores():
    rows = tuple(Row((text,)) for text in ("roi_heads", "__init__", "_x"))
    body = Table((Column("a", "a"),), rows).to("markdown").split("\n")[2:]
    assert body == ["| roi_heads |", r"| \_\_init\_\_ |", r"| \_x |"]


def test_a_markdown_code_block_is_fenced_longer_than_what_is_in_it():
    table = Table((Column("line", ""),), (Row(("a ``` b",)), Row(("````",))), layout="plain")
    assert table.to("markdown") == "`````text\na ``` b\n````\n`````"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "＝1", " =1", "\t=1", "\r=1"])
def test_csv_quotes_what_a_spreadsheet_would_compute(name):
    table = Table((Column("a", "a"), Column("b", "b", "number")), (Row((name, -1.5)),))
    (row,) = csv.DictReader(io.StringIO(table.to("csv")))
    assert row["a"][0] in "'\\"
    assert row["a"].removeprefix("'") == clean(name)
    assert row["b"] == "-1.5"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_csv_gives_a_hostile_name_back(name):
    (row,) = csv.DictReader(io.StringIO(Table((Column("a", "a"),), (Row((name,)),)).to("csv")))
    assert row["a"].removeprefix("'") == clean(name)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_json_gives_a_hostile_name_back_exactly(name):
    assert json.loads(Table((Column("a", "a"),), (Row((name,)),)).to("json")) == [{"a": name}]


def test_latex_escapes_what_tex_would_obey():
    table = Table((Column("a", "a"),), (Row((r"\%_&#{}$~^<>|'`-×µ[x]",)),))
    row = table.to("latex").split("\n")[-3]
    assert row == (
        r"\textbackslash{}\%\_\&\#\{\}\$\textasciitilde{}\textasciicircum{}\textless{}"
        r"\textgreater{}\textbar{}\textquotesingle{}\textasciigrave{}-{}$\times$$\mu$[x] \\"
    )


def test_a_latex_row_that_begins_with_a_bracket_is_no_option_of_the_row_before():
    table = Table((Column("a", "a"),), (Row(("[2cm] x",)), Row(("*",))))
    assert table.to("latex").split("\n")[-4:-2] == [r"{}[2cm] x \\", r"{}* \\"]
