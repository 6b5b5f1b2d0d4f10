"""Questions to guess at before looking, made of a recording's own numbers.

>>> for guess in guesses(recording, seed=3):
...     print(guess.asked("en"))

Each has one right answer, which the recording holds, and wrong ones that usual misconceptions lead
to; each of those says what it overlooks. What is asked about is drawn from a seed: the same seed,
the same questions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from tracer.errors import InputError, NotRecorded, TracerError, near
from tracer.rcnn.anatomy import fitting
from tracer.record import Trace
from tracer.views.kit.guesses.boxes import levels, survivors
from tracer.views.kit.guesses.model import Choice, Guess, Words, say
from tracer.views.kit.guesses.running import next_lines, writes
from tracer.views.kit.guesses.shapes import shapes
from tracer.views.kit.guesses.training import anchors, losses

__all__ = ["KINDS", "Choice", "Guess", "Words", "drawn", "guesses", "say"]

KINDS: dict[str, Callable[[Trace, random.Random], Iterator[Guess]]] = {
    "shape": shapes,
    "in_place": writes,
    "anchors": anchors,
    "nms": survivors,
    "level": levels,
    "loss": losses,
    "line": next_lines,
}
"""What can be asked, in the order of a pass; each yields its questions as they are drawn."""

EACH = 2
"""Questions of a kind, unless told otherwise."""


def guesses(
    trace: Trace, *, seed: int = 0, kinds: Iterable[str] = (), each: int = EACH
) -> tuple[Guess, ...]:
    """Return questions about a recording, in the order of its steps.

    Args:
        trace: the recording.
        seed: what they are drawn from.
        kinds: of `KINDS`; all, if none is named.
        each: at most so many of a kind.

    Returns:
        None of a kind that the recording lacks the numbers for.

    Raises:
        InputError: there is no such kind.
    """
    wanted = tuple(kinds) or tuple(KINDS)
    for kind in wanted:
        if kind not in KINDS:
            there = ", ".join(KINDS)
            raise InputError(f"no question is of kind {kind!r}{near(kind, KINDS)} (kinds: {there})")
    found = [guess for kind in wanted for guess in _of_kind(trace, kind, seed, each)]
    return tuple(sorted(found, key=lambda guess: guess.tick))


def drawn(trace: Trace, **options: int | Iterable[str]) -> tuple[Guess, ...]:
    """Return what `guesses` does.

    Raises:
        NotRecorded: nothing can be asked about this recording.
    """
    found = guesses(trace, **options)  # type: ignore[arg-type]
    if not found:
        raise NotRecorded(
            "nothing can be asked about this recording, which holds no tensor that a call gave "
            "and no line that ran",
            keep="anatomy",
            grain="line",
        )
    return found


def _of_kind(trace: Trace, kind: str, seed: int, each: int) -> list[Guess]:
    """The first few of a kind: as many as can be read before something is missing."""
    found: list[Guess] = []
    try:
        with fitting("what is asked about"):
            found += islice(KINDS[kind](trace, random.Random(f"{kind} {seed}")), each)
    except TracerError:
        pass
    return found
