"""What is embedded in the page: JSON and arrays in one compressed piece of text."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

_BEGIN, _END = b"\x78\x9c", b"\x03\x00"  # of a zlib stream, and of the deflate stream in it


def unpack(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `Press.pack` was given: the JSON data and the arrays."""
    stream = zlib.decompress(base64.b64decode(text))
    (length,) = struct.unpack("<I", stream[:4])
    data = json.loads(stream[4 : 4 + length])
    body = stream[4 + length :]
    arrays = {}
    for name, (dtype, shape, offset) in data.pop("arrays").items():
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape)
    return data, arrays


class _Piece(NamedTuple):
    raw: bytes
    pressed: bytes


class Press:
    """Packs one choice of data and arrays after another, and compresses each part once.

    Every part ends with a full flush, so that it can stand between any others in one stream and
    the lengths of parts add up.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Any, _Piece]] = {}

    def pack(self, data: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]) -> str:
        """Return JSON data and arrays as base64 of a zlib stream.

        The stream is: the JSON's length in bytes (uint32, little-endian), the JSON (UTF-8), the
        arrays one after the other. The entries of all `data` are one JSON object; its entry
        ``arrays`` is ``{name: [dtype, shape, offset]}``, offsets counted from the first array,
        each a multiple of 8.
        """
        pieces = list(self._pieces(data, arrays))
        sum_ = 1
        for piece in pieces:
            sum_ = zlib.adler32(piece.raw, sum_)
        stream = b"".join((_BEGIN, *(p.pressed for p in pieces), _END, struct.pack(">I", sum_)))
        return base64.b64encode(stream).decode("ascii")

    def size(self, data: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]) -> int:
        """Return the length of what `pack` returns."""
        length = sum(len(piece.pressed) for piece in self._pieces(data, arrays))
        return 4 * -(-(len(_BEGIN) + length + len(_END) + 4) // 3)

    def _pieces(
        self, data: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]
    ) -> Iterator[_Piece]:
        body = [self._of_array(name, array) for name, array in arrays.items()]
        text = [self._of_data(part) for part in data if part]
        last = _json({"arrays": _index(arrays, [len(piece.raw) for piece in body])})[1:]
        length = 1 + sum(len(piece.raw) for piece in text) + len(last)
        padding = -(4 + length) % 8
        yield _pressed(struct.pack("<I", length + padding) + b"{")
        yield from text
        yield _pressed(last + b" " * padding)
        yield from body

    def _of_data(self, part: Mapping[str, Any]) -> _Piece:
        return self._once(id(part), part, lambda: _json(part)[1:-1] + b",")

    def _of_array(self, name: str, array: np.ndarray) -> _Piece:
        return self._once((name, array.shape), array, lambda: _padded(array))

    def _once(self, key: Hashable, owner: Any, raw: Callable[[], bytes]) -> _Piece:
        if key not in self._known:
            self._known[key] = owner, _pressed(raw())  # with its owner: a number is used again
        return self._known[key][1]


def _pressed(raw: bytes) -> _Piece:
    press = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return _Piece(raw, press.compress(raw) + press.flush(zlib.Z_FULL_FLUSH))


def _json(data: Mapping[str, Any]) -> bytes:
    # What JSON writers call surrogateescape cannot be decoded in a browser: escaped, it can.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")


def _padded(array: np.ndarray) -> bytes:
    raw = np.ascontiguousarray(array).tobytes()
    return raw + b"\0" * (-len(raw) % 8)


def _index(arrays: Mapping[str, np.ndarray], lengths: Sequence[int]) -> dict[str, list[Any]]:
    starts = (sum_ - length for sum_, length in zip(accumulate(lengths), lengths, strict=True))
    return {
        name: [array.dtype.name, list(array.shape), start]
        for (name, array), start in zip(arrays.items(), starts, strict=True)
    }
