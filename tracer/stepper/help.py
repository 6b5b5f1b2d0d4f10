"""The help on the command language."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from tracer.languages import Texts

texts = Texts("stepper")


def groups(lang: str) -> dict[str, dict[str, str]]:
    """Return by heading what each command does, by how it is typed: its name comes first."""
    headings = texts.table("groups", lang)
    return {heading: texts.table(name, lang) for name, heading in headings.items()}


def help_overview(lang: str = "en") -> str:
    """Return all commands, a line each."""
    lines = []
    for heading, commands in groups(lang).items():
        lines.append(heading)
        lines += [f"  {_padded(usage, 22)} {text}" for usage, text in commands.items()]
    return "\n".join([*lines, "", texts("conditions", lang)])


def help_on(name: str, commands: Mapping[str, object], lang: str = "en") -> str:
    """Return the help on one command, its other names included.

    Args:
        name: one of its names.
        commands: what each name stands for.
        lang: the language.
    """
    names = [other for other, handler in commands.items() if handler is commands[name]]
    entries = (entry for group in groups(lang).values() for entry in group.items())
    usage, text = next(entry for entry in entries if entry[0].split()[0] in names)
    others = f"  ({', '.join(names)})" if len(names) > 1 else ""
    return f"{usage}{others}\n  {text}"


def _padded(text: str, width: int) -> str:
    """Pad to a width in terminal cells; Chinese characters take two."""
    cells = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return text + " " * max(0, width - cells)
