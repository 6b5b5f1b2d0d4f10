"""What every explorer is: controls with values, and a function that draws what they say.

An explorer needs no notebook: ``explorer.set(level="P4")`` returns what it shows, a picture and a
text. A notebook makes widgets of the controls (`tracer.views.explorers.widgets`) and, beside
them, puts a still picture into the cell's output, which is what is seen where no kernel runs.
"""

from __future__ import annotations

import base64
import importlib.util
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure
from PIL.Image import Image

from tracer.errors import InputError, near
from tracer.rcnn.anatomy import fitting
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Control, Shown
from tracer.views.kit.html_text import lang_attribute

Still = Figure | Image | Shown | str
"""What is seen without a kernel: a picture, what is shown, or HTML."""


class Explorer:
    """Controls, and what they show; a notebook displays it.

    Attributes:
        name: ``"anchors"``.
        lang: of its texts.
        controls: by name.
        values: where each stands.
        about: sentences on the recording as a whole, above what is shown.
    """

    def __init__(
        self,
        name: str,
        lang: str,
        controls: tuple[Control, ...],
        draw: Callable[..., Shown],
        still: Callable[[Mapping[str, Any]], Still] | None = None,
        adapt: Callable[[Mapping[str, Any]], Mapping[str, Control]] | None = None,
    ) -> None:
        """Make an explorer.

        Args:
            name: of it.
            lang: of its texts.
            controls: in the order in which they are shown.
            draw: called with a keyword for each control; works alone.
            still: returns, for values, what to show without a kernel: what is shown, if not given.
            adapt: returns, for values, those controls whose options depend on others.
        """
        self.name = name
        self.lang = lang
        self.controls: dict[str, Control] = {control.name: control for control in controls}
        self.values: dict[str, Any] = {c.name: c.check(c.value) for c in controls}
        self.about: tuple[str, ...] = ()
        self._draw, self._still, self._adapt = draw, still, adapt
        self._live: Any = None

    def __repr__(self) -> str:
        """One line: what it is and where its controls stand."""
        set_to = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"<Explorer {self.name}{': ' if set_to else ''}{set_to}>"

    def set(self, **changes: Any) -> Shown:
        """Move controls, and return what they show then; widgets on the screen follow.

        Raises:
            InputError: there is no such control, or it cannot stand there.
        """
        self._move(changes)
        shown = self.shown()
        if self._live is not None:
            self._live.follow(shown)
        return shown

    def shown(self) -> Shown:
        """Return what is shown as the controls stand."""
        with fitting(f"what the explorer {self.name!r} shows"):
            shown = self._draw(**self.values)
        return replace(shown, html=self._in_language(shown.html))

    def _in_language(self, html: str) -> str:
        """Say in which language the text is, where a browser needs to know; begin with `about`."""
        html = "".join(map(told.note, self.about)) + html
        attribute = lang_attribute(self.lang)
        return f"<div{attribute}>{html}</div>" if attribute and html else html

    def _move(self, changes: Mapping[str, Any]) -> None:
        """Take new values over; a control whose options change with them starts anew."""
        for name in changes:
            if name not in self.controls:
                there = ", ".join(self.controls)
                raise InputError(
                    f"{self.name} has no control {name!r}{near(name, self.controls)} (there is "
                    f"{there})"
                )
        first = {n: v for n, v in changes.items() if n not in self._adapted()}
        moved = {name: self.controls[name].check(value) for name, value in first.items()}
        values = {**self.values, **moved}
        controls = dict(self.controls)
        for name, control in (self._adapt(values) if self._adapt else {}).items():
            controls[name] = control
            if name in changes:
                values[name] = control.check(changes[name])
            elif control != self.controls[name]:
                values[name] = control.value
        self.controls, self.values = controls, values

    def _adapted(self) -> tuple[str, ...]:
        return tuple(self._adapt(self.values)) if self._adapt else ()

    # --- in a notebook ---

    @property
    def widget(self) -> Any:
        """The widgets, an `ipywidgets.Box`; made when first asked for.

        Raises:
            ImportError: ipywidgets is not installed.
        """
        if self._live is None:
            from tracer.views.explorers.widgets import Live

            self._live = Live(self)
        return self._live.box

    def close(self) -> None:
        """Take the widgets away and let go of everything; ipywidgets holds them until then."""
        if self._live is not None:
            self._live.close()
            self._live = None

    def still(self) -> dict[str, str | bytes]:
        """Return what is seen without a kernel, by MIME type."""
        with fitting(f"what the explorer {self.name!r} shows"):
            still = self._still(self.values) if self._still else self._draw(**self.values)
        if isinstance(still, Shown):
            if still.picture:
                return {"image/jpeg": still.picture}
            still = still.html
        if isinstance(still, str):
            return {"text/html": self._in_language(still)}
        picture = io.BytesIO()
        write = still.savefig if isinstance(still, Figure) else still.save
        write(picture, format="png")
        return {"image/png": picture.getvalue()}

    def outputs(self) -> tuple[dict[str, Any], ...]:
        """Return the outputs of a cell, each by MIME type: the still, then the widgets.

        They are two, for JupyterLab shows no other type where it finds a widget's type but no
        running widget. Where the widgets run, their style hides the still before them.
        """
        still = {
            kind: base64.b64encode(content).decode() if isinstance(content, bytes) else content
            for kind, content in self.still().items()
        }
        if not self.controls:
            return ({"text/plain": repr(self), **still},)
        return {"text/plain": repr(self), **still}, self._view()

    def _view(self) -> dict[str, Any]:
        """The widgets; where there are none, what to do."""
        if not widgets_installed():
            return {"text/plain": told.say("install", self.lang)}
        view = "application/vnd.jupyter.widget-view+json"
        model = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {"text/plain": told.say("run", self.lang), view: model}

    def _ipython_display_(self) -> None:
        """Show the outputs; what the same cell showed when it ran before is closed."""
        from IPython.display import display

        _shown_by(*running_cell()).append(self)
        for output in self.outputs():
            display(output, raw=True)


_SHOWN: dict[str, tuple[str, list[Explorer]]] = {}
"""By cell: which run of it showed which explorers."""


def _shown_by(cell: str, run: str) -> list[Explorer]:
    """Return the list of what this run of a cell shows, after closing what its last run did.

    A cell that runs again loses its output, but ipywidgets would hold the widgets for good.
    """
    if not cell:
        return []
    last, shown = _SHOWN.get(cell, (run, []))
    if last != run:
        for explorer in shown:
            explorer.close()
        shown = []
    _SHOWN[cell] = run, shown
    return shown


def running_cell() -> tuple[str, str]:
    """Return the ids of the notebook's cell that runs, and of this run; empty where unknown."""
    from IPython import get_ipython

    parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)() or {}
    cell = parent.get("metadata", {}).get("cellId", "")
    return str(cell or ""), str(parent.get("header", {}).get("msg_id", ""))


def widgets_installed() -> bool:
    """Whether ipywidgets can be imported."""
    return importlib.util.find_spec("ipywidgets") is not None
