"""The commentary: what happens at each stage, function and line, in English and Chinese.

`commentary` returns what is written about one thing as data, for every view to show in its own way;
`explain` writes it out as Markdown. The texts lie in ``commentary/*.toml`` (`tracer.rcnn.texts`),
the numbers of the run at hand come from a Trace (`tracer.rcnn.facts`). Neither needs a model.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tracer.errors import InputError, MissingError, near
from tracer.foreign import in_prose
from tracer.languages import checked
from tracer.languages import languages as all_languages
from tracer.rcnn import texts
from tracer.rcnn.facts import Here, fill, phrase
from tracer.rcnn.stages import detector_at
from tracer.rcnn.texts import Entry, in_language
from tracer.record import Call, Line, Trace, Value
from tracer.record.query import by_path, lines_of
from tracer.record.statements import first_line

CONTAINERS = ("Sequential",)
"""Classes whose own text says nothing of what they hold: one that is a stage is told as that."""
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|\\|(?<=\])\(")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that learners ask, answered.

    Attributes:
        key: its short name, e.g. ``"label-zero"``.
        title: the question.
        text: the answer's paragraphs.
        here: sentences with this run's numbers.
        papers: what to read, written out.
    """

    key: str
    title: str
    text: tuple[str, ...]
    here: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on one line of a function, or on the block that begins with it.

    Attributes:
        anchor: how the line's source text begins.
        text: the remark.
        here: sentences with this run's numbers.
        line: the line's number in the source that ran; None if the trace does not have it.
        ran: False if the call's lines were recorded and this one was not among them.
    """

    anchor: str
    text: str
    here: tuple[str, ...] = ()
    line: int | None = None
    ran: bool = True


@dataclass(frozen=True, slots=True)
class Commentary:
    """What there is to say about a stage, a function, a module or a line, in one language.

    Attributes:
        key: the stage, the function's qualified name, the path pattern, or the line's anchor.
        lang: the language.
        title: a few words.
        text: paragraphs; code is in backquotes, everything else is plain.
        here: sentences with this run's numbers; none without a trace.
        papers: what to read, written out: authors, title, place, section or equation.
        questions: what learners ask about it.
        notes: remarks on single lines of a function, in order.
        call: id of the call whose numbers are told, None for a stage or where there is none.
    """

    key: str
    lang: str
    title: str
    text: tuple[str, ...]
    here: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    notes: tuple[Note, ...] = ()
    call: int | None = None


# --- one commentary -------------------------------------------------------------------------------


def commentary(
    stage: str | None = None,
    function: str | None = None,
    line_text: str | None = None,
    lang: str = "en",
    trace: Trace | None = None,
    *,
    call: Call | None = None,
) -> Commentary | None:
    """Return what there is to say about one thing, the most particular one that is named.

    Args:
        stage: a stage's name, e.g. ``"rpn"``; a construction's stage if the trace is one.
        function: a qualified name (``"RegionProposalNetwork.filter_proposals"``); for a module its
            class's forward (``"RPNHead.forward"``).
        line_text: with `function` or `call`: the source text of one of its lines.
        lang: the language.
        trace: where the numbers come from: the function's first call in it.
        call: a call of `trace`, instead of names: its module or function, failing that its stage,
            and its own numbers.

    Returns:
        The commentary, or None if nothing is written about any of these.

    Raises:
        InputError: there is no such language.
    """
    checked(lang)
    entry = _named(stage, function, trace) if call is None else _about(call, trace, line_text)
    if entry is None:
        return None
    here = None if trace is None else _place(trace, entry, call, lang)
    if line_text is not None:
        return _of_line(entry, line_text, lang, here)
    return _written(entry, lang, here)


def function_of(call: Call, trace: Trace) -> str:
    """Return the qualified name of the function that a call ran: of a module, its forward.

    A forward that is inherited goes by the class that defines it, unless something is written about
    the heir: ``GeneralizedRCNN.forward`` for a Faster R-CNN.
    """
    if call.kind != "module":
        return call.path
    own = f"{call.type}.forward"
    if ("function", own) in texts.entries() or call.source is None:
        return own
    source = trace.sources.get(call.source.file)
    owner = _class_around(source.text, call.source.line) if source else ""
    return f"{owner or call.type}.forward"


def stage_title(name: str, lang: str = "en", kind: str = "pass") -> str:
    """Return a stage's title, or its name if nothing is written about it.

    Raises:
        InputError: there is no such language.
    """
    checked(lang)
    entry = texts.stage_entry(name, kind)
    return entry.title(lang) if entry else name


def questions(lang: str = "en", trace: Trace | None = None) -> tuple[Question, ...]:
    """Return all questions with their answers.

    Raises:
        InputError: there is no such language.
    """
    checked(lang)
    here = None if trace is None else Here(trace, lang=lang)
    return tuple(_question(entry, lang, here) for entry in texts.questions())


def _named(stage: str | None, function: str | None, trace: Trace | None) -> Entry | None:
    entry = texts.entries().get(("function", function or ""))
    return entry or (_stage_entry(stage, trace) if stage is not None else None)


def _stage_entry(name: str, trace: Trace | None) -> Entry | None:
    """A stage's text; none for a part of another model that happens to have the same name."""
    if trace is None:
        return texts.stage_entry(name, "pass")
    known = trace.kind == "construction" or detector_at(trace.modules) is not None
    return texts.stage_entry(name, trace.kind) if known else None


def _about(call: Call, trace: Trace | None, line_text: str | None) -> Entry | None:
    """A module's path before its class, and both before the stage; a line belongs to a function."""
    if trace is None:
        raise InputError("a call is explained with its trace: pass both")
    function = texts.entries().get(("function", function_of(call, trace)))
    if line_text is not None:
        return function
    module = texts.path_entry(call.path) if call.kind == "module" else None
    stage = _stage_entry(call.stage, trace) if call.stage else None
    if stage and call.type in CONTAINERS and _is_stage(call, trace):
        return module or stage or function
    return module or function or stage


def _is_stage(call: Call, trace: Trace) -> bool:
    return any(s.name == call.stage and call.id in s.calls for s in trace.stages)


@functools.lru_cache(maxsize=512)
def _class_around(text: str, line: int) -> str:
    """The class in whose body a line of a source file stands, ``""`` if in none."""
    for above in reversed(text.splitlines()[: line - 1]):
        if above.startswith("class "):
            return above.removeprefix("class ").partition("(")[0].rstrip(": ")
        if above and not above[0].isspace() and not above.startswith((")", "#")):
            break
    return ""


def _written(entry: Entry, lang: str, here: Here | None) -> Commentary:
    return Commentary(
        key=entry.key,
        lang=lang,
        title=entry.title(lang),
        text=entry.text(lang),
        here=_filled(entry.table, lang, here),
        papers=entry.papers(lang),
        questions=tuple(_question(q, lang, here) for q in texts.questions_about(entry.key)),
        notes=tuple(_note(table, lang, here) for table in entry.lines),
        call=here.call.id if here is not None and here.call is not None else None,
    )


def _of_line(entry: Entry, line_text: str, lang: str, here: Here | None) -> Commentary | None:
    text = line_text.strip()
    table = next((line for line in entry.lines if text.startswith(line["at"])), None)
    if table is None:
        return None
    note = _note(table, lang, here)
    return Commentary(note.anchor, lang, entry.title(lang), (note.text,), note.here)


def _question(entry: Entry, lang: str, here: Here | None) -> Question:
    told = _filled(entry.table, lang, here)
    return Question(entry.key, entry.title(lang), entry.text(lang), told, entry.papers(lang))


def _filled(table: Mapping[str, Any], lang: str, here: Here | None) -> tuple[str, ...]:
    """The sentences whose numbers the trace has."""
    if here is None:
        return ()
    sentences = (fill(in_language(pair, lang), here) for pair in table.get("here", ()))
    return tuple(sentence for sentence in sentences if sentence is not None)


# --- the place in the trace -----------------------------------------------------------------------


def _place(trace: Trace, entry: Entry, call: Call | None, lang: str) -> Here:
    """Where an entry's numbers are read: at a call of it, with the locals that it ended with."""
    if entry.where in ("stage", "construction"):
        return Here(trace, None, entry.key, lang)
    call = call or _first_call(entry, trace)
    if call is None:
        return Here(trace, lang=lang)
    return Here(trace, call, call.stage, lang, _locals(lines_of(trace, call)))


def _first_call(entry: Entry, trace: Trace) -> Call | None:
    """The first call of it; of a function that is wrapped, the one within the wrapper."""
    calls = [c for c in trace.calls if _answers(c, entry, trace)]
    inner = (c for c in calls if calls[0].start < c.start < calls[0].end)
    return next(inner, calls[0]) if calls else None


def _answers(call: Call, entry: Entry, trace: Trace) -> bool:
    if entry.where == "path":
        return call.kind == "module" and texts.path_entry(call.path) is entry
    return call.kind != "op" and function_of(call, trace) == entry.key


def _note(table: Mapping[str, Any], lang: str, here: Here | None) -> Note:
    text = " ".join(texts.paragraphs(in_language(table, lang)))
    if here is None or here.call is None:
        return Note(table["at"], text)
    number = _line_number(here.trace, here.call, table["at"])
    lines = lines_of(here.trace, here.call)
    until = _until(lines, number)
    told = _filled(table, lang, replace(here, local=_locals(until)))
    return Note(table["at"], text, told, number, ran=bool(until) or not lines)


def _until(lines: Sequence[Line], number: int | None) -> Sequence[Line]:
    """The lines up to the first time that one of them ran; none if it did not."""
    first = next((i for i, line in enumerate(lines) if line.line == number), None)
    return [] if first is None else lines[: first + 1]


def _locals(lines: Iterable[Line]) -> dict[str, Value]:
    names: dict[str, Value] = {}
    for line in lines:
        names.update(line.changed)
    return names


def _line_number(trace: Trace, call: Call, anchor: str) -> int | None:
    """The statement of the call's function with the first line that begins with the anchor."""
    source = trace.sources.get(call.source.file) if call.source else None
    if source is None or call.source is None:
        return None
    found = _line_in(source.text, call.source.line, anchor)
    return None if found is None else first_line(trace.sources, call.source.file, found)


@functools.lru_cache(maxsize=4096)
def _line_in(text: str, start: int, anchor: str) -> int | None:
    lines = text.splitlines()
    outer = _indent(lines[start - 1])
    in_body = False
    for number, line in enumerate(lines[start - 1 :], start):
        code = line.strip()
        if in_body and code.startswith(anchor):
            return number
        if in_body and code and _indent(line) <= outer and not code.startswith((")", "#")):
            break
        in_body = in_body or code.startswith("def ")  # decorators come before it
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


# --- a text to read -------------------------------------------------------------------------------


def explain(
    trace: Trace | None,
    stage: str | None = None,
    path: str | None = None,
    function: str | None = None,
    lang: str = "en",
    *,
    question: str | None = None,
) -> str:
    """Write the commentary as Markdown, with the trace's numbers in it.

    Args:
        trace: the recording; None for the text without numbers.
        stage: one stage; if nothing is named at all, every stage of the trace.
        path: one module of the trace, with or without its call number (``rpn.head.conv#1``).
        function: a function, by its qualified name or only its last part (``filter_proposals``).
        lang: the language, or ``"both"`` for every one.
        question: a question's key or words from it; ``""`` lists them all.

    Raises:
        MissingError: nothing of that name is known; names the nearest.
        InputError: there is no such language.
    """
    languages = all_languages() if lang == "both" else (checked(lang),)
    return _escaped(_explained(trace, stage, path, function, languages, question))


def _explained(
    trace: Trace | None,
    stage: str | None,
    path: str | None,
    function: str | None,
    languages: Iterable[str],
    question: str | None,
) -> str:
    if question is not None:
        return _explain_question(trace, question, languages)
    if path is not None:
        return _explain_path(trace, path, languages)
    if function is not None:
        return _explain_function(trace, function, languages)
    names = [stage] if stage is not None else _stage_names(trace)
    told = [_explain_stage(trace, name, languages) for name in names]
    return "\n\n".join(told or [phrase("no_stages", one) for one in languages])


def _escaped(text: str) -> str:
    """Let nothing beside the code be HTML, a link or an escape: what is no code is plain words."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(p if p[:1] == "`" else _MARKUP.sub(r"\\\g<0>", p) for p in parts)


def _stage_names(trace: Trace | None) -> list[str]:
    if trace is None:
        return texts.keys("stage")
    two_stages = {"rpn", "roi_heads"} <= set(trace.modules)
    return [*(["model"] if two_stages else []), *(stage.name for stage in trace.stages)]


def _explain_stage(trace: Trace | None, name: str, languages: Iterable[str]) -> str:
    recorded = [s.name for s in trace.stages] if trace is not None else []
    if _stage_entry(name, trace) is None:
        if name in recorded:  # another model's top-level part
            return f"## {in_prose(name)}"
        known = sorted({*texts.keys("stage", "construction"), *recorded})
        raise MissingError(f"there is no stage {name!r}{near(name, known)} ({_list(known, 20)})")
    return _both(languages, lambda lang: commentary(stage=name, lang=lang, trace=trace), trace)


def _explain_function(trace: Trace | None, name: str, languages: Iterable[str]) -> str:
    key = _function_key(trace, name)
    if ("function", key) in texts.entries():
        return _both(languages, lambda one: commentary(None, key, None, one, trace), trace)
    assert trace is not None  # a key that is not in the texts comes from the trace
    call = next(c for c in trace.calls if c.kind != "op" and function_of(c, trace) == key)
    return _explain_call(call, trace, languages)


def _function_key(trace: Trace | None, name: str) -> str:
    """The one function of this name, or with this last part: what ran before what is written."""
    ran = _functions_run(trace)
    known = {*texts.keys("function"), *ran}
    if name in known:
        return name
    found = _ending(ran, name) or _ending(known, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise MissingError(f"several functions are called {name!r}: {_list(found)}")
    hint = near(name, known) or near(name, {k.rpartition(".")[2] for k in known})
    raise MissingError(f"there is no function {name!r}{hint}")


def _functions_run(trace: Trace | None, stage: str | None = None) -> list[str]:
    """The functions that ran (in a stage), in order, each once."""
    calls = [c for c in (trace.calls if trace is not None else ()) if c.kind != "op"]
    chosen = (c for c in calls if stage is None or c.stage == stage)
    return list(dict.fromkeys(function_of(c, trace) for c in chosen if trace is not None))


def _ending(names: Iterable[str], part: str) -> list[str]:
    return sorted(n for n in names if n.rpartition(".")[2] == part or n == f"{part}.forward")


def _explain_path(trace: Trace | None, path: str, languages: Iterable[str]) -> str:
    if trace is None:
        raise InputError("a path is a module of a recording: name the recording too")
    return _explain_call(by_path(trace, path)[0], trace, languages)


def _explain_call(call: Call, trace: Trace, languages: Iterable[str]) -> str:
    name = call.label if call.kind == "module" else call.path
    found = commentary(call=call, trace=trace)
    if found is None:
        raise MissingError(f"nothing is written about {name!r} or a stage that it belongs to")
    text = _both(languages, lambda lang: commentary(call=call, lang=lang, trace=trace), trace)
    if found.key != call.stage:
        return text
    told = [phrase("only_stage", lang, name=in_prose(name)) for lang in languages]
    return "\n\n".join([*told, text])


def _explain_question(trace: Trace | None, words: str, languages: Iterable[str]) -> str:
    found = _matching(words)
    if not words:
        lang = next(iter(languages))
        titles = ((q.key, " / ".join(q.title(lang) for lang in languages)) for q in found)
        return _bullets([phrase("defined", lang, key=key, text=title) for key, title in titles])
    if not found:
        known = texts.keys("question")
        raise MissingError(f"no question matches {words!r}{near(words, known)} ({_list(known)})")
    asked = ((q, lang) for q in found for lang in languages)
    places = {lang: None if trace is None else Here(trace, lang=lang) for lang in languages}
    return "\n\n".join(_answered(_question(q, lang, places[lang])) for q, lang in asked)


def _matching(words: str) -> list[Entry]:
    """The question of that key; else those with all words; else those nearest in their words."""
    asked = texts.questions()
    wanted = words.casefold().split()
    places: tuple[Callable[[Entry], Iterable[str]], ...] = (
        lambda q: [q.key],
        lambda q: [q.title(lang) for lang in all_languages()],
        lambda q: [text for lang in all_languages() for text in q.text(lang)],
    )
    exact = [q for q in asked if q.key == words]
    found = ([q for q in asked if _has(wanted, place(q))] for place in places)
    known = exact or next(filter(None, found), [])
    mistyped = " " not in words and near(words, texts.keys("question"))  # as a key
    return known if known or mistyped else _nearest(words, asked)


def _has(words: list[str], parts: Iterable[str]) -> bool:
    text = " ".join(parts).casefold()
    return all(word in text for word in words)


def _nearest(words: str, asked: Sequence[Entry], limit: int = 3) -> list[Entry]:
    """The questions that share the most telling words with a question in a user's own words.

    A word tells the more the fewer questions have it. Those that share less than a third of what
    the words tell are left out, and those far behind the best.
    """
    wanted = _terms(words)
    have = [_terms(f"{q.key} {' '.join(map(q.title, all_languages()))}") for q in asked]
    more = [
        have[at] | _terms(" ".join(t for lang in all_languages() for t in q.text(lang)))
        for at, q in enumerate(asked)
    ]
    tells = {t: math.log((1 + len(asked)) / (1 + sum(t in m for m in more))) for t in wanted}
    scores = [
        sum(tells[t] for t in wanted & all_of) + sum(tells[t] for t in wanted & title)
        for title, all_of in zip(have, more, strict=True)
    ]
    least = max(max(scores, default=0) * 0.7, sum(tells.values()) / 3, 1e-9)
    ranked = sorted(zip(scores, range(len(asked)), strict=True), key=lambda it: (-it[0], it[1]))
    return [asked[at] for score, at in ranked[:limit] if score >= least]


def _terms(text: str) -> set[str]:
    """The words of a text without their endings, and each two neighbours of Chinese ones."""
    words = re.findall("[a-z0-9_]{2,}", text.casefold())
    chinese = re.findall("[\u4e00-\u9fff]+", text)
    pairs = {run[at : at + 2] for run in chinese for at in range(len(run) - 1)}
    return {re.sub("(?<=...)(ing|ed|es|s|e)$", "", word) for word in words} | pairs


def _both(
    languages: Iterable[str], find: Callable[[str], Commentary | None], trace: Trace | None
) -> str:
    found = (find(lang) for lang in languages)
    return "\n\n".join(_rendered(one, trace) for one in found if one is not None)


def _rendered(found: Commentary, trace: Trace | None) -> str:
    asked = [phrase("keyed", found.lang, text=q.title, key=f"`{q.key}`") for q in found.questions]
    sections = {
        "here": found.here,
        "lines": [_note_text(note, found.lang) for note in found.notes],
        "functions": _functions_in(found, trace),
        "questions": asked,
        "papers": found.papers,
    }
    parts = [
        "## " + phrase("keyed", found.lang, text=found.title, key=f"`{found.key}`"),
        *found.text,
    ]
    for name, items in sections.items():
        if items:
            heading = f"**{phrase(name, found.lang)}**"
            heading = _whose(heading, found, trace) if name == "here" else heading
            parts += [heading, _bullets(items)]
    return "\n\n".join(parts)


def _whose(heading: str, found: Commentary, trace: Trace | None) -> str:
    """Say which call the numbers are those of."""
    if trace is None or found.call is None:
        return heading
    call = trace.calls[found.call]
    same = [c for c in trace.calls if function_of(c, trace) == function_of(call, trace)]
    name = "call" if len(same) > 1 and same[0] is call else "only_call"
    told = phrase(name, found.lang, label=in_prose(call.label), count=len(same))
    return phrase("keyed", found.lang, text=heading, key=told)


def _answered(question: Question) -> str:
    lists = [_bullets(items) for items in (question.here, question.papers) if items]
    return "\n\n".join([f"## {question.title}", *question.text, *lists])


def _note_text(note: Note, lang: str) -> str:
    place = f"{note.line}: " if note.line is not None else ""
    ran = "" if note.ran else f"*{phrase('not_run', lang)}* "
    numbers = "".join(f" ▸ {sentence}" for sentence in note.here)
    return f"{place}`{note.anchor}` {ran}{note.text}{numbers}"


def _functions_in(found: Commentary, trace: Trace | None) -> list[str]:
    """The commented functions of a stage: those that ran in it, or all that belong to it."""
    if texts.stage_entry(found.key, "pass") is None:
        return []
    home = ("stage", found.key)
    belonging = [k for (_, k), e in texts.entries().items() if e.home == home]
    names = belonging if trace is None else _functions_run(trace, found.key)
    told = [e for e in (texts.entries().get(("function", name)) for name in names) if e]
    titles = {e.key: e.title(found.lang) for e in told if e.home[1]}
    return [phrase("defined", found.lang, key=key, text=title) for key, title in titles.items()]


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _list(names: Iterable[str], limit: int = 8) -> str:
    first, rest = list(names)[:limit], list(names)[limit:]
    return ", ".join(first) + (f" and {len(rest)} more" if rest else "")
