"""What the commands that record have in common: progress, output files, a failed pass."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.errors import TracerError
from tracer.files import is_stream
from tracer.foreign import clean, write_lines

if TYPE_CHECKING:
    from tracer.record import Trace
    from tracer.recording import Recording

Progress = Callable[[int, str], None]


class RunFailed(TracerError):
    """The recorded run itself raised."""

    exit_code = 1


def say(text: str) -> None:
    """Tell the user something beside the result: on stderr."""
    write_lines(text, sys.stderr)


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show on stderr, if it is a terminal, how many calls are recorded and where the pass is."""
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


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Declare the option by which an output may replace a file of another kind."""
    parser.add_argument(
        "--overwrite", action="store_true", help="also replace a file of another kind"
    )


def beside(file: str, ending: str) -> str:
    """Return the name of what is made of a recording, where no other is given."""
    name = Path(file).name.removesuffix(".index.json").removesuffix(".safetensors")
    return str(Path(file).with_name(f"{name}{ending}"))


def report(path: Path, text: str) -> None:
    """Say what was written, on stderr where the file itself went to a pipe or a device."""
    if is_stream(path):
        say(f"{path}: {text}")
    else:
        write_lines(f"{path}: {text}, {path.stat().st_size / 1e6:.1f} MB")


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


def _failure(trace: Trace, path: Path) -> str:
    assert trace.error is not None
    call = trace.error.call
    where = "" if call is None else f" in {trace.calls[call].label}"
    failed = f"the {trace.kind} failed{where} with {trace.error.type}"
    there = f"the recording up to there is in {str(path)!r}"
    message = trace.error.message.strip()
    if "\n" in message:
        return f"{failed}; {there}:\n{message}"
    return f"{failed}: {message}; {there}"


def _say_notes(trace: Trace) -> None:
    """Say what the recording notes: about inputs, and what it could not see."""
    for note in trace.notes:
        say(f"tracer: {clean(note)}")


def summary(trace: Trace, path: Path) -> None:
    """Say what recording was saved: in one line, and on stderr what it notes."""
    _say_notes(trace)
    report(
        path,
        f"{trace.kind} of {trace.subject}, {len(trace.calls):,} calls, {trace.seconds:.1f} s",
    )
