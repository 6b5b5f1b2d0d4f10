"""A client that takes part in a run which is under way: paused, stepped, and let go on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from tracer.dap.breakpoints import RanLines, filled
from tracer.dap.moving import arrived
from tracer.dap.protocol import Fields, ProtocolError
from tracer.dap.server import Inbox, accepted, converse, listening
from tracer.dap.session import Session
from tracer.dap.sources import Sources
from tracer.errors import MissingError, RunLeft
from tracer.record import SourceFile
from tracer.record.statements import statements
from tracer.stepper import Breakpoint, Stepper
from tracer.stepper.live import Known, LiveStepper
from tracer.stepper.scope import Scope

WAIT = 0.5
"""Seconds after which it is looked whether somebody has pressed Ctrl-C."""


class Attached:
    """The client of a run, and what it asks for; all in the thread of the run."""

    def __init__(self, known: Known, interrupted: Callable[[], bool], lang: str) -> None:
        """Know the run.

        Args:
            known: what exists before it ran.
            interrupted: whether somebody has pressed Ctrl-C at the program.
            lang: of a client that has no language of ours.
        """
        self._known = known
        self._interrupted = interrupted
        self._lang = lang
        self._reason = "entry"
        self._stepper: Stepper | None = None

    def wait(self, port: int, stops: bool) -> None:
        """Wait for a client to come.

        Args:
            port: where, on this machine; 0 for any that is free.
            stops: whether the run stops at its very beginning, unless the client says.

        Raises:
            InputError: the port cannot be had.
        """
        server = listening("127.0.0.1", port)
        print(f"waiting for a client at 127.0.0.1:{server.getsockname()[1]}", file=sys.stderr)
        client = accepted(server)
        self._inbox = Inbox(client)
        self.session = Session(client, self._attach, self._lang)
        self.session.stop_on_entry = stops

    def _attach(self, session: Session, kind: str, fields: Fields) -> None:
        """Open the run to the client; see `tracer.dap.session.Start`."""
        if kind != "attach":
            raise ProtocolError("a run is under way here: attach to it, there is nothing to launch")
        assert self._stepper is not None
        trace = self._stepper.trace
        sources = Sources(trace, known=self._known.paths())
        sources.renew({**self._known.sources(), **trace.sources})
        session.open(self._stepper, sources, AnyLines(self._known))

    # --- while it runs ---

    def begins(self, stepper: LiveStepper) -> bool:
        """Let the client attach and set its breakpoints; return whether the run stops here."""
        self._stepper = stepper
        self._converse(lambda: not self.session.resumed)
        return self.session.stop_on_entry

    def pauses(self, stepper: Stepper, stop: Breakpoint | None) -> None:
        """Answer the client until the run has to go on.

        Args:
            stepper: at the present.
            stop: the breakpoint that stopped the run, if one did.

        Raises:
            RunLeft: it has to end.
        """
        session = self.session
        session.running = False
        if stop is None and session.rest:
            self._goes_on_typing(stepper)
        else:
            session.rest = ""
            self._tell(stepper, stop)
        self._converse(lambda: not session.resumed)

    def _tell(self, stepper: Stepper, stop: Breakpoint | None) -> None:
        arrived(self.session, stepper.tick, stop, self._reason)
        self._reason = "step"

    def _goes_on_typing(self, stepper: Stepper) -> None:
        """Carry out what a command of the console has left to do."""
        reply = stepper.do(self.session.rest)
        self.session.rest = reply.rest
        arrived(self.session, stepper.tick, reply.stop, "step")

    def looks_up(self, renew: Callable[[], Stepper], go_on: Callable[[], None]) -> bool:
        """Answer what the client asked while the run goes on; return whether it is to stop.

        Args:
            renew: takes the stepper to the present.
            go_on: lets the run watch for what the stepper has now.
        """
        if not self._inbox.pending():
            return False
        renew()
        self._converse(self._inbox.pending)
        go_on()
        stops, self.session.pauses = self.session.pauses, False
        self._reason = "pause" if stops else self._reason
        return stops

    def _converse(self, goes_on: Callable[[], bool]) -> None:
        """Answer messages.

        Raises:
            RunLeft: the run has to end.
        """
        session = self.session
        there = converse(
            session,
            self._inbox,
            lambda: goes_on() and not (session.over or session.leaves_run or self._interrupted()),
            WAIT,
        )
        session.over = session.over or not there
        if session.leaves_run:
            tick = session.stepper.tick if session.stepper is not None else 0
            raise RunLeft(f"the run was left at step {tick}")
        if session.resumed:
            session.resumed, session.running = False, True

    @property
    def gone(self) -> bool:
        """Whether the client has left, or Ctrl-C ends the run; it goes on without a stop."""
        return self.session.over or self._interrupted()

    def write(self, text: str) -> None:
        """Say something to the user."""
        if self.session.configured and not self.session.over:
            self._say(text)
        else:
            print(text, file=sys.stderr)

    def logs(self, held: Iterable[Breakpoint], scope: Callable[[], Scope]) -> None:
        """Tell what is logged where the run has come to."""
        for breakpoint in held:
            message = self.session.breakpoints.messages.get(breakpoint.number)
            if message is not None:
                self._say(filled(message, scope()))

    def _say(self, text: str) -> None:
        try:
            self.session.tell(text)
        except OSError:
            self.session.over = True

    # --- after it ---

    def looks_back(self, stepper: Stepper) -> None:
        """Let the client look at a run that has raised."""
        session = self.session
        session.running = False
        session.open(stepper, session.files)
        session.stopped("exception", text=session.error())
        self._converse(lambda: True)

    def ends(self) -> None:
        """Tell the client that the run is over, and close."""
        try:
            if not self.session.over:
                self.session.event("terminated")
                self.session.event("exited", exitCode=0)
        except OSError:
            pass
        self._inbox.close()


class AnyLines(RanLines):
    """The lines of each source file that a run may come to: those where a statement begins."""

    def __init__(self, known: Known) -> None:
        """Know the files of the traced packages."""
        self._files: dict[str, SourceFile] = known.sources()

    def require(self) -> None:
        """They are there: those of a run are still to come."""

    def of(self, file: str) -> list[int]:
        """Return the lines of a file, in order."""
        if file not in self._files:
            return []
        return sorted({it.first for it in statements(self._files[file].text).values()})

    def nearest(self, file: str, line: int) -> int:
        """Return the line where the statement at or after a line begins.

        Raises:
            MissingError: there is none.
        """
        known = statements(self._files[file].text) if file in self._files else {}
        after = [number for number in known if number >= line]
        if not after:
            raise MissingError(f"there is no statement from line {line} of {file} on")
        return known[min(after)].first
