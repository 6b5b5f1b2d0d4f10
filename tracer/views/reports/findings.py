"""Findings as a list to read: text, Markdown, JSON, or a notebook's HTML."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from tracer.errors import InputError, near
from tracer.foreign import clean
from tracer.languages import checked
from tracer.rcnn.findings import Finding
from tracer.views.reports import word

FORMATS = ("text", "markdown", "json")


class Findings(tuple[Finding, ...]):
    """What was found, errors first; printed, it is a list to read."""

    __slots__ = ()

    @property
    def healthy(self) -> bool:
        """Whether none of them is an error."""
        return all(each.severity != "error" for each in self)

    def to(self, format: str = "text", lang: str = "en") -> str:
        """Return the list as text, markdown or json.

        Raises:
            InputError: there is no such format or language.
        """
        checked(lang)
        if format not in FORMATS:
            there = ", ".join(FORMATS)
            raise InputError(f"no format {format!r}{near(format, FORMATS)} (there are: {there})")
        if format == "json":
            return json.dumps([_record(each, lang) for each in self], ensure_ascii=False, indent=2)
        write = _paragraph if format == "text" else _section
        return "\n\n".join([summary(self, lang), *(write(each, lang) for each in self)])

    def __str__(self) -> str:
        """The list as text."""
        return self.to()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(summary(self, 'en'))}</p>"]
        for each in self:
            rows = "".join(
                f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
                for name, text in _rows(each, "en")
            )
            parts.append(f"<p><b>{escape(_title(each, 'en'))}</b></p><dl>{rows}</dl>")
        return "".join(parts)


def summary(found: Findings, lang: str) -> str:
    """Return how many there are of each severity, in a sentence."""
    errors = sum(each.severity == "error" for each in found)
    if not found:
        return word("finding_none", lang)
    return word("finding_counts", lang, errors=errors, warnings=len(found) - errors)


def _record(each: Finding, lang: str) -> dict[str, Any]:
    """A finding as JSON has it: its number in every field that is one."""
    file, function = each.place or ("", "")
    return {
        "kind": each.kind,
        "severity": each.severity,
        "found": each.found(lang),
        "why": each.why(lang),
        "do": each.advice(lang),
        "where": {"file": file, "function": function} if each.place else None,
        "explain": each.about or None,
        "facts": dict(each.facts),
    }


def _title(each: Finding, lang: str) -> str:
    return f"{word(f'finding_{each.severity}', lang)}  {each.kind}"


def _rows(each: Finding, lang: str) -> list[tuple[str, str]]:
    """What there is to say of a finding, under its headings."""
    rows = {
        "found": each.found(lang),
        "why": each.why(lang),
        "do": each.advice(lang),
        "where": ", ".join(each.place) if each.place else "",
        "explain": f"tracer explain {each.about}" if each.about else "",
    }
    return [(word(f"finding_{key}", lang), clean(text)) for key, text in rows.items() if text]


def _paragraph(each: Finding, lang: str) -> str:
    colon = word("finding_colon", lang)
    lines = [f"  {name}{colon}{text}" for name, text in _rows(each, lang)]
    return "\n".join([_title(each, lang), *lines])


def _section(each: Finding, lang: str) -> str:
    colon = word("finding_colon", lang).rstrip()
    lines = [f"- **{name}{colon}** {_plain(text)}" for name, text in _rows(each, lang)]
    return "\n".join([f"## {word(f'finding_{each.severity}', lang)}: `{each.kind}`", "", *lines])


def _plain(text: str) -> str:
    """Escape what Markdown would take for markup."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in text)
