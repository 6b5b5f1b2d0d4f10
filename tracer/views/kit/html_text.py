"""Text in HTML: escaped, in the right language's characters; what a document may load."""

from __future__ import annotations

import hashlib
import html
from base64 import b64encode

from tracer.foreign import clean
from tracer.languages import about


def lang_attribute(lang: str) -> str:
    """Return what tells a browser to take the language's font; ``""`` for English."""
    return "" if lang == "en" else f' lang="{about("tag", lang)}"'


def escape(body: str) -> str:
    """Return the text as HTML that shows it."""
    return html.escape(clean(body))


def content_policy(style: str, *scripts: str, images: str = "") -> str:
    """Return the content security policy of a document: its own scripts and style, nothing else.

    Args:
        style: the whole text of the one inline style.
        scripts: the whole text of each inline script; where there is none, none may run.
        images: where pictures may come from besides, as a source list of the policy.
    """
    allowed = {
        "script-src": " ".join(map(_digest, scripts)),
        "style-src": _digest(style),
        "img-src": images,
    }
    given = "".join(f"{what} {source}; " for what, source in allowed.items() if source)
    return f"default-src 'none'; {given}base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
