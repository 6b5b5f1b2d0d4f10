"""Guess before you look: questions on a recording's own numbers, each with its reason.

  tracer guess street.safetensors
  tracer guess street.safetensors --kind level --kind nms --seed 3
  tracer guess street.safetensors --answers --lang zh

Type the letter of an answer, or what it says. What is wrong is told by what it overlooks, and where
in the recording the right answer can be seen. --answers prints questions and answers at once; the
same seed asks the same. In tracer step the command guess asks them too.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tracer.commands.common import add_lang
from tracer.errors import InputError
from tracer.foreign import clean_lines, write_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.stepper import Timeline
    from tracer.views.kit.guesses import Guess

HELP = "questions about a recording, to guess at before looking"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recording", metavar="PASS", help="a recording, as tracer run writes it")
    parser.add_argument(
        "--kind", action="append", default=[], metavar="K",
        help="only these: shape, in_place, anchors, nms, level, loss, line",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other questions (0)")
    parser.add_argument("--each", type=int, default=2, metavar="N", help="of a kind at most (2)")
    parser.add_argument("--answers", action="store_true", help="print the answers too, ask nothing")
    add_lang(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, and judge what is answered."""
    from tracer.rcnn.findings import changed
    from tracer.recording import load
    from tracer.stepper import Timeline
    from tracer.views.kit.guesses import drawn

    if args.each < 1:
        raise InputError(f"--each is a number from 1; found {args.each}")
    trace = load(args.recording)
    questions = drawn(trace, seed=args.seed, kinds=args.kind, each=args.each)
    tell = _answered if args.answers else _asked
    for text in (*changed(trace, args.lang), *tell(Timeline(trace), questions, args.lang)):
        write_lines(clean_lines(text))
    return 0


def _answered(timeline: Timeline, questions: tuple[Guess, ...], lang: str) -> Iterator[str]:
    from tracer.views.kit.guesses.model import letter
    from tracer.views.screen.lessons import verdict

    for number, guess in enumerate(questions, 1):
        answer = verdict(timeline, guess, letter(guess.right), lang)
        yield f"{number}. {guess.asked(lang)}\n{answer}\n"


def _asked(timeline: Timeline, questions: tuple[Guess, ...], lang: str) -> Iterator[str]:
    """Yield each question, wait for an answer, and yield what is to be said of it."""
    from tracer.views.kit.guesses import say
    from tracer.views.screen.lessons import verdict

    right = answered = 0
    for number, guess in enumerate(questions, 1):
        yield f"{number}/{len(questions)}. {guess.asked(lang)}"
        answer = _typed(say("prompt", lang), guess, lang)
        if answer is None:
            break
        if answer:
            answered += 1
            right += guess.chosen(answer, lang) == guess.right
            yield verdict(timeline, guess, answer, lang) + "\n"
    yield say("score", lang, right=right, all=answered)


def _typed(prompt: str, guess: Guess, lang: str) -> str | None:
    """What is typed, or piped in; empty to skip, None where there is no more."""
    from tracer.views.kit.guesses import say

    while True:
        sys.stdout.write(prompt)
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            write_lines("")
            return None
        answer = line.strip()
        if not answer or guess.chosen(answer, lang) is not None:
            return answer
        write_lines(clean_lines(say("none_of_them", lang, answer=answer[:60])))
