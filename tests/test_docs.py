"""The documentation site builds without a warning and without a network."""

from __future__ import annotations

import inspect
import operator
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import tracer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LANGUAGES = {"en": "", "zh-CN": ".zh"}  # the ending of a page's name
ENGLISH_ONLY = {"architecture", "api"}  # for those who work on the project


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site in HTML, with the notebooks as they are in the repository: not run."""
    folder = tmp_path_factory.mktemp("docs")
    source = folder / "docs"
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("chapters"))
    (source / "chapters").mkdir()
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, source / "chapters")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, source, folder / "html"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


def test_every_chapter_and_guide_is_on_the_site_in_both_languages(site):
    pages = {p.relative_to(site).with_suffix("").as_posix() for p in site.rglob("*.html")}
    english = [p.stem for p in (ROOT / "notebooks").glob("[0-9]*.ipynb") if "." not in p.stem]
    assert len(english) == 13
    for name in (*(f"chapters/{stem}" for stem in english), *_guides()):
        assert {name, f"{name}.zh"} <= pages


def _guides() -> list[str]:
    files = (p.relative_to(DOCS) for p in DOCS.rglob("*.md") if "chapters" not in p.parts)
    names = [f.with_suffix("").as_posix() for f in files if f.parts[0] not in ENGLISH_ONLY]
    return [n for n in names if not n.endswith(".zh") and n not in ENGLISH_ONLY]


def test_a_chinese_page_says_that_it_is_chinese(site):
    pages = {lang: site / f"how-to/make-a-deck{end}.html" for lang, end in LANGUAGES.items()}
    for lang, page in pages.items():
        assert re.search(rf'<html[^>]* lang="{lang}"', page.read_text("utf-8"))


def test_no_page_loads_anything_from_elsewhere(site):
    loading = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["'](?:https?:)?//""")
    styles = re.compile(r"""<link\b[^>]*\brel=["']stylesheet["'][^>]*href=["'](?:https?:)?//""")
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not loading.search(text), page
        assert not styles.search(text), page


MADE_BY_OTHERS = (tracer.Trace, tracer.Recording)
METHODS = [
    f"{cls.__name__}.{name}"
    for cls in MADE_BY_OTHERS
    for name, member in vars(cls).items()
    if not name.startswith("_") and isinstance(member, (FunctionType, classmethod))
]


@pytest.mark.parametrize("name", [*sorted({*tracer.__all__} - {"__version__"}), *METHODS])
def test_every_public_name_is_in_the_reference_with_its_options(site, name):
    """By the anchors that the site has for them; each parameter is told in the docstring."""
    thing = operator.attrgetter(name)(tracer)
    page = "".join(p.read_text("utf-8") for p in sorted((site / "api").glob("*.html")))
    homes = (f"tracer.{name}", f"{thing.__module__}.{name}")
    assert any(f'id="{home}"' in page for home in homes)
    assert _untold(thing) == []


def _untold(thing: Any) -> list[str]:
    if thing in MADE_BY_OTHERS:
        return []
    text = f"{thing.__doc__}{thing.__init__.__doc__ if isinstance(thing, type) else ''}"
    names = [n for n in inspect.signature(thing).parameters if n not in ("self", "cls")]
    return [n for n in names if not re.search(rf"(?m)^ *[*\w, ]*\b{n}\b[*\w, ]*:", text)]


@pytest.mark.parametrize("name", _guides())
def test_what_teaches_comes_in_both_languages_with_the_same_parts(name):
    texts = [(DOCS / f"{name}{end}.md").read_text("utf-8") for end in LANGUAGES.values()]
    headings = [len(re.findall(r"(?m)^#+ ", re.sub(r"(?ms)^```.*?^```", "", t))) for t in texts]
    assert headings[0] == headings[1]
