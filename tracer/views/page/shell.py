"""The page around the recording: one document, its script and style inline, nothing to fetch."""

from __future__ import annotations

import hashlib
import html
import re
from base64 import b64encode
from functools import cache
from importlib import resources

_IMPORT = re.compile(r'^import\s+(?:\{[^}]*\}\s+from\s+)?"\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
MAIN = "app.js"


def document(recording: str, title: str, lang: str) -> str:
    """Return the whole page.

    Args:
        recording: what `pack.pack` returns.
        title: of the document, any text.
        lang: the language that it opens in.
    """
    script, style = bundle(), static("page.css")
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "lang": "zh-Hans" if lang == "zh" else lang,
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "recording": recording,
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], static("page.html"))


@cache
def static(name: str) -> str:
    """Return the text of one of the page's own files."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


@cache
def bundle() -> str:
    """Return the page's modules as one script: each after those that it imports.

    The modules import by name from files beside them only, without renaming, so that leaving the
    ``import`` and ``export`` words out is all there is to it; a test sees that no two of them
    declare the same name.
    """
    return "".join(_IMPORT.sub("", _EXPORT.sub("", static(name))) for name in modules())


def modules() -> list[str]:
    """Return the names of the page's modules, each after those that it imports."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        for needed in _IMPORT.findall(static(name)):
            if needed not in ordered:
                visit(needed)
        ordered.append(name)

    visit(MAIN)
    return ordered


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
