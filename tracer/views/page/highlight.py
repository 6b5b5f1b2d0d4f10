"""Syntax colours of the recorded sources, found here so that the page needs no highlighter."""

from __future__ import annotations

from functools import lru_cache

KINDS = ("", "k", "s", "c", "n", "f", "d", "b", "o")
"""Classes of the page's style: plain, keyword, string, comment, number, defined name, decorator,
built-in, operator."""

# The most particular prefix of Pygments' short names comes first.
_PREFIXES = (
    ("kn", "k"),
    ("k", "k"),
    ("sd", "c"),
    ("s", "s"),
    ("c", "c"),
    ("m", "n"),
    ("nf", "f"),
    ("fm", "f"),
    ("nc", "f"),
    ("nd", "d"),
    ("nb", "b"),
    ("bp", "b"),
    ("ow", "k"),
    ("o", "o"),
)


@lru_cache(maxsize=64)
def tokens(text: str) -> tuple[int, ...]:
    """Return a Python source as runs: class, length, class, length and so on.

    Classes are indices into `KINDS`; lengths are in UTF-16 units, as JavaScript counts, and add up
    to the whole text.
    """
    from pygments.lexers import PythonLexer
    from pygments.token import STANDARD_TYPES

    lexer = PythonLexer(stripnl=False, ensurenl=False)
    runs: list[int] = []
    # What the lexer sees has the same length as the text: it would fold the ends of lines.
    for _, token, part in lexer.get_tokens_unprocessed(text):
        while token not in STANDARD_TYPES:
            token = token.parent
        kind = _kind(STANDARD_TYPES[token])
        length = len(part.encode("utf-16-le", "surrogatepass")) // 2
        if runs and runs[-2] == kind:
            runs[-1] += length
        else:
            runs += [kind, length]
    return tuple(runs)


def _kind(name: str) -> int:
    found = next((kind for prefix, kind in _PREFIXES if name.startswith(prefix)), "")
    return KINDS.index(found)
