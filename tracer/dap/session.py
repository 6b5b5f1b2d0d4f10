"""One client's session: which requests there are, in which order, and what becomes of each.

The requests themselves are in `beginning`, `moving`, `looking` and `stopping`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tracer.dap.breakpoints import Breakpoints, RanLines
from tracer.dap.protocol import Fields, Message, ProtocolError
from tracer.dap.sources import Sources
from tracer.dap.variables import References
from tracer.errors import TracerError, near
from tracer.foreign import clean, clean_lines
from tracer.languages import Texts
from tracer.stepper import Breakpoint, Stepper

texts = Texts("dap")

Body = dict[str, Any]
Handler = Callable[["Session", Fields], "Body | None"]

FAULT = "a fault of the tracer itself"

THREAD = 1
"""A recording has one clock, and so one thread."""


class Request:
    """A request of the protocol.

    Attributes:
        handle: carries it out.
        needs: what must have been before it: ``""`` nothing, ``"initialize"``, ``"stepper"``
            (something is open), or ``"pause"`` (and stands still).
    """

    def __init__(self, handle: Handler, needs: str) -> None:
        """Know what carries it out, and what it needs."""
        self.handle = handle
        self.needs = needs


REQUESTS: dict[str, Request] = {}
"""Every request by its name."""


def request(name: str, needs: str = "pause") -> Callable[[Handler], Handler]:
    """Register what carries out a request."""

    def register(handler: Handler) -> Handler:
        REQUESTS[name] = Request(handler, needs)
        return handler

    return register


class Send(Protocol):
    """What takes messages to the client."""

    def send(self, message: Message) -> None:
        """Send one."""


class Session:
    """What one client has asked for so far.

    Attributes:
        client: takes messages.
        lang: the client's language.
        stepper: the cursor, once something is launched.
        sources: its source files.
        references: the values that the client can open.
        breakpoints: those that the client has set.
        lines: where the client can set them.
        recording: the file that is stepped through, ``""`` where it is in none.
        stop: the breakpoint that the cursor stands at, if one stopped it.
        rest: commands of the console that remain once a run has gone on.
        initialized: whether the client has said what it is.
        configured: whether the client has set its breakpoints and the run may begin.
        resumed: whether a run that is under way has to go on.
        running: whether it does.
        pauses: whether it has to stop where it is.
        leaves_run: whether a run that is under way has to end with the session.
        over: whether nothing is to be answered any more.
        lines_from, columns_from: what the client counts lines and columns from.
    """

    def __init__(self, client: Send, start: Start, lang: str = "en") -> None:
        """Begin.

        Args:
            client: takes messages.
            start: carries out ``launch`` and ``attach``.
            lang: the language, unless the client has one of ours.
        """
        self.client = client
        self.start = start
        self.lang = lang
        self.stepper: Stepper | None = None
        self.sources: Sources | None = None
        self.references = References()
        self.breakpoints = Breakpoints()
        self.lines: RanLines | None = None
        self.recording = ""
        self.stop: Breakpoint | None = None
        self.rest = ""
        self.initialized = self.configured = self.resumed = False
        self.running = self.pauses = self.leaves_run = self.over = False
        self.lines_from = self.columns_from = 1
        self.shows_progress = False
        self.stop_on_entry = True
        self._frames = range(1, 1)
        self._after: list[Callable[[], None]] = []

    # --- messages ---

    def handle(self, message: Message) -> None:
        """Answer a message of the client."""
        if message.get("type") != "request":
            return  # an answer to nothing that was asked
        name = message.get("command")
        try:
            fields = Fields(message.get("arguments"), "arguments")
            body = self._request(name).handle(self, fields)
        except Exception as error:
            self._after.clear()
            self.refuse(_told(error), message)
            return
        self.client.send(
            {**answering(message), "success": True, **({"body": body} if body is not None else {})}
        )
        after, self._after = self._after, []
        for act in after:
            act()

    def _request(self, name: Any) -> Request:
        """Return a request that can be carried out now.

        Raises:
            ProtocolError: there is none of this name, or another one comes first.
        """
        if name is None:
            raise ProtocolError("a request without a command")
        if not isinstance(name, str) or name not in REQUESTS:
            known = near(str(name), REQUESTS)
            raise ProtocolError(f"there is no request {clean(str(name), 60)!r} here{known}")
        found = REQUESTS[name]
        if found.needs and not self.initialized:
            raise ProtocolError(f"{name} comes after initialize")
        if found.needs in ("stepper", "pause") and self.stepper is None:
            raise ProtocolError(f"{name} comes after launch or attach: nothing is open yet")
        if found.needs == "pause" and self.running:
            raise ProtocolError(f"{name} needs a run that stands still: pause it first")
        return found

    def refuse(self, text: str, message: Message | None = None) -> None:
        """Answer that a message cannot be carried out; None is one that could not be read."""
        error = {"id": 1, "format": "{what}", "variables": {"what": text}, "showUser": True}
        self.client.send(
            {
                **answering(message or {}),
                "success": False,
                "message": text,
                "body": {"error": error},
            }
        )

    def event(self, name: str, **body: Any) -> None:
        """Tell the client something."""
        self.client.send({"type": "event", "event": name, "body": body})

    def tell(self, text: str, category: str = "console") -> None:
        """Show the client's user a text."""
        self.event("output", category=category, output=clean_lines(text) + "\n")

    def say(self, key: str, **values: object) -> str:
        """Return a text in the client's language."""
        return texts(key, self.lang, **values)

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do something once the request at hand has been answered."""
        self._after.append(act)

    # --- where it stands ---

    @property
    def cursor(self) -> Stepper:
        """The stepper, of a request that needs one."""
        assert self.stepper is not None
        return self.stepper

    @property
    def files(self) -> Sources:
        """The source files, of a request that needs a stepper."""
        assert self.sources is not None
        return self.sources

    @property
    def ran(self) -> RanLines:
        """Where the run can stop, of a request that needs a stepper."""
        assert self.lines is not None
        return self.lines

    def open(self, stepper: Stepper, sources: Sources, lines: RanLines | None = None) -> None:
        """Step through something from now on.

        Args:
            stepper: the cursor.
            sources: its files.
            lines: where it can stop, unless that is where it ran.
        """
        self.stepper, self.sources = stepper, sources
        self.lines = lines or RanLines(stepper)
        self.arrive(None)

    def arrive(self, stop: Breakpoint | None) -> None:
        """Stand elsewhere: frames and values have new numbers, and the old ones are gone.

        Args:
            stop: the breakpoint that stopped the cursor there, if one did.
        """
        self.stop = stop
        self.references.forget()
        first = self._frames.stop
        self._frames = range(first, first + len(self.cursor.stack))

    def frame_ids(self) -> range:
        """Return the numbers of the stack's frames, the innermost first."""
        return self._frames

    def frame(self, number: int) -> int:
        """Return which entry of the stack a frame is.

        Raises:
            ProtocolError: there is no such frame, or it went with a step.
        """
        if number not in self._frames:
            past = 0 < number < self._frames.start
            gone = "is gone: the run has moved on" if past else "is not there"
            raise ProtocolError(f"frame {number} {gone}")
        return number - self._frames.start

    @contextmanager
    def at_frame(self, fields: Fields) -> Iterator[Stepper]:
        """The cursor, with the frame that a request names as the one that is asked about."""
        cursor = self.cursor
        cursor.selected = self.frame(fields.whole("frameId")) if "frameId" in fields else 0
        try:
            yield cursor
        finally:
            cursor.selected = 0

    def raised(self) -> str:
        """Return what the cursor stands at: ``"raised"``, ``"nan"``, ``"inf"``, or ``""``."""
        if self.stop is not None and self.stop.number in self.breakpoints.raised:
            return self.breakpoints.raised[self.stop.number]
        return "raised" if self.error() else ""

    def error(self) -> str:
        """Return what was raised where the cursor stands, or is about to be, ``""`` for nothing."""
        position = self.cursor.position
        return (
            position.line.raised
            if position.line is not None and position.line.raised
            else (self.cursor.timeline.raised(position))
        )

    def line_from(self, line: int) -> int:
        """Return a line as a recording counts it, from 1."""
        return line + 1 - self.lines_from

    def line_to(self, line: int) -> int:
        """Return a line as the client counts it."""
        return line - 1 + self.lines_from

    def terminate(self) -> None:
        """Tell the client that nothing more comes."""
        self.event("terminated")

    def stopped(
        self, reason: str, ids: Iterable[int] = (), *, description: str = "", text: str = ""
    ) -> None:
        """Tell the client that the run stands still.

        Args:
            reason: the protocol's word for why.
            ids: which breakpoints stopped it.
            description: the reason in full.
            text: what is to be said beside it.
        """
        told = {"description": description, "text": text}
        more = {name: said for name, said in told.items() if said}
        hit = {"hitBreakpointIds": [*ids]} if ids else {}
        self.event("stopped", reason=reason, threadId=THREAD, allThreadsStopped=True, **more, **hit)


class Start(Protocol):
    """What opens what a client wants to step through."""

    def __call__(self, session: Session, kind: str, fields: Fields) -> None:
        """Give the session a stepper.

        Args:
            session: the client's.
            kind: ``"launch"`` or ``"attach"``.
            fields: of the request.

        Raises:
            TracerError: it cannot be; says why.
        """


def _told(error: Exception) -> str:
    """Return what an error says; one that nobody foresaw is no reason to leave the client alone."""
    if isinstance(error, TracerError):
        return str(error)
    traceback.print_exception(error)
    return f"{FAULT}: {type(error).__name__}: {clean(str(error), 200)}"


def answering(message: Message) -> Message:
    """Return the beginning of an answer."""
    asked, name = message.get("seq"), message.get("command")
    return {
        "type": "response",
        "request_seq": asked if isinstance(asked, int) and not isinstance(asked, bool) else 0,
        "command": clean(name, 60) if isinstance(name, str) else "",
    }
