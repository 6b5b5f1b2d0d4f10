"""A survey as one HTML document in every language: no script, no request."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.languages import about, checked, languages
from tracer.surveys.data import Survey
from tracer.views.kit.html_text import content_policy, escape
from tracer.views.kit.palette import css
from tracer.views.reports.formats import STYLE, html_fragment
from tracer.views.reports.survey import say, tables

LONG = ("activations", "time", "problems")
"""Tables that are folded until they are asked for."""

_STYLE = """
body { margin: 0 auto; max-width: 76rem; padding: 1rem 1.5rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
nav label { cursor: pointer; padding: .2rem .8rem; border: 1px solid var(--faint);
  border-radius: .4rem; margin-right: .4rem; }
input.lang { position: absolute; opacity: 0; }
.lang-part { display: none; }
.scroll { overflow-x: auto; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; background: #fff; }
summary { cursor: pointer; }
summary h2 { display: inline; }
a { color: var(--accent); }
.tracer-report caption { display: none; }
"""


def document(
    survey: Survey,
    lang: str = "en",
    figures: Mapping[str, Mapping[str, str]] | None = None,
    links: Mapping[int, str] | None = None,
) -> str:
    """Return the whole page; the language that it opens in can be changed in it.

    Args:
        survey: the survey.
        lang: the language to open in.
        figures: by language and table name, a picture as a ``data:`` address.
        links: where a page about an odd picture is, by the picture's number.
    """
    checked(lang)
    style = f":root {{ {css('light')} }}\n{STYLE}{_STYLE}{_switches()}"
    policy = content_policy(style, images="data:")
    radios = "".join(
        f'<input class="lang" type="radio" name="lang" id="lang-{each}"'
        f"{' checked' if each == lang else ''}>"
        for each in languages()
    )
    labels = "".join(
        f'<label for="lang-{each}">{escape(about("name", each))}</label>' for each in languages()
    )
    parts = "".join(
        _part(survey, each, (figures or {}).get(each, {}), links or {}) for each in languages()
    )
    title = escape(_title(survey, lang))
    return (
        f'<!DOCTYPE html>\n<html lang="{about("html", lang)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n{radios}\n"
        f"<nav>{labels}</nav>\n{parts}</body>\n</html>\n"
    )


def _switches() -> str:
    rules = (
        f"#lang-{each}:checked ~ .lang-{each} {{ display: block; }}\n"
        f"#lang-{each}:checked ~ nav label[for=lang-{each}] {{ background: var(--accent-soft); }}\n"
        f"#lang-{each}:focus-visible ~ nav label[for=lang-{each}] "
        "{ outline: 2px solid var(--accent); }\n"
        for each in languages()
    )
    return "".join(rules)


def _title(survey: Survey, lang: str) -> str:
    return say("title", lang, model=survey.subject.model, pictures=f"{len(survey):,}")


def _part(survey: Survey, lang: str, figures: Mapping[str, str], links: Mapping[int, str]) -> str:
    sections = [
        _section(name, table.title, html_fragment(table), figures.get(name), lang)
        for name, table in tables(survey, lang).items()
    ]
    tag, head = about("html", lang), f"<h1>{escape(_title(survey, lang))}</h1>"
    return (
        f'<main class="lang-part lang-{lang}" lang="{tag}">\n{head}\n'
        f"{''.join(sections)}{_links(links, lang)}</main>\n"
    )


def _section(name: str, title: str, table: str, figure: str | None, lang: str) -> str:
    picture = ""
    if figure:
        picture = f'<figure><img src="{figure}" alt="{escape(title)}"></figure>'
    body = f'{picture}<div class="scroll">{table}</div>'
    head = f"<h2>{escape(title)}</h2>"
    if name in LONG:
        return f"<details><summary>{head}</summary>{body}</details>\n"
    return f"<section>{head}{body}</section>\n"


def _links(links: Mapping[int, str], lang: str) -> str:
    if not links:
        return ""
    items = "".join(
        f'<li><a href="{escape(place)}">{escape(place)}</a></li>' for place in links.values()
    )
    return f"<h2>{escape(say('column.look', lang))}</h2><ul>{items}</ul>"
