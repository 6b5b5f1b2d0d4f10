"""The server: one client, over standard input and output or a port of this machine."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from functools import partial

# These register their requests.
from tracer.dap import beginning, looking, moving, stopping  # noqa: F401
from tracer.dap.protocol import Channel, FramingError, Message, ProtocolError
from tracer.dap.session import Session, Start
from tracer.errors import InputError

WAITING = 64
"""Messages that wait to be answered; then the client waits."""

Item = Message | ProtocolError | None


class Inbox:
    """What a client has sent and nobody has answered yet; it is read in a thread of its own."""

    def __init__(self, client: Channel) -> None:
        """Begin to read."""
        self._client = client
        self._waiting: queue.Queue[Item] = queue.Queue(WAITING)
        self._looked_at: list[Item] = []
        self._closed = threading.Event()
        threading.Thread(target=self._read, name="dap client", daemon=True).start()

    def _read(self) -> None:
        while not self._closed.is_set():
            item = self._next()
            self._waiting.put(item)
            if item is None:
                return

    def _next(self) -> Item:
        try:
            return self._client.receive()
        except ProtocolError as error:
            return error
        except FramingError as error:
            self._waiting.put(ProtocolError(str(error)))
        except (OSError, ValueError):
            pass  # the stream is closed
        return None

    def close(self) -> None:
        """Hang up."""
        self._closed.set()
        self._client.close()

    def get(self, seconds: float | None = None) -> Item:
        """Wait for a message; None when the client is gone.

        Raises:
            TimeoutError: none came within so many seconds.
        """
        try:
            return self._looked_at.pop(0) if self._looked_at else self._waiting.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None

    def pending(self) -> bool:
        """Whether there is a message."""
        return bool(self._looked_at) or not self._waiting.empty()

    def holds(self, wanted: Callable[[Message], bool]) -> bool:
        """Whether a message of this kind waits, or the client is gone."""
        while not self._waiting.empty():
            self._looked_at.append(self._waiting.get())
        return any(it is None or (isinstance(it, dict) and wanted(it)) for it in self._looked_at)


def converse(
    session: Session, inbox: Inbox, goes_on: Callable[[], bool], look: float | None = None
) -> bool:
    """Answer messages as long as the session goes on; return whether the client is still there.

    Args:
        session: the client's.
        inbox: its messages.
        goes_on: asked before each message.
        look: it is asked after so many seconds too, where no message comes.
    """
    while goes_on():
        try:
            item = inbox.get(look)
        except TimeoutError:
            continue
        if item is None:
            return False
        try:
            if isinstance(item, ProtocolError):
                session.refuse(str(item))
            else:
                session.handle(item)
        except OSError:
            return False
    return True


def serve(client: Channel, start: Callable[[Inbox], Start], lang: str) -> None:
    """Serve one client to its end.

    Args:
        client: the client.
        start: returns what carries out ``launch`` and ``attach``.
        lang: the language of a client that has none of ours.
    """
    inbox = Inbox(client)
    session = Session(client, start(inbox), lang)
    converse(session, inbox, lambda: not session.over)
    inbox.close()


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that one client can connect to.

    Raises:
        InputError: the port cannot be had.
    """
    try:
        return socket.create_server((host, port), backlog=1)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"port {port} of {host} cannot be used: {reason}") from error


def accepted(server: socket.socket) -> Channel:
    """Wait for a client; whoever comes after it is turned away."""
    with server:
        connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return over(connection)


def over(connection: socket.socket) -> Channel:
    """Return the client at the other end of a socket."""
    reader, writer = connection.makefile("rb"), connection.makefile("wb")
    return Channel(reader, writer, partial(connection.shutdown, socket.SHUT_RDWR))
