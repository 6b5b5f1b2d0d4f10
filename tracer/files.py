"""Files that are written, so that nothing of the user's is lost: one rule for every writer.

A file appears under its name whole, or not at all; one that was there stays until then. What would
be lost is looked at first: one of the inputs, a file of another kind than the one that is written,
a write-protected one and what is no file are refused. Pipes and terminals get the bytes.

What is not finished lies beside its target as ``.tracer-….part``, locked by the process that writes
it. Whatever a killed process left there is removed by the next one that writes into that folder.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from tracer.errors import InputError, option

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

Name = str | os.PathLike[str]
Job = tuple[Path, Callable[[BinaryIO], object]]
"""Where a file goes, and what writes it."""

HEAD = 1 << 16  # bytes of a file that its kind is read from
UNFINISHED = (".tracer-", ".part")


# --- kinds ----------------------------------------------------------------------------------------


def _is_text(head: bytes) -> bool:
    if head.startswith((b"%PDF-", b"\x08")):  # may hold nothing but letters, and is no text
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return "\0" not in decoder.decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError:
        return False


def _is_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    return start.startswith((b"<!doctype html", b"<html", b"<!--", b"<table", b"<div"))


def _is_recording(head: bytes) -> bool:
    return head[8:9] == b"{" and b'"rcnn-tracer"' in head


def _is_survey(head: bytes) -> bool:
    return head[8:9] == b"{" and b'"rcnn-tracer-survey"' in head


def _is_weights(head: bytes) -> bool:
    ours = _is_recording(head) or _is_survey(head)
    return head[5:10] == b'\0\0\0{"' and not ours


def _is_zip(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04")


def _is_vsix(head: bytes) -> bool:
    return _is_zip(head) and head[30:40] == b"extension."


def _is_svg(head: bytes) -> bool:
    return b"<svg" in head[:2000]


KINDS: dict[str, tuple[str, Callable[[bytes], bool]]] = {
    "recording": ("a recording", _is_recording),
    "survey": ("a survey", _is_survey),
    "weights": ("a file of weights", _is_weights),
    "parquet": ("a Parquet file", lambda head: head.startswith(b"PAR1")),
    "html": ("an HTML file", _is_html),
    "text": ("a text file", _is_text),
    "png": ("a PNG picture", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    "onnx": ("an ONNX file", lambda head: head.startswith(b"\x08")),  # its first field's tag
    "svg": ("an SVG picture", _is_svg),
    "pdf": ("a PDF file", lambda head: head.startswith(b"%PDF-")),
    "pptx": ("a PowerPoint file", lambda head: _is_zip(head) and not _is_vsix(head)),
    "vsix": ("an extension for VS Code", _is_vsix),
}
"""What is written: its name with an article, and how an existing file is known to be one."""

_OTHERS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("a JPEG picture", lambda head: head.startswith(b"\xff\xd8\xff")),
)


def _kind_of(head: bytes) -> str:
    """What a file is, in words, from its first bytes; text is whatever nothing else is."""
    known = sorted(KINDS.items(), key=lambda item: item[0] == "text")
    tests = [*(kind for _, kind in known), *_OTHERS]
    return next((words for words, fits in tests if fits(head)), "a file of another kind")


# --- what may be written --------------------------------------------------------------------------


def is_stream(path: Name) -> bool:
    """Whether a path leads to a pipe, a terminal or another device: it takes bytes, in order."""
    if os.fspath(path).startswith(("/dev/", "/proc/")):
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def output(path: Name, kind: str, inputs: Iterable[Name] = (), overwrite: bool = False) -> Path:
    """Return the path of a file to be written, having seen that nothing is lost by it.

    Args:
        path: of the file; what stands there may be replaced if it is of the same kind.
        kind: a key of `KINDS`.
        inputs: files that are read; none of them may be written, whatever `overwrite` says.
        overwrite: also replace a file of another kind.

    Raises:
        InputError: something would be lost, or the file cannot be written; says what to do.
    """
    target, shown = Path(path), repr(os.fspath(path))
    if "\0" in os.fspath(path):
        raise InputError(f"{shown} is no file name: it has a zero byte in it")
    _not_an_input(target, shown, inputs)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise InputError(
                f"there is no folder {str(target.parent)!r}; create it first"
            ) from None
        return target
    except OSError as error:
        raise InputError(f"{shown} cannot be written: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{shown} is a folder: name the file to write")
    if is_stream(target):
        return target
    if not stat.S_ISREG(mode):
        raise InputError(f"{shown} is no file: name another to write {KINDS[kind][0]} to")
    _replaceable(target, shown, kind, overwrite)
    return target


def _not_an_input(target: Path, shown: str, inputs: Iterable[Name]) -> None:
    for each in inputs:
        same = False
        with contextlib.suppress(OSError, ValueError):
            same = os.path.samefile(target, each) and not is_stream(target)
        if same:
            raise InputError(f"{shown} is read here: name another file to write to")


def _replaceable(target: Path, shown: str, kind: str, overwrite: bool) -> None:
    if not os.access(target, os.W_OK):
        raise InputError(f"{shown} is write-protected: name another file to write to")
    if overwrite:
        return
    words, fits = KINDS[kind]
    try:
        with open(target, "rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise InputError(f"{shown} cannot be read, to see what it is: {error.strerror}") from error
    if head and not fits(head):
        raise InputError(
            f"{shown} is {_kind_of(head)} already, and {words} was to be written: "
            f"name another file, or replace it with {option(overwrite=True)}"
        )


def output_folder(path: Name) -> Path:
    """Return a folder to write into, made if need be.

    Raises:
        InputError: it is a file, or cannot be made.
    """
    made = Path(path)
    try:
        made.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{os.fspath(path)!r} cannot be a folder: {reason}") from error
    return made


# --- writing --------------------------------------------------------------------------------------


def put(path: Name, data: bytes | str, kind: str, overwrite: bool = False) -> Path:
    """Write a file in one piece and return its path.

    Args:
        path: of the file.
        data: what is in it; a text is written as UTF-8 with plain line ends.
        kind: a key of `KINDS`.
        overwrite: also replace a file of another kind.

    Raises:
        InputError: something would be lost, or it cannot be written; says why.
    """
    content = data.encode("utf-8", "replace") if isinstance(data, str) else data
    target = output(path, kind, overwrite=overwrite)
    try:
        put_all([(target, lambda file: file.write(content))])
    except OSError as error:
        raise InputError(f"{os.fspath(path)!r} cannot be written: {error.strerror}") from error
    return target


def put_all(jobs: Sequence[Job]) -> None:
    """Write several files, then put all into their places, the last of them last.

    On any failure files that were there are as they were, up to the one that could not be replaced,
    and new ones are gone.

    Raises:
        OSError: a file could not be written.
    """
    if len(jobs) == 1 and is_stream(jobs[0][0]):
        _pour(*jobs[0])
        return
    targets = [(Path(os.path.realpath(path)), write) for path, write in jobs]
    for place in {target.parent for target, _ in targets}:
        sweep(place)
    with ExitStack() as stack:
        waiting = []
        for target, write in targets:
            file, unfinished = stack.enter_context(_begun(target.parent))
            write(file)
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, unfinished)
            if fcntl is None:
                file.close()  # Windows moves no open file
            waiting.append((unfinished, target))
        placed: list[Path] = []
        stack.callback(_take_back, placed)
        for unfinished, target in waiting:
            if not target.exists():
                placed.append(target)
            os.replace(unfinished, target)
            _sync_folder(target.parent)
        placed.clear()


def _take_back(placed: list[Path]) -> None:
    """Remove new files that were put into their places before a later one could not be."""
    for target in placed:
        with contextlib.suppress(OSError):
            target.unlink()


def _pour(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write to a pipe or a device, which cannot go back to correct its beginning."""
    content = io.BytesIO()
    write(content)
    with open(path, "wb") as stream:
        stream.write(content.getbuffer())


@contextmanager
def _begun(place: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new unfinished file in a folder, locked; removed at the end if it is still there."""
    while True:
        unfinished = place / secrets.token_hex(6).join(UNFINISHED)
        file = open(unfinished, "xb")  # noqa: SIM115
        if hold(file) and unfinished.exists():
            break  # else another process, which swept here in between, took it for left over
        file.close()
    try:
        with file:
            yield file, unfinished
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def hold(file: BinaryIO) -> bool:
    """Lock a file for as long as it is open; False where another process has locked it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def sweep(place: Path) -> None:
    """Remove the unfinished files that no living process is writing."""
    start, end = UNFINISHED
    for left in place.glob(f"{start}*{end}"):
        remove_abandoned(left)


def remove_abandoned(path: Path) -> bool:
    """Remove a file if no living process holds it, and tell whether that was so."""
    try:
        if fcntl is not None:
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:
        return False
    return True


def _sync_folder(place: Path) -> None:
    """Make the new name last through a power cut, where folders can be synchronised."""
    with contextlib.suppress(OSError):
        opened = os.open(place, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
