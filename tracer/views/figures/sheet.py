"""The paper that every figure is drawn on: size, theme, language, and panels in one layout."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import matplotlib as mpl
import matplotlib.colors
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from tracer.errors import InputError, require_one_of
from tracer.languages import Texts, languages
from tracer.rcnn.anatomy import Anatomy, Picture, anatomy, fitting
from tracer.rcnn.findings import changed
from tracer.record import Trace
from tracer.views.kit.fonts import families, tell
from tracer.views.kit.lines import broken
from tracer.views.kit.palette import THEMES, Theme, light, written_on
from tracer.views.kit.scene import Marks, Overlay, Points, Ruled, places

texts = Texts("figures")
SIZES = {"notebook": (9.2, 9.0), "slide": (13.333, 19.7)}  # width in inches, text in points
SMALLEST = {"notebook": 7.0, "slide": 19.7}  # points; what is read from the last row of a room
FINEST = {"notebook": 7.0, "slide": 14.0}  # of ticks, and of what stands in cells as in a table
FINE = "_fine"  # label of texts that are small on purpose; legends leave it out
SLIDE_HEIGHT = 7.5  # inches
DPI = 110
Extent = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Sheet:
    """One figure in the making.

    Attributes:
        figure: what is drawn on.
        theme: its colours.
        lang: the language that it is written in.
        point: text size in points; everything else scales with it.
        slide: whether it has a slide's size.
        ax: the axes of another figure that it is to be drawn into, or None.
    """

    figure: Figure
    theme: Theme
    lang: str
    fonts: list[str]
    point: float
    slide: bool
    ax: Axes | None = None

    def letters(self, size: float) -> float:
        """Return a text size in points, of a size in units of the sheet's own; never too small."""
        return max(size * self.point, SMALLEST[self._size])

    def fine(self, size: float) -> float:
        """Return the size in points of ticks and of what stands in cells, as in a table."""
        return max(size * self.point * (0.8 if self.slide else 1.0), FINEST[self._size])

    @property
    def _size(self) -> str:
        return "slide" if self.slide else "notebook"

    def ink(self, colour: str) -> str:
        """Return a colour to write in: lighter on dark paper, darker on white, so that it reads."""
        if colour in (self.theme.ink, self.theme.muted, "white"):
            return colour
        other = self.theme.ink
        return mixed(colour, other, 0.45 if light(other) else 0.25)

    def say(self, key: str, /, **values: object) -> str:
        """Return a text in the sheet's language, its ``{names}`` filled in."""
        return texts(key, self.lang, **values)

    def title(self, name: str, /, **values: object) -> None:
        """Write the title of a figure, and beneath it in a smaller size what to look at."""
        text, note = (self.say(f"figure.{name}.{part}", **values) for part in ("title", "note"))
        if self.ax is not None:
            self.ax.set_title(text, fontsize=self.point * 1.15, color=self.theme.ink)
            return
        self.figure.suptitle(
            text,
            x=0.012,
            ha="left",
            fontsize=self.point * (1.1 if self.slide else 1.4),
            fontweight="bold",
            color=self.theme.ink,
            fontfamily=self.fonts,
        )
        self._note(note)

    def _note(self, note: str) -> None:
        """Lines of small text at the foot of the figure, within the layout."""
        width, text = SIZES[self._size][0], self.point * 0.95
        room = int(width * 72 * 1.76 / text)
        self.figure.supxlabel(
            "\n".join(wrap(line, room) for line in note.split("\n")),
            x=0.012,
            ha="left",
            fontsize=self.point * 0.95,
            color=self.theme.muted,
            fontfamily=self.fonts,
        )

    def remark(self, sentence: str) -> None:
        """Add a line to the foot of a figure; within another's axes there is none."""
        if self.ax is None:
            self._note(f"{self.figure.get_supxlabel()}\n{sentence}".lstrip())

    def grid(self, rows: int, columns: int, **options: Any) -> Any:
        """Return a grid for the panels: of the whole figure, or of the axes drawn into."""
        if self.ax is None:
            return GridSpec(rows, columns, figure=self.figure, **options)
        self.ax.set_axis_off()
        place = self.ax.get_subplotspec()
        if place is not None:
            return GridSpecFromSubplotSpec(rows, columns, subplot_spec=place, **options)
        box = self.ax.get_position()
        edges = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
        return GridSpec(rows, columns, figure=self.figure, **edges, **options)

    def panel(self, place: Any = None, **options: Any) -> Axes:
        """Return styled axes at a place of a grid; without one, the figure's only axes."""
        if place is None and self.ax is not None:
            return self.style(self.ax)
        ax = self.figure.add_subplot(111 if place is None else place, **options)
        return self.style(ax)

    def style(self, ax: Axes) -> Axes:
        """Give axes the sheet's colours and text sizes."""
        ax.set_facecolor(self.theme.paper)
        ax.tick_params(
            labelsize=self.fine(0.85),
            colors=self.theme.muted,
            labelcolor=self.theme.muted,
            labelfontfamily=self.fonts,
        )
        for side, spine in ax.spines.items():
            spine.set_color(self.theme.faint)
            spine.set_visible(side in ("left", "bottom"))
        return ax

    def categories(self, axis: Axis, places: Sequence[float], names: Iterable[str]) -> None:
        """Name places along an axis; names are read like other text, not like ticks."""
        style: dict[str, Any] = {"fontsize": self.letters(0.85), "fontfamily": self.fonts}
        axis.set_ticks(places, list(names), **style)

    def heading(
        self, ax: Axes, text: str, colour: str | None = None, size: float = 1.0, **options: Any
    ) -> None:
        """Write a panel's heading; its size is in units of the sheet's own."""
        ax.set_title(
            text,
            fontsize=self.point * size,
            color=self.ink(colour or self.theme.ink),
            fontfamily=self.fonts,
            **{"pad": self.point * 0.4, **options},
        )

    def labels(self, ax: Axes, x: str = "", y: str = "") -> None:
        """Label the axes of a panel."""
        style: dict[str, Any] = {"fontsize": self.letters(0.9), "color": self.theme.muted}
        ax.set_xlabel(x, fontfamily=self.fonts, **style)
        ax.set_ylabel(y, fontfamily=self.fonts, **style)

    def text(self, ax: Axes, x: float, y: float, text: str, **options: Any) -> Any:
        """Write text at a place of the data; sizes are in units of the sheet's own.

        Args:
            ax: the panel.
            x: across.
            y: upwards.
            text: what to write.
            options: ``size``, ``colour``; ``fine`` for what stands in cells; matplotlib's others.
        """
        size, fine = options.pop("size", 0.9), options.pop("fine", False)
        size = self.fine(size) if fine else self.letters(size)
        colour = options.pop("colour", self.theme.ink)
        fonts = options.pop("fontfamily", self.fonts)
        in_layout = options.pop("in_layout", True)
        written = ax.text(x, y, text, fontsize=size, color=colour, fontfamily=fonts, **options)
        written.set_in_layout(in_layout)
        if fine:
            written.set_label(FINE)
        return written

    def tag(self, ax: Axes, x: float, y: float, text: str, colour: str, **options: Any) -> Any:
        """Write text that is read on any picture: white on the colour."""
        options.setdefault("size", 0.75)
        box = {"facecolor": colour, "edgecolor": "none", "boxstyle": "round,pad=0.18"}
        ink = written_on(colour)
        return self.text(ax, x, y, text, colour=ink, bbox=box, **{"clip_on": True, **options})

    def legend(self, ax: Axes, **options: Any) -> Legend:
        """Draw the legend of a panel, and return it."""
        legend = ax.legend(
            prop={"size": self.letters(0.85), "family": self.fonts},
            labelcolor=self.theme.ink,
            facecolor=self.theme.paper,
            edgecolor=self.theme.faint,
            framealpha=0.9,
            **options,
        )
        if legend.get_title() is not None:
            legend.get_title().set_color(self.theme.ink)
        return legend

    def empty(self, ax: Axes, key: str, /, **values: object) -> None:
        """Say in an empty panel why it is empty."""
        ax.set_xticks([])
        ax.set_yticks([])
        style = {"ha": "center", "va": "center", "transform": ax.transAxes}
        self.text(ax, 0.5, 0.5, self.say(key, **values), colour=self.theme.muted, size=1.1, **style)

    # --- pictures, maps and boxes ---

    def picture(self, ax: Axes, pixels: np.ndarray, extent: Extent | None = None) -> None:
        """Show a picture [h, w, 3] with pixel coordinates whose origin is its top left corner."""
        height, width = pixels.shape[:2]
        box: Extent = (0, width, height, 0) if extent is None else extent
        ax.imshow(pixels, extent=box, interpolation="antialiased")
        bare(ax)

    def overlaid(self, ax: Axes, over: Overlay) -> AxesImage:
        """Show a map where it lies; NaN is drawn in the warning colour."""
        values, (low, high) = over.values, over.span
        colours = mpl.colormaps[over.colours].with_extremes(bad=self.theme.warn)
        shown = ax.imshow(
            np.ma.masked_invalid(values), colours, vmin=low, vmax=high, alpha=over.alpha,
            extent=over.cells.extent, interpolation="nearest",
        )  # fmt: skip
        bare(ax)
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            style = {"ha": "left", "va": "top", "transform": ax.transAxes}
            self.tag(ax, 0.02, 0.98, f"{bad} NaN/Inf", self.theme.warn, **style)
        return shown

    def points(self, ax: Axes, points: Points, **options: Any) -> None:
        """Mark points."""
        size, edge = points.size * self.point, {"mec": points.edge} if points.edge else {"mew": 0}
        look = {"color": points.colour, "ms": size, **edge, **options}
        ax.plot(*points.xy.T, "o" if points.edge else ".", **look)

    def cross(self, ax: Axes, x: float, y: float) -> None:
        """Mark a point to look at."""
        ax.plot([x], [y], "+", color="white", ms=self.point, mew=1.5)

    def ruled(self, ax: Axes, lines: Ruled, **options: Any) -> None:
        """Draw the lines that part a box."""
        (x1, y1, x2, y2), (upright, level) = lines.box, lines.lines
        look = {"color": lines.colour, "lw": self.point / 12, "alpha": 0.9, **options}
        ax.vlines(upright, y1, y2, **look)
        ax.hlines(level, x1, x2, **look)

    def boxes(
        self, ax: Axes, xyxy: np.ndarray, colours: Any, width: float = 1.2, **options: Any
    ) -> None:
        """Outline boxes [N, 4]; `colours` is one colour or one per box."""
        each = [colours] * len(xyxy) if isinstance(colours, str) else list(colours)
        line = width * self.point / 9
        for (x1, y1, x2, y2), colour in zip(xyxy.tolist(), each, strict=True):
            if not np.isfinite([x1, y1, x2, y2]).all():
                continue
            patch = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colour, lw=line, **options)
            if options.get("alpha", 1) == 1:
                halo = patheffects.Stroke(linewidth=line + 1.2, foreground="#00000080")
                patch.set_path_effects([halo, patheffects.Normal()])
            ax.add_patch(patch)

    def marked(self, ax: Axes, marks: Marks, frame: tuple[int, int], width: float = 1.6) -> None:
        """Outline boxes, the first on top, and write their names where they hide nothing.

        Args:
            ax: a picture of `frame` (height, width) in pixels.
            marks: in these pixels.
            frame: of the picture.
            width: of the lines.
        """
        self.boxes(ax, marks.xyxy[::-1], marks.colours[::-1], width)
        tall = self._tall(ax, frame)
        sizes = [(columns(name) * tall * 0.42, tall) for name in marks.names]
        spots = places(marks.xyxy[: len(sizes)], sizes, frame[::-1])
        for place, name, colour in zip(spots, marks.names, marks.colours, strict=False):
            if place is not None:
                x, y = place[0] + tall * 0.05, place[1] + tall * 0.12
                text = name.replace("$", r"\$")  # to matplotlib it begins a formula
                self.tag(ax, x, y, text, colour, ha="left", va="top", size=0.72)

    def _tall(self, ax: Axes, frame: tuple[int, int]) -> float:
        """Return the height of a box's name in the picture's pixels."""
        box = ax.get_position()
        wide, high = self.figure.get_size_inches() * (box.width, box.height)
        return float(self.letters(0.72) / 72 * 1.55 * max(frame[1] / wide, frame[0] / high))

    def outlines(
        self,
        ax: Axes,
        xyxy: np.ndarray,
        colours: Sequence[str],
        width: float = 0.6,
        alpha: float = 1,
    ) -> None:
        """Outline very many boxes [N, 4], a colour each, as one piece that is quick to draw."""
        corners = xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3, 0, 1]].reshape(-1, 5, 2)
        lines: dict[str, Any] = {
            "colors": colours,
            "linewidths": width * self.point / 9,
            "alpha": alpha,
        }
        ax.add_collection(LineCollection(list(corners), **lines), autolim=False)

    def colour_bar(self, ax: Any, shown: Any, label: str = "", **options: Any) -> None:
        """Draw a colour bar beside a panel."""
        bar = self.figure.colorbar(shown, ax=ax, **{"shrink": 0.8, "pad": 0.02, **options})
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=self.fine(0.75), colors=self.theme.muted)
        if label:
            style: dict[str, Any] = {"fontsize": self.letters(0.8), "color": self.theme.muted}
            bar.set_label(label, fontfamily=self.fonts, **style)


def wrap(text: str, width: int) -> str:
    """Break text into lines of at most `width` half-widths; a Chinese character is two wide."""
    return "\n".join(broken(text, width, columns))


def columns(text: str) -> int:
    """Return how many half-widths a text takes."""
    return sum(2 if ord(letter) >= 0x2E80 else 1 for letter in text)


def ink_on(shown: AxesImage, value: float) -> str:
    """Return the colour of a number that is written on a cell of a map."""
    red, green, blue, _ = shown.to_rgba(np.array([value]))[0]
    return written_on(mpl.colors.to_hex((red, green, blue)))


def bare(ax: Axes) -> None:
    """Take ticks and frame away."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def frame(ax: Axes, colour: str, width: float = 2.0) -> None:
    """Frame a panel in a colour."""
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color(colour)
        spine.set_linewidth(width)


def mixed(colour: str, other: str, share: float) -> str:
    """Return ``"#rrggbb"`` with a share of another colour in it."""
    pairs = zip(mpl.colors.to_rgb(colour), mpl.colors.to_rgb(other), strict=True)
    red, green, blue = (a + (b - a) * share for a, b in pairs)
    return mpl.colors.to_hex((red, green, blue))


class Drawing(Figure):
    """A Figure that a notebook shows by itself, whether or not pyplot was ever imported."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw; before a file is drawn only lay out, for which matplotlib would draw all twice."""
        engine = self.get_layout_engine()
        if self.canvas.is_saving() and isinstance(engine, ConstrainedLayoutEngine):
            engine.execute(self)
        else:
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def figure(height: float) -> Callable[[Callable[..., None]], Callable[..., Figure]]:
    """Turn ``draw(sheet, parts, image, **more)`` into a figure function.

    The function takes a Trace or an Anatomy and the keywords that all figures share, and returns
    the Figure: of its usual size, or of so many ``inches`` (width, height), where what it is drawn
    for is known, for names stand where there is room for them. None of it touches pyplot, so
    nothing is held once the caller lets go.

    Args:
        height: of the notebook size in inches; a slide has its own.
    """

    def decorate(draw: Callable[..., None]) -> Callable[..., Figure]:
        takes = inspect.signature(draw)

        @wraps(draw)
        def make(
            source: Trace | Anatomy,
            *,
            lang: str = "en",
            ax: Axes | None = None,
            image: int = 0,
            theme: str = "light",
            size: str = "notebook",
            inches: tuple[float, float] | None = None,
            **more: Any,
        ) -> Figure:
            with drawing(height, lang, ax, theme, size, inches) as sheet:
                parts = source if isinstance(source, Anatomy) else anatomy(source)
                require_image(parts, image)
                # here, since a wrong option is no fault of the recording
                takes.bind(sheet, parts, image, **more)
                with fitting("the figure"):
                    draw(sheet, parts, image, **more)
                for sentence in changed(parts.trace, lang):
                    sheet.remark(sentence)
            return sheet.figure

        return make

    return decorate


@contextmanager
def drawing(
    height: float,
    lang: str = "en",
    ax: Axes | None = None,
    theme: str = "light",
    size: str = "notebook",
    inches: tuple[float, float] | None = None,
) -> Iterator[Sheet]:
    """Give a sheet to draw on; afterwards its texts are in fonts that have their characters.

    Args:
        height: of the notebook size in inches; a slide has its own.
        lang: of its texts.
        ax: the axes of another figure to draw into.
        theme: a key of `THEMES`.
        size: a key of `SIZES`.
        inches: the figure's width and height, instead of its usual ones.

    Raises:
        InputError: there is no such language, theme or size.
    """
    choices = (("lang", lang, languages()), ("theme", theme, THEMES), ("size", size, SIZES))
    for what, chosen, known in choices:
        require_one_of(what, chosen, known)
    fonts = families()
    with mpl.rc_context({"font.family": fonts, "axes.unicode_minus": True}):
        sheet = _sheet(ax, THEMES[theme], lang, fonts, size, inches or _inches(size, height))
        yield sheet
    _find_glyphs(sheet.figure)


def _inches(size: str, height: float) -> tuple[float, float]:
    return SIZES[size][0], SLIDE_HEIGHT if size == "slide" else height


def _sheet(
    ax: Axes | None, theme: Theme, lang: str, fonts: list[str], size: str,
    inches: tuple[float, float],
) -> Sheet:  # fmt: skip
    point, slide = SIZES[size][1], size == "slide"
    if ax is not None:
        inside = ax.figure
        whole = inside.figure if isinstance(inside, SubFigure) else inside
        return Sheet(whole, theme, lang, fonts, point, slide, ax)
    paper = Drawing(figsize=inches, dpi=DPI, layout="constrained", facecolor=theme.paper)
    paper.get_layout_engine().set(w_pad=0.07, h_pad=0.05)  # type: ignore[union-attr, call-arg]
    FigureCanvasAgg(paper)
    return Sheet(paper, theme, lang, fonts, point, slide)


def _find_glyphs(figure: Figure) -> None:
    """Give texts the families that write them: names out of a recording may take one more."""
    own = families()
    found: list[Text] = figure.findobj(Text)
    texts = [text for text in found if text.get_fontfamily() == own]
    for text in texts:
        more = families(text.get_text())
        if more != own:
            text.set_fontfamily(more)
    tell("".join(text.get_text() for text in texts))


def require_image(parts: Anatomy, image: int) -> None:
    """Refuse an image that the pass does not have.

    Raises:
        InputError: says how many there are.
    """
    pictures: tuple[Picture, ...] = parts.pictures
    if not 0 <= image < len(pictures):
        raise InputError(
            f"the pass has {len(pictures)} image{'s' * (len(pictures) != 1)}: there is no image "
            f"{image} (they count from 0)"
        )
