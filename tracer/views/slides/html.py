"""The deck as one HTML file: reveal.js, style, pictures and notes inline, nothing to fetch.

The file's policy lets nothing run but the two scripts whose hashes it names, and nothing be loaded
but the pictures that it holds.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

from tracer.files import put
from tracer.languages import about, languages
from tracer.views.kit.html_text import content_policy
from tracer.views.slides import reveal
from tracer.views.slides.deck import Deck
from tracer.views.slides.design import texts
from tracer.views.slides.markup import escaped, sections, static, style


def write_html(deck: Deck, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a deck as one HTML file and return its path; see `tracer.files.put`.

    Raises:
        InputError: it cannot be written.
    """
    return put(path, document(deck), "html", overwrite)


def document(deck: Deck) -> str:
    """Return the whole file."""
    script = _painter() + static("interactive.js") + static("deck.js")
    library = reveal.file("reveal.js")
    sheets = (reveal.file("reset.css"), reveal.file("reveal.css"), style(deck.theme))
    sheet = "\n".join(sheets)
    licence = "\n".join(map(escaped, reveal.file("LICENSE").splitlines()))
    parts = {
        "lang": about("html", deck.languages[0]),
        "theme": deck.theme,
        "policy": content_policy(sheet, library, script, images="data:"),
        "title": escaped(deck.title),
        "style": sheet,
        "speaker": escaped(json.dumps(_speaker(), ensure_ascii=False)),
        "slides": "\n".join(sections(deck, reveal.version())),
        "licence": licence,
        "reveal": library,
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], static("deck.html"))


def _speaker() -> dict[str, dict[str, str]]:
    """The words of the speaker's window, by the language of the slide that is shown."""
    return {about("html", lang): texts.table("speaker", lang) for lang in languages()}


def _painter() -> str:
    """The scripts that page and deck share, each as one object of its functions."""
    return "".join(
        f"const {name} = (() => {{\n{_shared(name)}return {{ {exported} }};\n}})();\n"
        for name, exported in (("paint", "outline, name, dots, ruled"), ("moving", "flow"))
    )


def _shared(name: str) -> str:
    file = {"moving": "flow.js"}.get(name, f"{name}.js")
    text = resources.files("tracer.views.kit").joinpath(file).read_text("utf-8")
    text = re.sub(r'^import (.*) from "./(.*).js";$', r"const \1 = \2;", text, flags=re.MULTILINE)
    return text.replace("export ", "")
