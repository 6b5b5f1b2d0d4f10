"""Findings: what is wrong with a model's weights, pictures or targets, as data.

A finding is made where the numbers are at hand and said where the reader is: as the refusal of a
command, as a note of a recording, in a list. Its words are in ``languages/*/findings.toml``, a
table for each kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracer.languages import Texts

say = Texts("findings")
SEVERITIES = ("error", "warning")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: which; the name of its table of texts.
        facts: what its texts have in the place of ``{names}``.
        severity: ``"error"`` where it does not run or the result is certainly wrong, ``"warning"``
            where it probably is.
    """

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    severity: str = "error"

    def found(self, lang: str = "en") -> str:
        """Return what was found: a clause without a full stop, which may begin a sentence."""
        return self._text("found", lang)

    def why(self, lang: str = "en") -> str:
        """Return why it matters: a sentence."""
        return self._text("why", lang)

    def advice(self, lang: str = "en") -> str:
        """Return what to do: a clause like that of `found`."""
        return self._text("do", lang)

    def sentence(self, lang: str = "en") -> str:
        """Return what was found and what to do, as one clause."""
        return say("sentence", lang, found=self.found(lang), do=self.advice(lang))

    def _text(self, part: str, lang: str) -> str:
        return say(f"{self.kind}.{part}", lang).format(**self.facts)
