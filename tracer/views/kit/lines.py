"""Sentences broken into lines: at spaces where they have them, Chinese between characters."""

from __future__ import annotations

import re
from collections.abc import Callable

_OPENING, _CLOSING = "“‘（《「", "，。；：、！？）》」”’"
"""What no line ends with, and what none begins with."""
_PIECES = re.compile(
    rf"[{_OPENING}]*(?:[^\s{_OPENING}\u2e80-\uffef]+|[\u2e80-\uffef])[{_CLOSING}]*\s*"
    rf"|[{_OPENING}]+\s*|\s+"
)


def broken(text: str, available: int, width: Callable[[str], int]) -> list[str]:
    """Break a sentence into lines of at most so much width, where no piece of it is wider."""
    lines = [""]
    for piece in _PIECES.findall(text):
        if width(lines[-1] + piece.rstrip()) > available and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]
