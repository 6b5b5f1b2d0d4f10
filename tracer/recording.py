"""What people hold of a run: a `Recording`, which is a Trace with everything that is made of it.

Each method is a function of `tracer.views`, imported where it is used, so that reading a recording
loads no library that it does not need. Their options are the functions' own.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from tracer.foreign import clean
from tracer.record import Call, Trace

if TYPE_CHECKING:
    import pandas

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
            lang: of the headings, ``"en"`` or ``"zh"``.

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
            lang: of the headings, ``"en"`` or ``"zh"``.

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
            lang: ``"en"`` or ``"zh"``.
            nth: which of several passes, from 0.
        """
        from tracer.views.reports.board import stages

        return stages(self, lang=lang, nth=nth)

    def architecture(
        self, *, annotated: bool = False, fold: bool = False, lang: str = "en"
    ) -> Table:
        """Return what ``print(model)`` prints, a row per line.

        Args:
            annotated: whether each module's line tells its calls, output shapes and parameters.
            fold: whether equal neighbours are folded in every container, not only where torch does
                so; annotated lines must then have equal shapes, too.
            lang: ``"en"`` or ``"zh"``, for the headings of the annotations.
        """
        from tracer.views.reports.architecture import architecture

        return architecture(self, annotated=annotated, fold=fold, lang=lang)

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
        self, *, lang: str = "en", height: int = 760, budget: int = 6_000_000, at: str = ""
    ) -> Page:
        """Return one HTML page to step through; a notebook displays it, and it can be saved.

        Args:
            lang: the language that it opens in, ``"en"``, ``"zh"``; it holds every one.
            height: of the frame in a notebook, in pixels.
            budget: bytes that it may have. What does not fit is left out, the least important
                first, and the page says what.
            at: the step that it opens at, as in a link to it: ``"call=backbone.fpn&line=196"``.

        Raises:
            InputError: there is no such language, the budget is no positive number, or `at` is no
                address.
            MissingError: the recording has no such step.
            TracerError: the recording holds no call.
        """
        from tracer.views.page import Page, page

        return Page(page(self, lang=lang, budget=budget, at=at), height)

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
        progress: Callable[[str], None] = lambda key: None,
        overwrite: bool = False,
    ) -> Path:
        """Write teaching slides, ``.html``, ``.pptx`` or ``.pdf``, and return their path.

        A warning names each slide that the recording cannot fill.

        Args:
            path: of the file; its ending says the format.
            lang: ``"en"``, ``"zh"`` or ``"both"``.
            theme: ``"light"`` or ``"dark"``.
            stages: only these parts of the walkthrough; all, if not given.
            outline: a file that chooses, orders and adds slides.
            strict: whether a slide that the recording cannot fill is an error.
            steps: whether figures, points and code come step by step.
            page: the page that slides link into, relative to the deck.
            image: which one of the batch is shown.
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
            steps=steps, page=page, image=image, progress=progress,
        )  # fmt: skip
        for reason in made.left_out:
            warnings.warn(clean(f"left out: {reason}"), stacklevel=2)
        return write(made, Path(path), overwrite=overwrite)

    def figures(
        self,
        folder: str | os.PathLike[str],
        *,
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
            stages: only the figures of these stages: ``"overview"``, ``"transform"``,
                ``"backbone"``, ``"fpn"``, ``"rpn"``, ``"roi_heads"``, ``"losses"``,
                ``"activations"``.
            lang: ``"en"`` or ``"zh"``.
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
            self.environment.get("title") or self.subject, overwrite,
        )  # fmt: skip
        write_figures(self, Path(folder), options, progress)
        return Path(folder) / "index.html"

    # --- explorers ---

    @overload
    def explore(
        self, name: Literal["steps"], *, lang: str = "en", height: int = 760, at: str = ""
    ) -> Explorer: ...

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
    def explore(self, name: Literal["quiz"], *, lang: str = "en", asked: str = "") -> Explorer: ...

    @overload
    def explore(
        self, name: Literal["compare"], *, other: Trace, lang: str = "en", grain: str = "module",
        differing: str = "", stage: str = "", above: float = 0.0,
    ) -> Explorer: ...  # fmt: skip

    @overload
    def explore(
        self, name: Literal["keep"], *, lang: str = "en", depth: int = 2,
        modules: tuple[str, ...] = (),
    ) -> Explorer: ...  # fmt: skip

    def explore(self, name: str, *, lang: str = "en", **options: Any) -> Explorer:
        """Return an explorer, controls and what they show; a notebook displays it.

        Args:
            name: ``"steps"``, ``"pyramid"``, ``"anchors"``, ``"proposals"``, ``"roi_align"``,
                ``"quiz"``, ``"compare"`` or ``"keep"``; see `tracer.views.explorers.EXPLORERS`.
            lang: of its texts, ``"en"`` or ``"zh"``.
            height: of the frame of ``"steps"``, in pixels.
            at: the step that ``"steps"`` opens at, as `page` takes it.
            image: which one of the batch.
            level: where it starts, ``"P4"``.
            channel: where it starts; of ``"pyramid"``, -1 is the mean over all; of
                ``"roi_align"``, if not given, the one that varies most within the box.
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
            asked: the question that the quiz starts with, as
                `tracer.views.kit.questions.predict` takes it.
            other: the second recording.
            grain: of the comparison: ``"module"``, ``"function"`` or ``"op"``.
            differing: only these: ``"shape"``, ``"values"``, ``"missing"``; ``""`` for all.
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
