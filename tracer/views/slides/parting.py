"""The deck of a comparison: where two recordings part, at which line, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from tracer.errors import MissingError, TracerError, require_one_of
from tracer.foreign import clean
from tracer.languages import languages
from tracer.numbers import shown
from tracer.record import Call, Trace
from tracer.record.comparison import Comparison, line_text
from tracer.views.figures.divergence import fig_both_detections, fig_divergence
from tracer.views.kit.differences import answer, branch_told, environment_told, notes
from tracer.views.kit.palette import THEMES
from tracer.views.reports.difference import detections, difference
from tracer.views.slides.deck import BOTH, Cells, Code, Deck, Part, Points, Slide
from tracer.views.slides.design import FIGURE, texts
from tracer.views.slides.excerpts import code, definitions
from tracer.views.slides.illustrations import drawn_inches, undressed
from tracer.views.slides.subject import Subject, credits_of

MOST_ROWS = 10
"""What a slide has room for."""

NAMED = 48
"""Characters of a call in a table; of a longer path its end tells more."""


def parting_deck(
    compared: Comparison, *, lang: str = "en", theme: str = "light", image: int = 0
) -> Deck:
    """Make a deck of a comparison.

    Args:
        compared: two recordings.
        lang: the language, or ``"both"``.
        theme: ``"light"`` or ``"dark"``.
        image: which one of the batch is shown.

    Returns:
        The deck: the two, the answer, a figure of the divergence through the depth, the line where
        control parts, the calls that part, what became of the detections; each as far as the two
        recordings hold it.

    Raises:
        InputError: there is no such language, theme or image.
    """
    require_one_of("language", lang, (*languages(), BOTH))
    require_one_of("theme", theme, THEMES)
    wanted = languages() if lang == BOTH else (lang,)
    each = [list(_slides(compared, one, theme, image)) for one in wanted]
    slides = tuple(slide for same in zip(*each, strict=True) for slide in same)
    credits = dict.fromkeys((*credits_of(compared.first), *credits_of(compared.second)))
    return Deck(texts("compared.title", wanted[0]), slides, lang, theme, None, tuple(credits))


def _slides(compared: Comparison, lang: str, theme: str, image: int) -> Iterator[Slide]:
    told = answer(compared, lang)
    said = notes(compared, lang)
    heads = {key: texts(f"compared.{key}", lang) for key in texts.table("compared", lang)}

    def slide(
        key: str, *parts: Part, spoken: tuple[str, ...] = (), layout: str = "content"
    ) -> Slide:
        return Slide(f"compared-{key}", heads[key], parts, spoken, "overview", lang, layout)

    yield slide("title", Points(_about(compared, lang)), spoken=told, layout="title")
    branch = () if compared.branch is None else tuple(branch_told(compared, compared.branch, lang))
    key = "same" if compared.same else "answer"
    yield slide(key, Points((*told, *branch[:1])), spoken=said)
    look = {"lang": lang, "theme": theme, "size": "slide", "inches": drawn_inches(FIGURE)}
    with suppress(MissingError):
        depth = undressed(fig_divergence(compared, **look), FIGURE)  # type: ignore[arg-type]
        yield slide("depth", depth, spoken=(*told, depth.alt))
    if (source := _branch(compared, lang)) is not None:
        yield slide("branch", source, spoken=branch)
    if (table := _calls(compared, lang)).rows:
        yield slide("table", table, spoken=said)
    with suppress(MissingError):
        both = undressed(fig_both_detections(compared, image=image, **look), FIGURE)  # type: ignore[arg-type]
        yield slide("detections", both, spoken=(detections(compared, lang=lang).title, both.alt))


def _about(compared: Comparison, lang: str) -> tuple[str, ...]:
    names = [trace.called() for trace in (compared.first, compared.second)]
    counts = {name: f"{n:,}" for name, n in compared.counts.items()}
    calls = texts("compared.calls", lang, calls=f"{len(compared.pairs):,}", **counts)
    called = (f"{side}: {clean(name, 120)}" for side, name in zip("AB", names, strict=True))
    return (*called, *environment_told(compared, lang), calls)


def _branch(compared: Comparison, lang: str) -> Code | None:
    """Return the source around the line after which control parts; None where it is not known."""
    branch = compared.branch
    call = None if branch is None else compared.pairs[branch.pair].first
    if branch is None or call is None or not branch.text:
        return None
    function = _function_at(compared.first, call, branch.at[0]) if branch.at else None
    if function is None:
        return None
    ways = ((compared.first, branch.first), (compared.second, branch.second))
    texts_ = [line_text(trace, call, line) for trace, line in ways if line is not None]
    subject = Subject(compared.first, lang)
    for lines in ((branch.text, *texts_), (branch.text,)):  # the ways may be out of sight
        with suppress(TracerError):
            return code(subject, function, tuple(dict.fromkeys(lines)), call.label).code
    return None


def _function_at(trace: Trace, call: Call, line: int) -> str | None:
    """Return the qualified name of the function whose line it is; None where that is not known."""
    source = trace.sources.get(call.source.file) if call.source else None
    defined = definitions(source.text) if source else {}
    spans = ((name, node.lineno, node.end_lineno or 0) for name, node in defined.items())
    return next((name for name, start, end in spans if start <= line <= end), None)


def _calls(compared: Comparison, lang: str) -> Cells:
    """Return the calls around the parting, it, and the first that follow."""
    report = difference(compared, lang=lang)
    keys = ("call", "status", "first", "second")
    columns = [index for index, column in enumerate(report.columns) if column.key in keys]
    rows = tuple(
        tuple(_cut(shown(row.cells[index], report.columns[index].kind)) for index in columns)
        for row in report.rows[:MOST_ROWS]
    )
    heads = tuple(report.columns[index].title for index in columns)
    return Cells(heads, rows)


def _cut(text: str) -> str:
    return text if len(text) <= NAMED else f"…{text[-NAMED:]}"
