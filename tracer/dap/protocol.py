r"""Messages of the Debug Adapter Protocol: how they are framed, and fields that were checked.

A message is JSON in UTF-8 behind a header, ``Content-Length: 119\r\n\r\n``. No other header is
taken: what a browser can be made to send to a port of this machine is no message.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from tracer.errors import TracerError
from tracer.foreign import clean

MAX_BODY = 4 * 2**20
"""Bytes of a message that is read; the text of a longer one is passed over."""

MAX_HEADER = 64
"""Bytes of a line of a header."""

_CHUNK = 2**16
_LENGTH = re.compile(rb"Content-Length: *([0-9]{1,10})\r\n", re.IGNORECASE)

Message = dict[str, Any]


class ProtocolError(TracerError):
    """A message that cannot be understood, or asks for what is not there; others can follow."""


class FramingError(TracerError):
    """Bytes that are no message; where the next one begins cannot be known."""


class Channel:
    """A client at the other end of two streams of bytes."""

    def __init__(
        self, reader: BinaryIO, writer: BinaryIO, hang_up: Callable[[], None] | None = None
    ) -> None:
        """Talk over these streams; what is sent is numbered from 1.

        Args:
            reader: what the client sends.
            writer: what is sent to it.
            hang_up: ends the connection, where closing the writer is not enough.
        """
        self._reader, self._writer = reader, writer
        self._hang_up = hang_up or writer.close
        self._sent = 0
        self._lock = threading.Lock()

    def receive(self) -> Message | None:
        """Return the next message, None at the end of the stream.

        Raises:
            ProtocolError: a message that is too long, no JSON, or no object.
            FramingError: it does not begin with a header.
        """
        length = self._header()
        if length is None:
            return None
        if length > MAX_BODY:
            self._pass_over(length)
            raise ProtocolError(f"a message has at most {MAX_BODY:,} bytes, this one {length:,}")
        body = self._read(length)
        return None if body is None else parsed(body)

    def _header(self) -> int | None:
        """Read a header; return the length of what follows it."""
        line = self._line()
        if not line:
            return None
        found = _LENGTH.fullmatch(line)
        if found is None or self._line() != b"\r\n":
            raise FramingError(
                "expected a header 'Content-Length: N' and an empty line, found "
                f"{clean(line.decode('latin-1').strip(), 40)!r}"
            )
        return int(found[1])

    def _line(self) -> bytes:
        return self._reader.readline(MAX_HEADER)

    def _read(self, length: int) -> bytes | None:
        """Read so many bytes, None where the stream ends before them."""
        parts = bytearray()
        while len(parts) < length:
            part = self._reader.read(min(length - len(parts), _CHUNK))
            if not part:
                return None
            parts += part
        return bytes(parts)

    def _pass_over(self, length: int) -> None:
        while length > 0 and (part := self._reader.read(min(length, _CHUNK))):
            length -= len(part)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message.

        Raises:
            OSError: the client is gone.
        """
        with self._lock:
            self._sent += 1
            body = framed({"seq": self._sent, **message})
            self._writer.write(body)
            self._writer.flush()

    def close(self) -> None:
        """End the connection; the client may have done so before."""
        with contextlib.suppress(OSError):
            self._hang_up()


def framed(message: Mapping[str, Any]) -> bytes:
    """Return a message with its header."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    body = text.encode("utf-8", "backslashreplace")
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def parsed(body: bytes) -> Message:
    """Return what a message says.

    Raises:
        ProtocolError: it is no JSON, or no object.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        what = clean(str(error), 80)
        raise ProtocolError(f"a message that is no JSON: {what}") from None
    if not isinstance(found, dict):
        raise ProtocolError("a message is a JSON object")
    return found


class Fields:
    """The fields of a message's object; each is checked as it is read."""

    def __init__(self, found: Any, where: str) -> None:
        """Read an object.

        Args:
            found: the object; None stands for an empty one.
            where: what to call it in an error.

        Raises:
            ProtocolError: it is none.
        """
        if found is not None and not isinstance(found, dict):
            raise ProtocolError(f"{where} is an object")
        self._found: Message = found or {}
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._found.get(name) is not None

    def __iter__(self) -> Any:
        return iter(self._found)

    def any(self, name: str) -> Any:
        """Return a field as it is, None where it is not there."""
        return self._found.get(name)

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number from 0.

        Raises:
            ProtocolError: it is something else, or not there and has no default.
        """
        found = self._get(name, default)
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            raise ProtocolError(f"{self._where}.{name} is a whole number from 0")
        return found

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text.

        Raises:
            ProtocolError: it is something else, or not there and has no default.
        """
        found = self._get(name, default)
        if not isinstance(found, str):
            raise ProtocolError(f"{self._where}.{name} is a text")
        return found

    def flag(self, name: str, default: bool = False) -> bool:
        """Return whether a field is true.

        Raises:
            ProtocolError: it is neither true nor false.
        """
        found = self._get(name, default)
        if not isinstance(found, bool):
            raise ProtocolError(f"{self._where}.{name} is true or false")
        return found

    def fields(self, name: str) -> Fields:
        """Return an object; an empty one where it is not there.

        Raises:
            ProtocolError: it is something else.
        """
        return Fields(self._found.get(name), f"{self._where}.{name}")

    def each(self, name: str, most: int = 10_000) -> list[Fields]:
        """Return a list of objects; an empty one where it is not there.

        Raises:
            ProtocolError: it is something else, or has more than `most`.
        """
        return [Fields(it, f"{self._where}.{name}[{i}]") for i, it in self._list(name, most)]

    def texts(self, name: str, most: int = 10_000) -> list[str]:
        """Return a list of texts; an empty one where it is not there.

        Raises:
            ProtocolError: it is something else, or has more than `most`.
        """
        found = [it for _, it in self._list(name, most)]
        if not all(isinstance(it, str) for it in found):
            raise ProtocolError(f"{self._where}.{name} is a list of texts")
        return found

    def _list(self, name: str, most: int) -> list[tuple[int, Any]]:
        found = self._found.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or len(found) > most:
            raise ProtocolError(f"{self._where}.{name} is a list of at most {most:,}")
        return list(enumerate(found))

    def _get(self, name: str, default: Any) -> Any:
        found = self._found.get(name)
        if found is None and default is None:
            raise ProtocolError(f"{self._where} needs {name!r}")
        return default if found is None else found
