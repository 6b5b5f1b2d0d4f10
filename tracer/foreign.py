"""Text from elsewhere made fit to be shown: the one rule for every terminal, file and message.

What a recording, a picture's name or a library's message says may hold characters that a terminal
obeys (clipboard, title, links), that break lines or turn the reading direction, or that cannot be
encoded. They are spelt out, so that the reader sees that they are there.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from typing import TextIO

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's controls, formats, surrogates, separators


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def spelt(text: str, keep: str = "", how: Callable[[str], str] = _escaped) -> str:
    r"""Return the text with what is not seen written as `how` says (``\n``, ``\x1b``).

    Args:
        text: any text.
        keep: characters that stay as they are.
        how: what stands for such a character.
    """
    if text.isprintable():
        return text
    return "".join(
        how(c) if c not in keep and unicodedata.category(c) in _UNSEEN else c for c in text
    )


def clean(text: str, limit: int | None = None) -> str:
    """Return the text on one line; of a long one the first `limit` characters."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return spelt(text)


def clean_lines(text: str) -> str:
    """Return the text with its line breaks and tabs, and nothing else that is not seen."""
    return spelt(text, keep="\n\t")


def in_prose(text: str) -> str:
    """Return the text on one line, without the backquotes that mark code in the commentary."""
    return clean(text).replace("`", "'")


def write_lines(text: str, file: TextIO | None = None) -> None:
    """Print a text on stdout, or on another stream.

    Raises:
        OSError: the stream takes no more; says which.
    """
    stream = file or sys.stdout
    try:
        print(clean_lines(text), file=stream, flush=True)
    except OSError as error:
        error.filename = stream.name
        raise
