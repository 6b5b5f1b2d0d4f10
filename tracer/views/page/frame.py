"""The page in a notebook: an isolated frame that works without a kernel."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

from tracer.files import put

HEIGHT = 760
"""Pixels of the frame."""


@dataclass(frozen=True, repr=False)
class Page:
    """A recording's page, as `Recording.page` returns it: a notebook displays it.

    Attributes:
        html: the whole document.
        height: of the frame in a notebook, in pixels.
    """

    html: str
    height: int = HEIGHT

    def __str__(self) -> str:
        """The document."""
        return self.html

    def __repr__(self) -> str:
        """One line: how large it is."""
        return f"<Page of {len(self.html) / 1e6:.1f} MB: display it in a notebook, or save it>"

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the document to a file and return its path.

        Args:
            path: of the file.
            overwrite: also replace a file that is no HTML.

        Raises:
            InputError: it cannot be written, or would replace another kind of file.
        """
        return put(path, self.html, "html", overwrite)

    def _repr_html_(self) -> str:
        return framed(self.html, self.height)


def framed(document: str, height: int = HEIGHT) -> str:
    """Return a document in a frame of its own.

    The frame may run the document's own script and nothing else: it has no origin, so that the
    notebook cannot be reached from it.
    """
    style = f"width:100%;height:{height}px;border:1px solid #8884;border-radius:8px"
    return (
        f'<iframe sandbox="allow-scripts" style="{style}" title="tracer" loading="lazy" '
        f'srcdoc="{html.escape(document)}"></iframe>'
    )
