"""From a recording to a deck: each entry of an outline becomes a slide in a language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tracer.errors import InputError, MissingError, require_one_of, together
from tracer.languages import languages, listed
from tracer.rcnn.anatomy import fitting
from tracer.record import Trace
from tracer.tours import Tour, find, in_language, missing
from tracer.views.slides.deck import (
    BOTH,
    Cells,
    Deck,
    Interactive,
    Part,
    Pictures,
    Points,
    Slide,
)
from tracer.views.slides.design import BESIDE, FIGURE, OPENING, stage_title, texts
from tracer.views.slides.excerpts import code
from tracer.views.slides.handout import unstepped
from tracer.views.slides.outline import (
    ENDS,
    Entry,
    Grid,
    Outline,
    Text,
    catalogue,
    chosen,
    read_outline,
)
from tracer.views.slides.subject import Subject, credits_of
from tracer.views.slides.tables import table

THEMES = ("light", "dark")


@dataclass(frozen=True)
class Plan:
    """How slides are made.

    Attributes:
        subjects: the recording, once for each language of the deck.
        theme: of the figures.
        folder: that an outline's pictures and notebooks are looked for in.
    """

    subjects: tuple[Subject, ...]
    theme: str
    folder: Path


def deck(
    trace: Trace, *, lang: str = "en", theme: str = "light", stages: Iterable[str] = (),
    outline: str | Path | None = None, strict: bool = False, steps: bool = True,
    page: str | Path | None = None, image: int = 0, tour: str = "",
    progress: Callable[[str], None] = lambda key: None,
) -> Deck:  # fmt: skip
    """Make a deck from a recording; the options are those of `Recording.slides`.

    Returns:
        The deck; `Deck.left_out` says which slides it lacks, and why.

    Raises:
        InputError: an unknown language or theme, or an outline that cannot be used.
        MissingError: there is no such stage; nothing could be shown; with `strict`, a slide lacks
            something.
    """
    require_one_of("language", lang, (*languages(), BOTH))
    require_one_of("theme", theme, THEMES)
    stages = tuple(stages)
    if tour:
        if outline is not None or stages:
            raise InputError("a deck follows a tour, or an outline or stages: not both")
        followed = find(tour)
        asked = Outline((catalogue()["sources"],), followed.title)
    else:
        followed, asked = None, _asked(outline, stages)
    wanted = languages() if lang == BOTH else (lang,)
    named = ((one, _title(asked, stages, trace, one)) for one in wanted)
    subjects = tuple(Subject(trace, one, title, image) for one, title in named)
    plan = Plan(subjects, theme, asked.folder)
    entries = asked.entries if outline else _fitting(asked.entries, subjects[0])
    slides, left_out = _slides(plan, entries, strict, progress)
    if followed is not None:
        led, lacking = _led(plan, followed, strict, progress)
        slides, left_out = [*led, *slides], (*lacking, *left_out)
    if not any(slide.key not in ENDS for slide in slides):
        raise MissingError(f"there is nothing to make a deck of: {_why(left_out, asked, stages)}")
    made = Deck(
        subjects[0].title, tuple(slides), lang, theme,
        Path(page) if page is not None else None, credits_of(trace), left_out,
    )  # fmt: skip
    return made if steps else unstepped(made)


def _asked(outline: str | Path | None, stages: tuple[str, ...]) -> Outline:
    there = chosen(stages)
    if outline is None:
        return Outline(there)
    read = read_outline(outline)
    if not stages:
        return read
    kept = tuple(e for e in read.entries if e.stage in stages or e.layout == "title")
    return replace(read, entries=kept)


def _fitting(entries: Iterable[Entry], subject: Subject) -> tuple[Entry, ...]:
    """The slides that go with a recording of this kind: no losses for a pass in eval mode."""
    return tuple(e for e in entries if all(subject.has(need) for need in e.needs))


def _why(left_out: tuple[str, ...], asked: Outline, stages: tuple[str, ...]) -> str:
    """Say why a deck has no slides of its own."""
    if left_out:
        return left_out[0]
    needs = {need for entry in asked.entries for need in entry.needs} - {"pass"}
    which = f"the slides of {', '.join(stages)}" if stages else "its slides"
    return f"{which} are for other recordings ({', '.join(sorted(needs))})"


def _slides(
    plan: Plan, entries: Iterable[Entry], strict: bool, progress: Callable[[str], None]
) -> tuple[list[Slide], tuple[str, ...]]:
    slides: list[Slide] = []
    left_out: list[tuple[str, MissingError]] = []
    for entry in entries:
        progress(entry.key)
        try:
            for subject in plan.subjects:
                with fitting("what it shows"):
                    slides += list(_made(plan, entry, subject))
        except MissingError as error:
            name = f"{entry.key!r} ({entry.place})" if entry.place else repr(entry.key)
            if strict:
                raise MissingError(f"slide {name}: {error}") from error
            left_out.append((name, error))
    return slides, tuple(together(left_out))


def _led(
    plan: Plan, tour: Tour, strict: bool, progress: Callable[[str], None]
) -> tuple[list[Slide], tuple[str, ...]]:
    """The slides of a tour, and which of its stops the recording lacks."""
    from tracer.views.slides.learning import opening, stops

    slides: list[Slide] = []
    lacking = missing(tour, plan.subjects[0].trace)
    reasons = tuple(f"stop {number} of {tour.name!r}: {why}" for number, why in lacking.items())
    if strict and reasons:
        raise MissingError(reasons[0])
    for subject in plan.subjects:
        progress(tour.name)
        slides += [opening(subject, tour), *stops(subject, tour, plan.theme)]
    return slides, reasons


def _title(asked: Outline, stages: tuple[str, ...], trace: Trace, lang: str) -> str:
    """Of the outline, of the lecture's stages, or of the whole walkthrough."""
    if any(asked.title.values()):
        title = in_language(asked.title, lang)
    elif stages:
        title = listed((stage_title(stage, lang) for stage in stages), lang)
    else:
        title = texts("step_by_step", lang, subject=trace.subject)
    return trace.called(title)


# --- one slide ------------------------------------------------------------------------------------


def _made(plan: Plan, entry: Entry, subject: Subject) -> Iterator[Slide]:
    if any(entry.notebook.values()):
        yield from _of_notebook(plan, entry, subject)
        return
    if entry.guess:
        from tracer.views.slides.learning import asked

        title = subject.told(entry.title) or ""
        yield from asked(subject, entry.key, entry.guess, title, entry.stage or None)
        return
    parts, said, step = _parts(plan, entry, subject)
    notes = [told for text in entry.notes if (told := subject.told(text)) is not None]
    for name in entry.about:
        notes += _about(entry, subject, name)
    yield Slide(
        key=entry.key,
        title=_filled(entry.title, subject),
        parts=parts,
        notes=tuple(_plain(note) for note in [*notes, *said] if note),
        stage=entry.stage or None,
        lang=subject.lang,
        layout=entry.layout,
        step=(subject.address(entry.link) if entry.link else "") or step,
    )


def _of_notebook(plan: Plan, entry: Entry, subject: Subject) -> Iterator[Slide]:
    """The tagged cells; of one notebook for both languages, once."""
    from tracer.views.slides.from_notebook import slides_of

    if subject is plan.subjects[0] or len(set(entry.notebook.values())) > 1:
        path = plan.folder / entry.notebook[subject.lang]
        yield from slides_of(path, entry, subject, plan.theme)


def _about(entry: Entry, subject: Subject, name: str) -> tuple[str, ...]:
    try:
        return subject.about(name)
    except KeyError as error:
        raise InputError(f"{entry.place}: the commentary has nothing about {name!r}") from error


def _filled(text: Text, subject: Subject) -> str:
    """Text with its numbers; as it stands where one of them is not known.

    Raises:
        MissingError: a number of the catalogue's own text is not in the recording.
    """
    told = subject.told(text)
    return text.get(subject.lang, "") if told is None else told


def _plain(text: str) -> str:
    """Without the backquotes that mark code in the commentary."""
    return text.replace("`", "")


def _parts(plan: Plan, entry: Entry, subject: Subject) -> tuple[tuple[Part, ...], list[str], str]:
    """Return the parts, what is to be said of them, and the step that they show."""
    points = tuple(told for text in entry.points if (told := subject.told(text)) is not None)
    shown: list[Part] = []
    said: list[str] = []
    step = ""
    if _illustrated(entry, subject):
        # A title page goes without its figure where the recording cannot fill that.
        with suppress(MissingError) if entry.layout == "title" else nullcontext():
            pictures = _pictures(plan, entry, subject, _room(entry, points))
            shown.append(pictures)
            said.append(pictures.alt if entry.figure else "")
    if entry.interactive:
        shown.append(_interactive(plan, entry, subject, _room(entry, points)))
    if entry.flow:
        from tracer.views.slides.moving import moving

        flow = moving(subject, entry.flow, theme=plan.theme, size=_room(entry, points))
        shown.append(flow)
        said.append(flow.still.alt)
    if entry.table:
        shown.append(_table(entry, subject))
    if entry.code:
        piece = code(subject, entry.code, entry.at, entry.link)
        shown.append(piece.code)
        said += piece.said
        step = piece.step
    if points:
        shown.append(Points(points, entry.stepwise))
    return tuple(shown), said, step


def _illustrated(entry: Entry, subject: Subject) -> bool:
    """Whether a slide has a picture; a figure on a title page is of what a model detected."""
    if entry.layout == "title" and entry.figure:
        return subject.has("eval")
    return bool(entry.figure) or any(entry.picture.values())


def _room(entry: Entry, points: Sequence[str]) -> tuple[float, float]:
    """Return the inches that a figure has, beside what else is on the slide."""
    if entry.layout == "title":
        return OPENING
    return BESIDE if points else FIGURE


def _pictures(plan: Plan, entry: Entry, subject: Subject, size: tuple[float, float]) -> Pictures:
    from tracer.views.slides import illustrations as pictures

    caption = subject.told(entry.caption) or ""
    if any(entry.picture.values()):
        file = plan.folder / entry.picture[subject.lang]
        figure = pictures.from_file(file, theme=plan.theme, size=size, place=entry.place)
        return Pictures(
            (figure,), entry.alt.get(subject.lang) or _filled(entry.title, subject), caption
        )
    found = pictures.drawn(
        subject, entry.figure, theme=plan.theme, size=size, zoom=entry.zoom, options=entry.options
    )
    return replace(found, caption=caption, alt=entry.alt.get(subject.lang) or found.alt)


def _interactive(
    plan: Plan, entry: Entry, subject: Subject, size: tuple[float, float]
) -> Interactive:
    from tracer.views.slides.interactive import interactive

    return interactive(subject, entry.interactive, theme=plan.theme, size=size)


def _table(entry: Entry, subject: Subject) -> Cells:
    if not isinstance(entry.table, Grid):
        return table(subject, entry.table)
    rows = tuple(tuple(_filled(cell, subject) for cell in row) for row in entry.table.rows)
    return Cells(tuple(text[subject.lang] for text in entry.table.head), rows)
