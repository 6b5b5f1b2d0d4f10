"""What is said to readers, as data: a folder for each language, in it a file for each room.

>>> say = Texts("figures")
>>> say("figure.funnel.title", "zh", anchors=16368, proposals=1000)
'从 16,368 个锚框到 1,000 个候选框'

A language is added by a folder beside ``en``, named by its code. Its ``language.toml`` says what
it is called and how it is written; the other files are those of English, and what they lack is
said in English. Tables nest: ``title`` in ``[figure.funnel]`` is ``"figure.funnel.title"``.
Numbers stand in texts as ``{names}`` with `str.format`'s formats. A text that ends with a line end
is a paragraph, whose other line ends are there for whoever edits it.
"""

from __future__ import annotations

import functools
import locale
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import zip_longest
from typing import Any

from tracer.errors import InputError, near

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOMLDecodeError = tomllib.TOMLDecodeError
FOLDERS: list[Any] = [resources.files(__name__)]
"""Where languages are looked for."""

_CJK = "[\u2014\u2018-\u201d\u2026\u3000-\u303f\u3400-\u9fff\uff00-\uffef]"
_BETWEEN_CJK = re.compile(rf"({_CJK})\n({_CJK})")
_BESIDE_PUNCTUATION = re.compile("(?<=[，。；：？！、（）《》]) | (?=[，。；：？！、（）《》])")


@dataclass(frozen=True)
class Texts:
    """The texts of one room, in every language.

    Attributes:
        room: the files' name.
    """

    room: str

    def __call__(self, key: str, lang: str = "en", /, **values: object) -> str:
        """Return a text, its ``{names}`` filled in.

        Raises:
            InputError: there is no such language.
        """
        text = self.all(lang)[key]
        return text.format(**values) if values else text

    def __contains__(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self.all("en")

    def all(self, lang: str) -> Mapping[str, str]:
        """Return every text by key: in English where the language lacks it."""
        return _texts(self.room, checked(lang))

    def table(self, name: str, lang: str) -> dict[str, str]:
        """Return the texts of one table, by their keys in it."""
        start = f"{name}."
        whole = self.all(lang).items()
        return {key.removeprefix(start): text for key, text in whole if key.startswith(start)}

    def each(self, key: str, /, **values: object) -> list[str]:
        """Return a text in every language, in the order of `languages`."""
        return [self(key, lang, **values) for lang in languages()]


about = Texts("language")
"""The languages themselves: their own ``name``, ``tag`` as documents know it, ``html`` as browsers
do, the signs between words (``list``) and ``clauses``, words for ``large`` numbers."""


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the codes of the languages that there are, English first."""
    folders = (entry for folder in FOLDERS for entry in folder.iterdir())
    codes = {entry.name for entry in folders if entry.joinpath("language.toml").is_file()}
    return tuple(sorted(codes, key=lambda code: (code != "en", code)))


def preferred(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language of the user's locale; English where it is none of ours.

    Args:
        environment: where ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` are looked up, as POSIX has it;
            where none of them is set, Windows is asked.
    """
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    told = next((environment[name] for name in names if environment.get(name)), "") or _windows()
    lang = re.split("[-_.@]", told)[0].lower()
    return lang if lang in languages() else "en"


def _windows() -> str:
    """Return the name of the language that Windows speaks to its user, ``"zh_CN"``."""
    if sys.platform != "win32":
        return ""
    import ctypes

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")


def checked(lang: str) -> str:
    """Return the language.

    Raises:
        InputError: there is no such language.
    """
    if lang not in languages():
        there = ", ".join(languages())
        raise InputError(f"no language {lang!r}{near(lang, languages())} (there are: {there})")
    return lang


def listed(parts: Iterable[str], lang: str, *, clauses: bool = False) -> str:
    """Put words, or longer parts of a sentence, one after the other with the language's sign.

    Numbers whose thousands are parted by commas are not parted by commas from each other.
    """
    every = list(parts)
    commas = any("," in part and part.replace(",", "").isdecimal() for part in every)
    kind = "clauses" if clauses else "numbers" if commas else "list"
    return about(kind, lang).join(every)


def joined(paragraph: str) -> str:
    """Put the lines of a paragraph into one: spaces between them, none within Chinese."""
    lines = "\n".join(line.strip() for line in paragraph.strip().splitlines())
    text = _BETWEEN_CJK.sub(r"\1\2", lines).replace("\n", " ")
    return _BESIDE_PUNCTUATION.sub("", text)


def translated(room: str, table: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return a table of long texts, which stand beside each other, with further languages' own.

    The commentary and the slides' walkthrough are written in English and Chinese side by side,
    ``{en = "…", zh = "…"}``. A further language has a file of its own, of the same tables with its
    text in the place of each such pair.

    Args:
        room: the name of that file.
        table: what the side-by-side file has.
        path: where in both it stands.
    """
    for lang in languages():
        found: Any = own(room, lang)
        for key in path:
            found = found.get(key, {})
        table = _beside(table, found, lang)
    return table


def _beside(texts: Any, more: Any, lang: str) -> Any:
    """Add a language's texts: a text to its pair, tables by their keys, lists in their order."""
    if not more or not isinstance(texts, (dict, list)):
        return texts
    if isinstance(texts, list):
        return [_beside(*pair, lang) for pair in zip_longest(texts, more[: len(texts)])]
    if isinstance(more, str):
        return {**texts, lang: more}
    added = {lang: more["this"]} if "this" in more else {}
    return {k: _beside(text, more.get(k), lang) for k, text in texts.items()} | added


@functools.cache
def own(room: str, lang: str) -> dict[str, Any]:
    """Return a language's own file of a room as it was read; empty where it has none."""
    files = (folder.joinpath(lang, f"{room}.toml") for folder in FOLDERS)
    found = next((file for file in files if file.is_file()), None)
    return {} if found is None else read_toml(found)


def read_toml(file: Any) -> dict[str, Any]:
    """Return what a TOML file of the package holds."""
    return parse_toml(file.read_text("utf-8"))


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a text holds.

    Raises:
        TOMLDecodeError: it is no TOML.
    """
    tables: dict[str, Any] = tomllib.loads(text)
    return tables


@functools.cache
def _texts(room: str, lang: str) -> dict[str, str]:
    english = {} if lang == "en" else _texts(room, "en")
    return {**english, **dict(_flat(own(room, lang)))}


def _flat(table: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{start}{key}.")
        else:
            yield f"{start}{key}", joined(value) if value.endswith("\n") else value
