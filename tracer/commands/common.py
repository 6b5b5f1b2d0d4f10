"""What the commands that record have in common: progress, output files, a failed pass."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.errors import TracerError
from tracer.files import is_stream
from tracer.foreign import clean, write_lines
from tracer.languages import languages, preferred

if TYPE_CHECKING:
    from tracer.record import Trace
    from tracer.recording import Recording
    from tracer.views.reports.report import Table

Progress = Callable[[int, str], None]


class RunFailed(TracerError):
    """The recorded run itself raised."""

    exit_code = 1


def say(text: str) -> None:
    """Tell the user something beside the result: on stderr."""
    write_lines(text, sys.stderr)


@contextmanager
def progress(title: str, told: Progress | None = None) -> Iterator[Progress]:
    """Show on stderr, if it is a terminal, how many calls are recorded and where the pass is.

    Args:
        title: what is under way.
        told: is told instead, and nothing is shown.
    """
    if told is not None:
        yield told
        return
    from rich.console import Console
    from rich.progress import Progress as Display
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[calls]:,} calls"),
        TextColumn("{task.fields[path]}", markup=False, style="dim"),
    )
    display = Display(*columns, console=console, transient=True, disable=not console.is_terminal)
    with display:
        task = display.add_task(title, total=None, calls=0, path="")
        yield lambda calls, path: display.update(task, calls=calls, path=clean(path))


@contextmanager
def counting(title: str, total: int | None) -> Iterator[Callable[[str], None]]:
    """Show on stderr, if it is a terminal, which of so many things is being made."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[name]}", markup=False, style="dim"),
    )  # fmt: skip
    display = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with display:
        task = display.add_task(title, total=total, name="", completed=-1)
        yield lambda name: display.update(task, advance=1, name=clean(name))
        display.update(task, advance=1)


@contextmanager
def surveying() -> Iterator[Callable[[int, int, str], None]]:
    """Show on stderr, if it is a terminal, how many pictures are done, how fast, and what is left.

    Elsewhere a line says so now and then.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("surveying"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"), TimeRemainingColumn(),
        TextColumn("{task.fields[name]}", markup=False, style="dim"),
    )  # fmt: skip
    display = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    start = told = time.monotonic()
    with display:
        task = display.add_task("", total=None, speed="", name="")

        def step(done: int, total: int, name: str) -> None:
            nonlocal told
            now = time.monotonic()
            speed = f"{done / max(now - start, 1e-9):.2f} pictures/s"
            display.update(task, completed=done, total=total, speed=speed, name=clean(name))
            if not console.is_terminal and now - told > 60:
                told = now
                say(f"tracer: {done:,} of {total:,} pictures, {speed}")

        yield step


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Declare the option by which an output may replace a file of another kind."""
    parser.add_argument(
        "--overwrite", action="store_true", help="also replace a file of another kind"
    )


def add_lang(parser: argparse.ArgumentParser, *more: str, default: str = "") -> None:
    """Declare the option that names the language: that of the user's locale, if not given."""
    parser.add_argument(
        "--lang",
        choices=(*languages(), *more),
        default=default or preferred(),
        help="language (%(default)s)" if default else "language (your locale's: %(default)s)",
    )


def beside(file: str, ending: str) -> str:
    """Return the name of what is made of a recording, where no other is given."""
    name = Path(file).name.removesuffix(".index.json").removesuffix(".safetensors")
    return str(Path(file).with_name(f"{name}{ending}"))


def printed(table: Table, format: str = "text", wide: bool = False) -> None:
    """Print a report: on a terminal coloured and to its width, else in the format, uncut.

    Args:
        table: the report.
        format: of `tracer.views.reports.formats.FORMATS`.
        wide: text is not fitted to any width, on a terminal neither.
    """
    if format == "text" and sys.stdout.isatty() and not wide:
        from rich.console import Console

        Console().print(table)
    else:
        write_lines(table.to(format, wide=wide))


def report(path: Path, text: str) -> None:
    """Say what was written, on stderr where the file itself went to a pipe or a device."""
    if is_stream(path):
        say(f"{path}: {text}")
    else:
        write_lines(f"{path}: {text}, {size_of(path)}")


def size_of(path: Path) -> str:
    """Return how large a file is, in words: ``12.3 MB``, ``4.1 kB``."""
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def recorded(run: Callable[[], Any], path: Path, overwrite: bool = False) -> Recording:
    """Run something that records, and save the recording, also of a run that raised.

    Args:
        run: records one run and returns its trace.
        path: where the trace goes.
        overwrite: also replace a file that is no recording.

    Raises:
        RunFailed: the run raised; says which, and that what came before is in `path`.
    """
    import tracer

    before = tracer.last_trace()
    try:
        trace = run()
    except (TracerError, KeyboardInterrupt):
        raise
    except Exception as error:
        failed = tracer.last_trace()
        if failed is None or failed is before or failed.error is None:
            raise
        failed.save(path, overwrite=overwrite)
        _say_notes(failed)
        raise RunFailed(_failure(failed, path)) from error
    trace.save(path, overwrite=overwrite)
    found: Recording = trace
    return found


def even_failed(run: Callable[[], Recording]) -> Recording:
    """Run something that records; return the recording, also of a run that raised.

    Args:
        run: records one run and returns its recording.

    Raises:
        Exception: what it raised before anything was recorded.
    """
    import tracer

    before = tracer.last_trace()
    try:
        return run()
    except Exception:
        failed = tracer.last_trace()
        if failed is None or failed is before or failed.error is None:
            raise
        return failed


def _failure(trace: Trace, path: Path) -> str:
    assert trace.error is not None
    call = trace.error.call
    where = "" if call is None else f" in {trace.calls[call].label}"
    failed = f"the {trace.kind} failed{where} with {trace.error.type}"
    there = f"the recording up to there is in {str(path)!r}"
    if trace.error.cause is not None:
        there = f"{there}; likely cause: {trace.error.cause.text}"
    message = trace.error.message.strip()
    if "\n" in message:
        return f"{failed}; {there}:\n{message}"
    return f"{failed}: {message}; {there}"


def _say_notes(trace: Trace) -> None:
    """Say what the recording notes: what it could not see, and what was found."""
    cause = trace.error.cause if trace.error else None
    findings = (each.text for each in trace.findings if each != cause)
    for note in (*trace.notes, *findings):
        say(f"tracer: {clean(note)}")


def summary(trace: Trace, path: Path) -> None:
    """Say what recording was saved: in one line, and on stderr what it notes."""
    _say_notes(trace)
    report(
        path,
        f"{trace.kind} of {trace.subject}, {len(trace.calls):,} calls, {trace.seconds:.1f} s",
    )
