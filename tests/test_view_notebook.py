"""What a notebook shows of a recording and of a report."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from handmade import HOSTILE_NAMES, failed_pass, hostile_pass, tiny_construction, tiny_pass

from tracer.foreign import clean
from tracer.views.reports.formats import cell_html
from tracer.views.reports.notebook_html import trace_html
from tracer.views.reports.report import Column, Row, Table


def glance(trace) -> str:
    """Return what is shown of a recording at once; the page to step through is folded in after."""
    return trace._repr_html_().partition("<details")[0]


def text_of(fragment: str) -> str:
    """Return what a reader sees."""
    body = re.sub("<style>.*?</style>", "", fragment, flags=re.DOTALL)
    return html.unescape(re.sub("<[^>]*>", " ", body.replace("<wbr>", "")))


def test_a_recording_at_a_glance():
    seen = text_of(glance(tiny_pass()))
    assert "TinyNet, a pass in eval mode" in seen
    assert "15 calls · 8 lines · 11 tensor states" in seen
    assert "torch 2.9.0" in seen
    assert "Written by hand." in seen
    assert "1×4×6×8" in seen


@pytest.mark.parametrize("story", [failed_pass, tiny_construction, hostile_pass])
def test_every_story_can_be_shown(story):
    trace = story()
    assert trace.subject.split()[0][:5] in text_of(glance(trace))


def test_a_failure_is_told():
    assert "It ended by RuntimeError" in text_of(glance(failed_pass()))


def test_hostile_names_stay_text():
    fragment = glance(hostile_pass()) + hostile_pass().tree()._repr_html_()
    tags = set(re.findall(r"<([a-zA-Z]+)", fragment))
    assert tags <= {
        *("div", "style", "strong", "p", "table", "caption", "thead", "tbody", "tfoot"),
        *("tr", "th", "td", "wbr"),
    }
    seen = text_of(fragment)
    assert all(clean(name) in seen for name in HOSTILE_NAMES)


def test_a_long_report_is_cut_and_says_so():
    table = Table((Column("n", "N", "count"),), tuple(Row((n,)) for n in range(1000)))
    seen = text_of(cell_html(table, rows=50))
    assert "The first 50 of 1000 rows" in seen
    assert re.search(r"\b49\b", seen)
    assert not re.search(r"\b50\s", seen.replace("The first 50", ""))
    assert "The first" not in text_of(cell_html(table, rows=1000))


def test_a_real_recording(recorded):
    seen = text_of(glance(recorded))
    assert "FasterRCNN, a pass in eval mode" in seen
    assert "P6" in seen
    assert len(glance(recorded)) < 20_000


def test_chinese_texts_say_so_that_browsers_take_a_chinese_font():
    assert 'lang="zh-CN"' in cell_html(replace(Table((), ()), lang="zh"))
    assert 'lang="' not in cell_html(Table((), ()))
    assert trace_html(tiny_pass(), lang="zh").count(' lang="zh-CN"') >= 3
