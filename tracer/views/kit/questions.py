"""Guess the shape that comes out of a call; the recording says whether it is right, and why.

>>> predict(recording, "backbone.fpn[pool]", (256, 8, 10))
right: backbone.fpn[pool] gives 1×256×8×10

A call is named as everywhere: by its path, with ``#2`` for the third call of it. Where it gives
more than one tensor, brackets choose one, as Python would: ``"backbone.fpn[pool]"``,
``"rpn.head[0][3]"`` (of two lists the first, of that the fourth), ``"(root)[0][boxes]"``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

from tracer.errors import InputError, MissingError, near
from tracer.languages import checked, listed
from tracer.numbers import dims
from tracer.record import Call, Trace, Value, query
from tracer.views.kit.html_text import escape, lang_attribute
from tracer.views.kit.palette import THEMES
from tracer.views.kit.reasons import reasons, say, shape_of

Shape = tuple[int, ...]

__all__ = ["Answer", "find", "given", "outputs", "predict"]


@dataclass(frozen=True, repr=False)
class Answer:
    """What is to be said of a guess; a notebook displays it.

    Attributes:
        asked: the call, and which of its results, ``"backbone.fpn[pool]"``.
        lang: the language of the texts.
        given: the shapes that went in.
        guess: the reader's, None where there is none yet.
        right: whether it is right; None without a guess.
        shape: what came out; None without a guess.
        verdict: one line.
        why: the reasons, a sentence each.
    """

    asked: str
    lang: str
    given: tuple[Shape, ...]
    guess: Shape | None
    right: bool | None
    shape: Shape | None
    verdict: str
    why: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether the guess is right."""
        return self.right is True

    def __str__(self) -> str:
        """The verdict and, beneath it, the reasons."""
        return "\n".join([self.verdict, *(f"  - {reason}" for reason in self.why)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        it = THEMES["light"]
        marks = {
            True: ("✓", it.positive),
            False: ("✗", it.error),
            None: ("?", it.accent),
        }
        mark, colour = marks[self.right]
        style = f"border-left:4px solid {colour};padding:.3em .9em;margin:.3em 0;max-width:60em"
        reasons = "".join(f"<li>{escape(reason)}</li>" for reason in self.why)
        listed = f'<ul style="margin:.4em 0 0">{reasons}</ul>' if reasons else ""
        head = f'<b><span style="color:{colour}">{mark}</span> {escape(self.verdict)}</b>'
        tag = f'<div class="tracer-answer" style="{style}"{lang_attribute(self.lang)}>'
        return f"{tag}{head}{listed}</div>"


def predict(trace: Trace, call: str, guess: Any, lang: str = "en") -> Answer:
    """Check a guess of the shape that a call gave.

    Args:
        trace: a recording.
        call: which call, and in brackets which of its results; see the module's docstring.
        guess: sizes, ``(256, 8, 10)``; the leading batch axis may be left out. ``...`` for none
            yet: the answer then asks for one and gives nothing away.
        lang: the language.

    Raises:
        MissingError: there is no such call or result, or it raised before it gave one; names what
            is near or there.
        InputError: a guess that is no shape, or an unknown language.
    """
    checked(lang)
    found, state = find(trace, call)
    before = given(trace, found)
    if isinstance(guess, EllipsisType):
        return Answer(call, lang, before, None, None, None, _waiting(call, before, lang))
    return _judged(trace, found, call, state, _shape(guess), before, lang)


def _judged(
    trace: Trace, found: Call, call: str, state: int, guess: Shape, given: tuple[Shape, ...],
    lang: str,
) -> Answer:  # fmt: skip
    shape = shape_of(trace, state)
    right = guess == shape or (_batched(found, trace, shape) and guess == shape[1:])
    verdict = _right(call, shape, lang) if right else _wrong(call, shape, guess, lang)
    why = reasons(trace, found, state, lang)
    return Answer(call, lang, given, guess, right, shape, verdict, why)


def outputs(call: Call) -> tuple[str, ...]:
    """Return the brackets that choose each tensor a call gave; ``("",)`` for a single one."""
    if call.result is None:
        return ()
    return tuple(
        "".join(f"[{part}]" for part in path.split(".") if part)
        for path, leaf in call.result.leaves()
        if leaf.tensor is not None
    )


# --- finding --------------------------------------------------------------------------------------

_ASKED = re.compile(r"(?P<path>[^\[\]]*)(?P<keys>(\[[^\[\]]+\])*)")


def find(trace: Trace, asked: str) -> tuple[Call, int]:
    """Return the call, and the state of the tensor in what it gave.

    Raises:
        MissingError: there is no such call or result, or it raised before it gave one.
        InputError: it names no call.
    """
    match = _ASKED.fullmatch(asked.strip())
    if match is None:
        raise InputError(
            f"{asked!r} names no call: write a path and, in brackets, which of its results, such "
            "as 'backbone.fpn[pool]'"
        )
    call = query.find_call(trace, match["path"].strip() or "(root)")
    if call.result is None:
        raise MissingError(f"{call.label} ended by {call.error or 'an exception'}: it gave nothing")
    value = call.result
    for key in re.findall(r"\[([^\[\]]+)\]", match["keys"]):
        value = _child(call, value, key.strip("'\" "))
    return call, _single(trace, call, value)


def given(trace: Trace, call: Call) -> tuple[Shape, ...]:
    """Return the shapes of the tensors that went into a call, parameters aside."""
    return tuple(shape_of(trace, state) for state in dict.fromkeys(_inputs(trace, call)))


def _child(call: Call, value: Value, key: str) -> Value:
    child = value.get(key)
    if child is None:
        known = [name for name, _ in value.items]
        there = f"it has {', '.join(known)}" if known else f"it is a {value.type}"
        raise MissingError(f"{call.label} gave no {key!r}{near(key, known)} ({there})")
    return child


def _single(trace: Trace, call: Call, value: Value) -> int:
    """The state of the only tensor in a value."""
    leaves = [leaf.tensor for _, leaf in value.leaves() if leaf.tensor is not None]
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        raise MissingError(f"{call.label} gave no tensor there, but a {value.type}")
    name = call.path or "(root)"
    choices = [f"{name}{keys}" for keys in outputs(call)]
    some = ", ".join(repr(choice) for choice in choices[:6])
    more = ", …" if len(choices) > 6 else ""
    raise MissingError(f"{call.label} gave {len(choices)} tensors, ask for one: {some}{more}")


def _inputs(trace: Trace, call: Call) -> list[int]:
    return [state for state in call.args.tensors() if not trace.tensors[state].name]


def _batched(call: Call, trace: Trace, shape: Shape) -> bool:
    """Whether the first axis counts images or boxes, so that it may be left out."""
    first = {shape_of(trace, state)[:1] for state in _inputs(trace, call)}
    return len(shape) == 4 or (len(shape) > 1 and shape[:1] in first)


def _shape(guess: Any) -> Shape:
    """Read a guess: a tuple, list or torch.Size, one number, or text such as ``"256×8×10"``."""
    said = guess
    if isinstance(guess, str):
        guess = [part for part in re.split(r"[×x*,\s()\[\]]+", guess) if part]
    elif isinstance(guess, int):
        guess = (guess,)
    try:
        if isinstance(guess, Iterable) and not isinstance(guess, Mapping):
            return tuple(_size(size) for size in guess)
    except (TypeError, ValueError):
        pass
    raise InputError(f"a guess is a shape, such as (256, 16, 20); found {said!r}")


def _size(size: Any) -> int:
    if isinstance(size, float) or int(size) < 0:
        raise ValueError(size)
    return int(size)


# --- words ----------------------------------------------------------------------------------------


def _waiting(call: str, given: tuple[Shape, ...], lang: str) -> str:
    """Ask for a guess; what goes in is no secret."""
    shown = [dims(shape) for shape in given[:5]] + ["…"] * (len(given) > 5)
    going_in = say("given", lang, shapes=listed(shown, lang)) if shown else ""
    return say("asked", lang, call=call) + going_in + say("answer", lang)


def _right(call: str, shape: Shape, lang: str) -> str:
    return say("right", lang, call=call, shape=dims(shape))


def _wrong(call: str, shape: Shape, guess: Shape, lang: str) -> str:
    where = _differing(shape, guess, lang)
    return say("wrong", lang, guess=dims(guess), call=call, shape=dims(shape), where=where)


_AXES = ("batch", "channels", "height", "width")


def _differing(shape: Shape, guess: Shape, lang: str) -> str:
    """Name what differs in a map, where the guess has the right number of axes."""
    if len(shape) != 4 or len(guess) not in (3, 4):
        return ""
    names = (say(f"axis.{name}", lang) for name in _AXES)
    axes = list(zip(names, shape, strict=True))[4 - len(guess) :]
    wrong = [name for (name, size), said in zip(axes, guess, strict=True) if size != said]
    good = [name for (name, size), said in zip(axes, guess, strict=True) if size == said]
    if not good:
        return ""
    return say("axes", lang, good=listed(good, lang), wrong=listed(wrong, lang))
