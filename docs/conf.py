"""The documentation site: `make docs` builds it, without a network.

The chapters are the notebooks, executed beforehand (`make notebooks`) into ``chapters/``; nothing
is run while the site is built.
"""

from __future__ import annotations

from typing import Any

import tracer

project = "rcnn-tracer"
author = "the rcnn-tracer authors"
version = release = tracer.__version__
root_doc = "index"
exclude_patterns = ["tour", "_build"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # the formulas' script, shipped with the site
]

# Notebooks bring their outputs. A live control needs a kernel: its picture is shown in its place.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None),
]
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]  # a control, where its picture stands beside it

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_use_ivar = True

html_theme = "furo"
html_title = "rcnn-tracer"
html_static_path = ["images"]
html_copy_source = False


def setup(app: Any) -> None:
    """Say of each Chinese page that it is Chinese, to readers' screens and search engines."""
    app.connect("html-page-context", _name_language)


def _name_language(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    context["language"] = "zh-CN" if page.endswith(".zh") else "en"
