"""What people hold of a run: a `Recording`, which is a Trace with everything that is made of it.

Each method is a function of `tracer.views`, imported where it is used, so that reading a recording
loads no library that it does not need. Their options are the functions' own.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from tracer.foreign import clean
from tracer.record import Call, Trace, comparison
from tracer.record.comparison import Comparison

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from tracer.views.explorers.explorer import Explorer
    from tracer.views.page import Page
    from tracer.views.reports.report import Table

Names = str | Iterable[str]


class Recording(Trace):
    """A recorded run, immutable: a `tracer.Trace` with its reports, page, explorers and files.

    What `tracer.trace`, `tracer.load`, `tracer.Recorder`, `tracer.debug` and `tracer.last_trace`
    give. It equals the Trace that has the same fields; every function that takes a Trace takes it.
    """

    @classmethod
    def of(cls, trace: Trace) -> Recording:
        """Return a trace with the reports at hand; one that has them already as it is.

        Args:
            trace: the data; its arrays are not copied.
        """
        if isinstance(trace, cls):
            return trace
        return cls(**{field.name: getattr(trace, field.name) for field in fields(Trace)})

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the recording to a ``.safetensors`` file, for `tracer.load`; return its path.

        Args:
            path: of the file; a recording that is there is replaced.
            overwrite: also replace a file that is no recording.

        Raises:
            TraceFileError: it could not be written; nothing is left under that name then.
        """
        from tracer.record.store import save

        return save(self, path, overwrite=overwrite)

    def find(self, name: str) -> Call:
        """Return the call that a path (its first call), a label or a number names.

        >>> trace.find("backbone.fpn").result
        >>> trace.find("rpn.head.conv#3")

        Args:
            name: ``"rpn.head.conv"``, ``"rpn.head.conv#3"``, ``"(root)"`` or a call's id, ``"17"``.

        Raises:
            MissingError: there is no such call; says what is near.
        """
        from tracer.record.query import find_call

        return find_call(self, name)

    # --- reports ---

    def table(
        self,
        *,
        grain: Names | None = None,
        stage: Names | None = None,
        path: Names | None = None,
        depth: int | None = None,
        columns: Names | None = None,
        fold: bool = True,
        lang: str = "en",
    ) -> Table:
        """Return one line per call, with totals that add up.

        Args:
            grain: kinds of call: ``"module"`` (if not given), ``"function"``, ``"op"``, or several;
                ``"all"``.
            stage: only calls of this stage, or of these.
            path: only calls of this path, label or pattern, or of these, and what ran in them.
            depth: how many levels beneath the outermost of them; all, if not given.
            columns: keys of `tracer.views.reports.columns.FIELDS`, in order; if not given, a usual
                choice.
            fold: whether neighbours that are alike share a line.
            lang: of the headings, e.g. ``"zh"``.

        Raises:
            InputError, MissingError: an unknown grain, stage, path, column or language.
        """
        from tracer.views.reports.table import table

        return table(
            self, grain=grain, stage=stage, path=path, depth=depth, columns=columns, fold=fold,
            lang=lang,
        )  # fmt: skip

    def tree(
        self,
        *,
        grain: Names | None = None,
        stage: Names | None = None,
        path: Names | None = None,
        depth: int | None = None,
        columns: Names | None = None,
        fold: bool = True,
        lang: str = "en",
    ) -> Table:
        """Return the calls as a tree: who called whom, with which shapes.

        Args:
            grain: kinds of call; modules and functions that handle tensors, if not given.
            stage: only calls of this stage, or of these.
            path: only calls of this path, label or pattern, or of these, and what ran in them.
            depth: how many levels beneath the outermost of them; all, if not given.
            columns: keys of `tracer.views.reports.columns.FIELDS`, in order; if not given, a usual
                choice.
            fold: whether neighbours that are alike share a line.
            lang: of the headings, e.g. ``"zh"``.

        Raises:
            InputError, MissingError: an unknown grain, stage, path, column or language.
        """
        from tracer.views.reports.tree import tree

        return tree(
            self, grain=grain, stage=stage, path=path, depth=depth, columns=columns, fold=fold,
            lang=lang,
        )  # fmt: skip

    def board(self, *, lang: str = "en", nth: int = 0) -> Table:
        """Return the lines that sum up the run: stages, sizes, how many boxes each step leaves.

        Args:
            lang: the language, e.g. ``"zh"``.
            nth: which of several passes, from 0.
        """
        from tracer.views.reports.board import stages

        return stages(self, lang=lang, nth=nth)

    def why(
        self,
        *,
        object: int | None = None,
        box: Sequence[float] | None = None,
        detection: int | None = None,
        missed: bool = False,
        false: bool = False,
        image: int | None = None,
        targets: Sequence[Mapping[str, Any]] | str | os.PathLike[str] | None = None,
        iou: float = 0.5,
        lang: str = "en",
    ) -> Table:
        """Return what became of an object, a box or a detection; without one, of every object.

        `tracer.why` gives the same as data.

        Args:
            object: number of an object among its image's targets, from 0.
            box: x1, y1, x2, y2 in pixels of the original image.
            detection: number of a detection, by falling score, from 0.
            missed: of all objects those that were lost.
            false: instead of the objects the detections that are of none of them.
            image: which one of the batch; a single story's is the first, if not given.
            targets: the objects, if not those that went into the pass: a dict for each image,
                ``boxes`` [M, 4] in original pixels and ``labels`` [M]; or a file of them.
            iou: from which on a box covers an object.
            lang: the language, e.g. ``"zh"``.

        Raises:
            InputError: options that exclude each other, no such image, object or detection, a box
                that is none, targets of other pictures.
            MissingError: the recording lacks what is asked for; says how to record it.
        """
        from tracer.views.reports.story import story

        return story(
            self, object=object, box=box, detection=detection, missed=missed, false=false,
            image=image, targets=targets, iou=iou, lang=lang,
        )  # fmt: skip

    def architecture(
        self,
        *,
        annotated: bool = False,
        fold: bool = False,
        path: Names | None = None,
        lang: str = "en",
    ) -> Table:
        """Return what ``print(model)`` prints, a row per line.

        Args:
            annotated: whether each module's line tells its calls, output shapes and parameters.
            fold: whether equal neighbours are folded in every container, not only where torch does
                so; annotated lines must then have equal shapes, too.
            path: only the modules of this path or pattern, or of these, and what is in them.
            lang: of the headings of the annotations.

        Raises:
            MissingError: there is no such module.
        """
        from tracer.views.reports.architecture import architecture

        return architecture(self, annotated=annotated, fold=fold, path=path, lang=lang)

    def to_json(
        self,
        *,
        grain: Names | None = None,
        stage: Names | None = None,
        path: Names | None = None,
        depth: int | None = None,
    ) -> str:
        """Return the calls as a JSON array, a call per line; strictly valid, no NaN in it.

        Args:
            grain: kinds of call; all, if not given.
            stage: only calls of this stage, or of these.
            path: only calls of this path, label or pattern, or of these, and what ran in them.
            depth: how many levels beneath the outermost of them; all, if not given.

        Raises:
            InputError, MissingError: an unknown grain, stage or path.
        """
        from tracer.views.reports.contract import to_json

        return to_json(self, grain=grain, stage=stage, path=path, depth=depth)

    def dataframe(
        self,
        *,
        grain: Names | None = None,
        stage: Names | None = None,
        path: Names | None = None,
        depth: int | None = None,
        columns: Names | None = None,
        fold: bool = False,
        lang: str = "en",
    ) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame.

        Args:
            grain: kinds of call; modules, if not given.
            stage: only calls of this stage, or of these.
            path: only calls of this path, label or pattern, or of these, and what ran in them.
            depth: how many levels beneath the outermost of them; all, if not given.
            columns: keys of `tracer.views.reports.columns.FIELDS`, in order; if not given, of a
                pass `tracer.views.reports.table.DATA`: a call's name in parts, to select and
                group by.
            fold: whether neighbours that are alike share a row.
            lang: of the table's totals and notes, which a DataFrame does not have.

        Raises:
            InputError: pandas is not installed.
            MissingError: an unknown grain, stage, path or column.
        """
        from tracer.views.reports.table import dataframe

        return dataframe(
            self, grain=grain, stage=stage, path=path, depth=depth, columns=columns, fold=fold,
            lang=lang,
        )  # fmt: skip

    # --- the page, slides, figures ---

    def page(
        self, *, lang: str | None = None, height: int = 760, budget: int = 6_000_000, at: str = "",
        tour: str = "", touring: bool = False,
    ) -> Page:  # fmt: skip
        """Return one HTML page to step through; a notebook displays it, and it can be saved.

        Args:
            lang: the language that it opens in, e.g. ``"zh"``; it holds every one. None: its
                reader's browser's.
            height: of the frame in a notebook, in pixels.
            budget: bytes that it may have. What does not fit is left out, the least important
                first, and the page says what.
            at: the step that it opens at, as in a link to it: ``"call=backbone.fpn&line=196"``. A
                line may be named by a part of its text, ``"call=backbone.fpn&text=top_down"``: the
                first line of that call to run that contains it. A ``lang=`` in it goes before
                `lang`; ``view=`` is ``plain``, ``full`` or ``large``.
            tour: a tour to offer before the package's own: its name, or the path of its file.
            touring: whether the first tour has begun when the page opens.

        Raises:
            InputError: there is no such language or tour, the budget is no positive number, or `at`
                is no address.
            MissingError: the recording has no such step.
            TracerError: the recording holds no call.
        """
        from tracer.views.page import Page, page

        made = page(self, lang=lang, budget=budget, at=at, tour=tour, touring=touring)
        return Page(made, height)

    def slides(
        self,
        path: str | os.PathLike[str],
        *,
        lang: str = "en",
        theme: str = "light",
        stages: Iterable[str] = (),
        outline: str | Path | None = None,
        strict: bool = False,
        steps: bool = True,
        page: str | Path | None = None,
        image: int = 0,
        tour: str = "",
        progress: Callable[[str], None] = lambda key: None,
        overwrite: bool = False,
    ) -> Path:
        """Write teaching slides, ``.html``, ``.pptx`` or ``.pdf``, and return their path.

        A warning names each slide that the recording cannot fill.

        Args:
            path: of the file; its ending says the format.
            lang: the language, e.g. ``"zh"``, or ``"both"``.
            theme: ``"light"`` or ``"dark"``.
            stages: only these parts of the walkthrough; all, if not given.
            outline: a file that chooses, orders and adds slides.
            strict: whether a slide that the recording cannot fill is an error.
            steps: whether figures, points and code come step by step; in PowerPoint and PDF each
                step of a figure or of code is a page.
            page: the page that slides link into, relative to the deck.
            image: which one of the batch is shown.
            tour: a tour that the deck follows in place of the walkthrough, by its name or file: a
                slide for each stop, two for a question.
            progress: called with the name of each slide before it is made.
            overwrite: also replace a file that is no such deck.

        Raises:
            InputError: an unknown ending, language or theme, an outline that cannot be used, or a
                file that cannot be written.
            MissingError: there is no such stage; nothing could be shown; with `strict`, a slide
                lacks something.
        """
        from tracer.views.slides import deck, writer

        write = writer(Path(path))  # an unknown ending is said before anything is drawn
        made = deck(
            self, lang=lang, theme=theme, stages=stages, outline=outline, strict=strict,
            steps=steps, page=page, image=image, tour=tour, progress=progress,
        )  # fmt: skip
        for reason in made.left_out:
            warnings.warn(clean(f"left out: {reason}"), stacklevel=2)
        return write(made, Path(path), overwrite=overwrite)

    def figures(
        self,
        folder: str | os.PathLike[str],
        *,
        also: Sequence[Trace] = (),
        stages: Iterable[str] = (),
        lang: str = "en",
        format: str = "png",
        dpi: int = 150,
        image: int = 0,
        names: Sequence[str] = (),
        size: str = "notebook",
        theme: str = "light",
        progress: Callable[[str], None] = lambda name: None,
        overwrite: bool = False,
    ) -> Path:
        """Write the figures that fit the pass into a folder, and return the path of their index.

        A single figure is a function of `tracer.views.figures`, which takes the recording.

        Args:
            folder: to write into; made where there is none.
            also: other passes, from which figures are drawn that do not fit this one.
            stages: only the figures of these stages: ``"overview"``, ``"transform"``,
                ``"backbone"``, ``"fpn"``, ``"rpn"``, ``"roi_heads"``, ``"losses"``,
                ``"activations"``.
            lang: the language, e.g. ``"zh"``.
            format: ``"png"``, ``"svg"`` or ``"pdf"``.
            dpi: of png, dots per inch.
            image: which one of the batch.
            names: of the classes from 1 on, instead of the recording's own.
            size: ``"notebook"`` or ``"slide"``.
            theme: ``"light"`` or ``"dark"``.
            progress: called with the name of each figure before it is drawn.
            overwrite: also replace files of another kind.

        Raises:
            InputError: an unknown stage, language or format, no such image, or a file that cannot
                be written.
            MissingError: no figure could be drawn.
        """
        from tracer.views.figures.folder import Options, write_figures

        options = Options(
            tuple(stages), lang, format, dpi, image, tuple(names), size, theme,
            self.called(), overwrite,
        )  # fmt: skip
        write_figures([self, *also], Path(folder), options, progress)
        return Path(folder) / "index.html"

    # --- explorers ---

    @overload
    def explore(
        self, name: Literal["steps"], *, lang: str = "en", height: int = 760, at: str = "",
        tour: str = "",
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["pyramid"], *, lang: str = "en", image: int = 0, level: str = "",
        channel: int = -1, blend: float = 0.6, x: int | None = None, y: int | None = None,
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["anchors"], *, lang: str = "en", image: int = 0, level: str = "",
        size: float = 0, ratio: float = 0, x: int | None = None, y: int | None = None,
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["proposals"], *, lang: str = "en", image: int = 0,
        show: str = "proposals", boxes: int = 100,
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["roi_align"], *, lang: str = "en", image: int = 0,
        box: int | None = None, sampling_ratio: int | None = None, output_size: int | None = None,
        channel: int | None = None,
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["story"], *, lang: str = "en", image: int = 0, asked: str = ""
    ) -> Explorer: ...

    @overload
    def explore(
        self, name: Literal["quiz"], *, lang: str = "en", asked: str = "", seed: int = 0
    ) -> Explorer: ...

    @overload
    def explore(
        self, name: Literal["compare"], *, other: Trace, lang: str = "en", grain: str = "module",
        differing: str = "", stage: str = "", above: float = 0.0,
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["what_if"], *, run: Callable[..., Trace], lang: str = "en",
        image: int = 0, level: str = "", how: str = "zero", channel: int = 0, score: float = 0.5,
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["keep"], *, lang: str = "en", depth: int = 2,
        modules: tuple[str, ...] = (),
    ) -> Explorer: ...  # fmt: skip

    def explore(self, name: str, *, lang: str = "en", **options: Any) -> Explorer:
        """Return an explorer, controls and what they show; a notebook displays it.

        Args:
            name: ``"steps"``, ``"pyramid"``, ``"anchors"``, ``"proposals"``, ``"story"``,
                ``"roi_align"``, ``"quiz"``, ``"compare"``, ``"what_if"`` or ``"keep"``; see
                `tracer.views.explorers.EXPLORERS`.
            lang: of its texts, e.g. ``"zh"``.
            height: of the frame of ``"steps"``, in pixels.
            at: the step that ``"steps"`` opens at, as `page` takes it.
            image: which one of the batch.
            level: where it starts, ``"P4"``.
            channel: where it starts; of ``"pyramid"``, -1 is the mean over all; of
                ``"roi_align"``, if not given, the one that varies most within the box; of
                ``"what_if"``, the one that is changed.
            blend: how much of the map is seen over the picture, 0–1.
            size: of the anchors, in pixels, where it starts; 0 for the model's own.
            ratio: of the anchors, height over width, where it starts; 0 for all.
            x: the point, in resized pixels; without it, one that shows something.
            y: likewise.
            show: what is drawn at the start, ``"proposals"`` or ``"detections"``.
            boxes: how many of them at most.
            box: which pooled box, an index, best objectness first; without it, the one behind a
                good detection.
            sampling_ratio: points per bin and side, where it starts; as recorded, if not given.
            output_size: bins per side, where it starts; as recorded, if not given.
            seed: of the quiz's questions: another one asks others.
            asked: the question that the quiz starts with, a call as
                `tracer.views.kit.questions.predict` takes it; of ``"story"``, ``"object 6"`` or
                ``"detection 0"``.
            other: the second recording.
            run: of ``"what_if"``, called with ``change=``, it returns the recording of the pass
                with that change: ``partial(tracer.rerun, recording, model, start="backbone.fpn",
                keep="anatomy")``.
            how: what the level becomes, ``"zero"``, ``"noise"``, ``"without"`` a channel, or that
                ``"channel"`` alone.
            score: of the detections that are shown, at least.
            grain: of the comparison: ``"module"``, ``"function"`` or ``"op"``.
            differing: only calls of this status, see `tracer.record.comparison.Pair.status`;
                ``""`` for all that differ.
            stage: only this one; ``""`` for all.
            above: only values that differ by more than so many standard deviations.
            depth: how deep the tree of modules is shown, 1 for the top-level ones.
            modules: paths that are chosen at the start.
            **options: those above, each of the explorers that have it.

        Raises:
            InputError: there is no such explorer or option.
            MissingError: the recording lacks what it shows; says how to record it.
        """
        from tracer.views.explorers import explore

        return explore(self, name, lang=lang, **options)

    def _repr_html_(self) -> str:
        """What a notebook shows of the recording."""
        from tracer.views.reports.notebook_html import trace_html

        return trace_html(self)


def load(path: str | os.PathLike[str]) -> Recording:
    """Read a recording from a file; its arrays stay there until they are asked for.

    Args:
        path: what `Recording.save` wrote; files that belong to it are found beside it.

    Raises:
        TraceFileError: it is missing, unreadable, damaged, foreign or of a newer version.
    """
    from tracer.record.store import load

    return Recording.of(load(path))


class Compared(Comparison):
    """Two recordings compared, with what is made of that; a notebook displays it."""

    def report(
        self,
        *,
        grain: Names | None = None,
        stage: Names | None = None,
        path: Names | None = None,
        status: Names | None = None,
        above: float = 0.0,
        lang: str = "en",
    ) -> Table:
        """Return one line per call that differs; above them where the two part, and why.

        Args:
            grain: kinds of call; if not given, modules and the call where the two part, or all
                kinds where no module differs.
            stage: only calls of this stage, or of these.
            path: only calls of this path, label or pattern, or of these, and what ran in them.
            status: only calls of this status, or of these; see
                `tracer.record.comparison.Pair.status`.
            above: only calls whose results differ by more standard deviations; 0 for all.
            lang: of all that is said.

        Raises:
            InputError, MissingError: an unknown grain, stage, path or language.
        """
        from tracer.views.reports.difference import difference

        return difference(
            self, grain=grain, stage=stage, path=path, status=status, above=above, lang=lang
        )  # fmt: skip

    def detections(self, *, lang: str = "en") -> Table:
        """Return what became of every detection, matched by IoU.

        Args:
            lang: of headings and class names.

        Raises:
            MissingError: one of the two holds no detections; says what to record.
        """
        from tracer.views.reports.difference import detections

        return detections(self, lang=lang)

    def to_json(
        self,
        *,
        grain: Names | None = None,
        stage: Names | None = None,
        path: Names | None = None,
    ) -> str:
        """Return the comparison for other programs: the verdict, the calls that differ, detections.

        Args:
            grain: kinds of call; if not given, modules and the call where the two part, or all
                kinds where no module differs.
            stage: only calls of this stage, or of these.
            path: only calls of this path, label or pattern, or of these, and what ran in them.

        Raises:
            InputError, MissingError: an unknown grain, stage or path.
        """
        from tracer.views.reports.difference import to_json

        return to_json(self, grain=grain, stage=stage, path=path)

    def figure(self, *, lang: str = "en", theme: str = "light", size: str = "notebook") -> Figure:
        """Return a figure: how far results are apart through the depth, and where the two part.

        Args:
            lang: of its texts, e.g. ``"zh"``.
            theme: ``"light"`` or ``"dark"``.
            size: ``"notebook"`` or ``"slide"``.

        Raises:
            InputError: there is no such language, theme or size.
            MissingError: no call of a module is in either.
        """
        from tracer.views.figures.divergence import fig_divergence

        return fig_divergence(self, lang=lang, theme=theme, size=size)

    def slides(
        self,
        path: str | os.PathLike[str],
        *,
        lang: str = "en",
        theme: str = "light",
        image: int = 0,
        overwrite: bool = False,
    ) -> Path:
        """Write slides of the comparison, ``.html``, ``.pptx`` or ``.pdf``, and return their path.

        Args:
            path: of the file; its ending says the format.
            lang: the language, e.g. ``"zh"``, or ``"both"``.
            theme: ``"light"`` or ``"dark"``.
            image: which one of the batch is shown.
            overwrite: also replace a file that is no such deck.

        Raises:
            InputError: an unknown ending, language or theme, no such image, or a file that cannot
                be written.
        """
        from tracer.views.slides import writer
        from tracer.views.slides.parting import parting_deck

        write = writer(Path(path))
        made = parting_deck(self, lang=lang, theme=theme, image=image)
        return write(made, Path(path), overwrite=overwrite)

    def page(
        self, *, lang: str | None = None, height: int = 760, budget: int = 8_000_000
    ) -> Page:  # fmt: skip
        """Return one HTML page with both recordings side by side, which step together.

        It opens where the two part. A notebook displays it, and it can be saved.

        Args:
            lang: the language that it opens in, e.g. ``"zh"``; it holds every one. None: its
                reader's browser's.
            height: of the frame in a notebook, in pixels.
            budget: bytes that it may have. What does not fit is left out of both, the least
                important first, and the page says what.

        Raises:
            InputError: there is no such language, or the budget is no positive number.
            TracerError: one of the recordings holds no call.
        """
        from tracer.views.page import Page
        from tracer.views.page.pair import pair_page

        return Page(pair_page(self, lang=lang, budget=budget), height)

    def _repr_html_(self) -> str:
        """What a notebook shows of the comparison."""
        return self.report()._repr_html_()


def compare(first: Trace, second: Trace, *, tolerance: float = 0.0) -> Compared:
    """Compare two recordings call by call.

    Args:
        first: a pass or a construction.
        second: another of the same kind.
        tolerance: a change, in standard deviations of the first recording's tensor, up to which
            values count as the same; with one, also values of another dtype.

    Raises:
        InputError: a pass is compared with a construction, or the tolerance is no such number.
    """
    found = comparison.compare(first, second, tolerance=tolerance)
    return Compared(**{each.name: getattr(found, each.name) for each in fields(found)})
