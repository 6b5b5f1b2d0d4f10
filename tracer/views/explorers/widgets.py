"""The controls of an explorer as widgets, and its picture and text beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer.errors import TracerError
from tracer.languages import about
from tracer.views.explorers.controls import Control, Several, Shown, Slider
from tracer.views.kit.html_text import escape

if TYPE_CHECKING:
    from tracer.views.explorers.explorer import Explorer

WIDE = 900
"""A picture wider than this, in pixels, stands above its text."""
NARROW = "400px"
"""Picture and text stand side by side where both have about so much room, else one beneath the
other."""


LIVE = "tracer-explorer-live"
HIDE = (
    f"<style>.jp-OutputArea-child:has(+ .jp-OutputArea-child .{LIVE}),"
    f".output_area:has(+ .output_area .{LIVE}){{display:none}}</style>"
)
"""Hides the still picture, which is the output before the widgets, as long as they are there."""


class Live:
    """The widgets of one explorer.

    Attributes:
        box: what the notebook shows.
    """

    def __init__(self, explorer: Explorer) -> None:
        """Make the widgets and draw once."""
        import ipywidgets

        self._explorer = explorer
        self._following = False
        self._controls = {n: _widget(c, explorer) for n, c in explorer.controls.items()}
        for widget in self._controls.values():
            widget.observe(self._changed, "value")
        self._text = ipywidgets.HTML(layout=_layout(flex="2 1 340px", min_width="0"))
        self._picture = ipywidgets.Image(format="jpeg", layout=_layout(width="100%"))
        shown = explorer.shown()
        share = "1 1 100%" if shown.width > WIDE else f"3 1 {NARROW}"
        picture = ipywidgets.Box([self._picture], layout=_layout(flex=share, min_width="0"))
        picture.layout.display = "" if shown.picture else "none"
        rows = [
            ipywidgets.Box(list(self._controls.values()), layout=_row(gap="2px 18px")),
            ipywidgets.Box(
                [picture, self._text], layout=_row(gap="12px", align_items="flex-start")
            ),
        ]
        rows.append(
            ipywidgets.HTML(HIDE + _locale(explorer.lang), layout=_layout(height="0", margin="0"))
        )
        self.box = ipywidgets.VBox(rows, layout=_layout(width="100%"))
        self.box.add_class(LIVE)
        if explorer.lang != "en":
            self.box.add_class(explorer.lang)
        self._show(shown)

    def follow(self, shown: Shown) -> None:
        """Move the widgets to where the explorer's controls stand, and show what they show."""
        self._following = True
        try:
            for name, widget in self._controls.items():
                _follow(widget, self._explorer.controls[name], self._explorer.values[name])
        finally:
            self._following = False
        self._show(shown)

    def close(self) -> None:
        """Close every widget: ipywidgets holds each one until then."""
        for widget in self._controls.values():
            widget.unobserve(self._changed, "value")
        _close(self.box)

    def _changed(self, change: dict[str, Any]) -> None:
        """A reader moved a control."""
        if self._following:
            return
        name = next(n for n, widget in self._controls.items() if widget is change["owner"])
        try:
            self._explorer.set(**{name: change["new"]})
        except TracerError as error:
            self._text.value = f"<p>{escape(str(error))}</p>"

    def _show(self, shown: Shown) -> None:
        self._text.value = shown.html
        if shown.picture:
            self._picture.value = shown.picture
            self._picture.layout.max_width = f"{shown.width}px"


def _locale(lang: str) -> str:
    """Widgets have no lang attribute; by this property some browsers choose their labels' font."""
    return f'<style>.{LIVE}.{lang}{{-webkit-locale:"{about("tag", lang)}"}}</style>'


def _widget(control: Control, explorer: Explorer) -> Any:
    """Make the widget of a control."""
    import ipywidgets

    value = explorer.values[control.name]
    common = {"description": control.label, "style": {"description_width": "auto"}}
    if isinstance(control, Slider):
        kind = ipywidgets.IntSlider if isinstance(control.step, int) else ipywidgets.FloatSlider
        limits = {"min": control.low, "max": control.high, "step": control.step}
        shown = {} if isinstance(control.step, int) else {"readout_format": _digits(control.step)}
        follow = {"continuous_update": control.live}
        return kind(value=value, **limits, **shown, **follow, **common, layout=_usual())
    if isinstance(control, Several):
        many = {"options": control.options, "value": value, "rows": control.rows}
        return ipywidgets.SelectMultiple(**many, **common, layout=_usual("460px"))
    if control.buttons:
        style = {"description_width": "auto", "button_width": "auto"}
        options = {"options": control.options, "value": value, "description": control.label}
        return ipywidgets.ToggleButtons(**options, style=style, layout=_usual("auto"))
    return ipywidgets.Dropdown(options=control.options, value=value, **common, layout=_usual())


def _usual(width: str = "330px") -> Any:
    return _layout(width=width, max_width="100%")


def _digits(step: float) -> str:
    return ".3f" if step < 0.01 else ".2f"


def _follow(widget: Any, control: Control, value: Any) -> None:
    """Give a widget its control's options, if they changed, and its value."""
    if not isinstance(control, Slider) and tuple(widget.options) != tuple(control.options):
        widget.options = control.options
    if widget.value != value:
        widget.value = value


def _layout(**traits: Any) -> Any:
    import ipywidgets

    return ipywidgets.Layout(**traits)


def _row(gap: str, **traits: Any) -> Any:
    settings = {"display": "flex", "flex_flow": "row wrap", "width": "100%"}
    return _layout(**settings, grid_gap=gap, overflow="visible", **traits)


def _close(widget: Any) -> None:
    """Close a widget and all in it, their layouts and styles too."""
    for child in getattr(widget, "children", ()):
        _close(child)
    for part in ("layout", "style"):
        if hasattr(widget, part):
            getattr(widget, part).close()
    widget.close()
