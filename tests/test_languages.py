"""What is said to readers is data: a language is a folder, whole or not."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from tracer import languages
from tracer.errors import InputError
from tracer.languages import Texts

FOLDER = Path(languages.__file__).parent
ROOMS = sorted(path.stem for path in (FOLDER / "en").glob("*.toml"))
OTHERS = [lang for lang in languages.languages() if lang != "en"]
OWN = {"classes": "names."}
"""Texts that English has none of: names of classes are English."""


def gaps(text: str) -> set[str]:
    """The names of what is filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def own(room: str, lang: str) -> dict[str, str]:
    """A language's own texts of a room, without what it says in English."""
    return dict(languages._flat(languages.own(room, lang)))


def test_there_are_two_and_their_files_are_the_same():
    assert languages.languages()[:2] == ("en", "zh")
    for lang in OTHERS:
        assert sorted(path.stem for path in (FOLDER / lang).glob("*.toml")) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("lang", OTHERS)
def test_a_language_of_ours_has_every_text_with_the_same_numbers(room, lang):
    english, other = own(room, "en"), own(room, lang)
    extra = {key for key in other if key.startswith(OWN.get(room, "…"))}
    assert set(english) == set(other) - extra
    assert [key for key, text in other.items() if not text] == []
    assert [key for key in english if gaps(english[key]) != gaps(other[key])] == []


def test_a_language_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"no language 'cn'.*there are: en, zh"):
        Texts("reports")("total", "cn")


def test_a_paragraph_is_joined_as_its_language_is_set():
    assert languages.joined("one\ntwo\n") == "one two"
    assert languages.joined("一个框，\n两个\n框 a\nb\n") == "一个框，两个框 a b"
