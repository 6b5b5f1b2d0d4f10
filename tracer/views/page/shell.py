"""The page around the recording: one document, its script and style inline, nothing to fetch."""

from __future__ import annotations

import html
import re
from functools import cache
from importlib import resources

from rcssmin import cssmin
from rjsmin import jsmin

from tracer.languages import Texts, about
from tracer.views.kit.html_text import content_policy
from tracer.views.kit.palette import css

_IMPORT = re.compile(
    r'^import (?:\* as )?(?P<names>\w+|\{[^}]*\}) from "\./(?P<file>[\w-]+\.js)";\n', re.MULTILINE
)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (?P<name>\w+))", re.MULTILINE)
MAIN = "app.js"
SHARED = ("flow.js", "paint.js")
TROUBLE = ("no_script", "too_old", "damaged")
"""What is said in every language at once, for no script runs that could choose."""

texts = Texts("page")


def document(recording: str, title: str, lang: str, main: str = MAIN) -> str:
    """Return the whole page.

    Args:
        recording: what `Press.pack` returns.
        title: of the document, any text.
        lang: the language that it opens in.
        main: the module that shows it; another than the page's own brings a style of its name.
    """
    script, sheet = bundle(main), style(main)
    parts = {
        "lang": about("html", lang),
        "policy": content_policy(sheet, script),
        "title": html.escape(title),
        "style": sheet,
        "recording": recording,
        "script": script,
        **{name: html.escape(" ".join(texts.each(f"shell.{name}"))) for name in TROUBLE},
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], static("page.html"))


@cache
def style(main: str = MAIN) -> str:
    """Return the page's style. Light is the ground; dark is for screens, so that print is light."""
    dark = f'@media screen {{ [data-scheme="dark"] {{ {css("dark")} color-scheme: dark; }} }}'
    light = f":root {{ {css('light')} color-scheme: light; }}"
    sheets = ["page.css", *([main.replace(".js", ".css")] if main != MAIN else [])]
    own = "".join(map(static, sheets))
    return str(cssmin(f"{light}\n{dark}\n{own}"))


@cache
def static(name: str) -> str:
    """Return the text of one of the page's own files, or of one that it shares with decks."""
    room = "tracer.views.kit" if name in SHARED else __package__
    return resources.files(room).joinpath(name).read_text("utf-8")


@cache
def bundle(main: str = MAIN) -> str:
    """Return the page's modules as one script, without comments and indents.

    Each stands after what it imports. A module becomes an async function around its text, which
    gives what the module exports. They import from files beside them only, by name and without
    renaming, or a whole module; they export functions, classes and constants where they declare
    them.
    """
    return str(jsmin("".join(_enclosed(name) for name in modules(main))))


def _enclosed(name: str) -> str:
    text = static(name)
    exported = ", ".join(match["name"] for match in _EXPORT.finditer(text))
    text = _EXPORT.sub("", _IMPORT.sub(_taken, text))
    return (
        f"const {_variable(name)} = await (async () => {{\n{text}return {{ {exported} }};\n}})();\n"
    )


def _taken(match: re.Match[str]) -> str:
    return f"const {match['names']} = {_variable(match['file'])};\n"


def _variable(name: str) -> str:
    return "$" + name.removesuffix(".js").replace("-", "_")


def modules(main: str = MAIN) -> list[str]:
    """Return the names of a page's modules, the main one last: each after those that it imports."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        for needed in _IMPORT.finditer(static(name)):
            if needed["file"] not in ordered:
                visit(needed["file"])
        ordered.append(name)

    visit(main)
    return ordered
