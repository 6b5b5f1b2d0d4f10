"""A question with its answers, as data: texts in every language, what is right, and why."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tracer.languages import Texts, languages

Words = Mapping[str, str]
"""A text by language."""

say = Texts("guess")
MOST = 4
"""Answers to choose from."""


@dataclass(frozen=True)
class Choice:
    """An answer.

    Attributes:
        text: what it says, by language.
        mistake: what one overlooks who chooses it, by language; empty for the right one.
    """

    text: Words
    mistake: Words


@dataclass(frozen=True)
class Guess:
    """A question about a recording.

    Attributes:
        kind: one of `KINDS`.
        ask: what is asked, by language.
        choices: what to choose from: one is right.
        why: the reason, a sentence each, by language.
        tick: the step where it can be seen.
        panel: what to look at there, one of `tracer.tours.PANELS`.
        drawing: which drawing on the picture, by its key in the page; ``""`` the usual one.
    """

    kind: str
    ask: Words
    choices: tuple[Choice, ...]
    why: tuple[Words, ...]
    tick: int
    panel: str = "tensor"
    drawing: str = ""

    @property
    def right(self) -> int:
        """Index of the right choice."""
        return next(i for i, choice in enumerate(self.choices) if not choice.mistake)

    def asked(self, lang: str) -> str:
        """Return the question and what to choose from, each with its letter, as lines."""
        rows = (f"  {letter(i)}) {choice.text[lang]}" for i, choice in enumerate(self.choices))
        return "\n".join([self.ask[lang], *rows])

    def chosen(self, answer: str, lang: str) -> int | None:
        """Return which choice an answer is: its letter, or what it says; None for none of them."""
        given = _plain(answer)
        texts = [_plain(choice.text[lang]) for choice in self.choices]
        letters = [letter(i) for i in range(len(texts))]
        for known in (letters, texts):
            if given in known:
                return known.index(given)
        return None

    def verdict(self, answer: str, lang: str) -> tuple[str, ...]:
        """Return what is to be said of an answer: right or not, what it overlooks, and the reason.

        Args:
            answer: the letter of a choice, or what it says.
            lang: the language.
        """
        chosen = self.chosen(answer, lang)
        right = self.choices[self.right]
        why = tuple(text[lang] for text in self.why)
        if chosen == self.right:
            return (say("right", lang, answer=right.text[lang]), *why)
        mistake = () if chosen is None else (self.choices[chosen].mistake[lang],)
        told = say("wrong", lang, letter=letter(self.right), answer=right.text[lang])
        return (told, *mistake, *why)


def letter(index: int) -> str:
    """Return what a choice is called: a, b, c …."""
    return chr(ord("a") + index)


def words(key: str, /, **values: object) -> Words:
    """Return a text in every language; a value may be a text by language itself."""
    return {
        lang: say(key, lang, **{name: _in(value, lang) for name, value in values.items()})
        for lang in languages()
    }


def alike(text: str) -> Words:
    """Return what is the same in every language."""
    return dict.fromkeys(languages(), text)


def _in(value: object, lang: str) -> object:
    return value[lang] if isinstance(value, Mapping) else value


def choices(
    draw: random.Random, right: Words, wrong: Iterable[tuple[Words, Words]], most: int = MOST
) -> tuple[Choice, ...]:
    """Return the right answer among wrong ones, mixed; none that looks like another.

    Args:
        draw: what mixes them.
        right: the right answer.
        wrong: others, the likeliest first, each with what it overlooks.
        most: how many to choose from.
    """
    found = [Choice(right, {})]
    for text, mistake in wrong:
        if len(found) < most and all(text != other.text for other in found):
            found.append(Choice(text, mistake))
    draw.shuffle(found)
    return tuple(found)


_NOTHING = re.compile(r"[\s,()\[\]\u202f]")


def _plain(answer: str) -> str:
    """An answer without what does not matter: spaces, brackets, the sign of multiplication."""
    return re.sub(r"(?<=\d)[x*](?=\d)", "×", _NOTHING.sub("", answer.casefold())).rstrip(".。)）")
