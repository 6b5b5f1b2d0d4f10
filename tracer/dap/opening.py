"""What a client steps through: a recording that is saved, or one that is made for it."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracer.dap.protocol import Fields, Message, ProtocolError
from tracer.dap.server import Inbox
from tracer.dap.session import Session
from tracer.dap.sources import Sources
from tracer.errors import InputError, RunLeft, TracerError
from tracer.record import Trace, query
from tracer.record.store import load
from tracer.stepper import Stepper
from tracer.stepper.breakpoints import no_lines
from tracer.stepper.language import Lessons

Progress = Callable[[int, str], None]

Record = Callable[[dict[str, Any], Progress], Trace]
"""Records what the fields of a ``launch`` ask for, and says at each call how far it is."""

OURS = ("recording", "at", "cwd", "sourceFolders", "stopOnEntry")
"""The fields of ``launch`` that are read here; all others go to who records."""

EVERY = 0.2
"""Seconds between two events of progress."""


class Opening:
    """Carries out ``launch``: loads a recording, or has one made."""

    def __init__(
        self, inbox: Inbox, record: Record, teacher: Callable[[Trace], Lessons] | None = None
    ) -> None:
        """Know how to record and to teach, and where to see that the client has given up."""
        self._inbox = inbox
        self._record = record
        self._teacher = teacher

    def __call__(self, session: Session, kind: str, fields: Fields) -> None:
        """Give the session a stepper; see `Start`."""
        if kind == "attach":
            raise ProtocolError(
                "attach is for a run that tracer.debug(model, images, dap=PORT) has paused: "
                "connect to that port"
            )
        if "cwd" in fields:
            _enter(fields.text("cwd"))
        folders = [Path.cwd(), *map(Path, fields.texts("sourceFolders"))]
        if "recording" in fields:
            name = fields.text("recording")
            trace: Trace = load(name)
            session.recording = str(Path(name).resolve())
            folders.append(Path(name).resolve().parent)
        else:
            trace = self._made(session, fields)
            if "output" in fields:
                session.recording = str(Path(fields.text("output")).resolve())
        stepper = Stepper(trace, lang=session.lang)
        stepper.teacher = self._teacher
        if "at" in fields:
            at = fields.text("at")
            stepper.goto(int(at) if _is_number(at) else query.find_call(trace, at).start)
        session.open(stepper, Sources(trace, folders))
        if not trace.lines:
            session.afterwards(lambda: session.tell(no_lines("stepping line by line"), "important"))

    def _made(self, session: Session, fields: Fields) -> Trace:
        """Record, the progress of it and what is printed told to the client."""
        told = _Progress(session, self._inbox)
        printed = Printed(session)
        options = {name: fields.any(name) for name in fields if name not in OURS}
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), told:
                return self._record(options, told.step)
        except RunLeft:
            raise InputError("the recording was given up") from None
        except TracerError:
            raise
        except Exception as error:
            raise InputError(f"the recording failed: {type(error).__name__}: {error}") from error


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cwd {folder!r} cannot be used: {reason}") from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16


class Printed(io.TextIOBase):
    """A stream whose lines the client shows."""

    def __init__(self, session: Session) -> None:
        """Tell them to a session."""
        self._session = session
        self._begun = ""

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, text: str) -> int:
        """Show each line once it is whole."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._session.tell(line, "stdout")
        return len(text)


class _Progress:
    """Says how far a recording is, and gives it up when the client does."""

    def __init__(self, session: Session, inbox: Inbox) -> None:
        self._session = session
        self._inbox = inbox
        self._last = 0.0

    def __enter__(self) -> None:
        title = self._session.say("progress.title")
        self._event("Start", title=title, cancellable=True)

    def __exit__(self, *error: object) -> None:
        self._event("End")

    def step(self, calls: int, path: str) -> None:
        """Tell of one more call.

        Raises:
            RunLeft: the client has cancelled, or is gone.
        """
        if time.monotonic() - self._last < EVERY:
            return
        self._last = time.monotonic()
        if self._inbox.holds(_gives_up):
            raise RunLeft("the recording was given up")
        self._event("Update", message=self._session.say("progress.calls", calls=calls, path=path))

    def _event(self, name: str, **body: Any) -> None:
        if self._session.shows_progress:
            self._session.event(f"progress{name}", progressId="recording", **body)


def _gives_up(message: Message) -> bool:
    return message.get("command") in ("cancel", "disconnect", "terminate")
