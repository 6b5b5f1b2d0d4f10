"""What is embedded in the page: JSON and arrays in one compressed piece of text."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def pack(data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return JSON data and arrays as base64 of a zlib stream.

    The stream is: the JSON's length in bytes (uint32, little-endian), the JSON (UTF-8), the
    arrays one after the other. The JSON's entry ``arrays`` is ``{name: [dtype, shape, offset]}``,
    offsets counted from the first array, each a multiple of 8.
    """
    index, body = _laid_out(arrays)
    # What JSON writers call surrogateescape cannot be decoded in a browser: escaped, it can.
    text = json.dumps({**data, "arrays": index}, separators=(",", ":"), allow_nan=False)
    head = text.encode("ascii")
    head += b" " * (-(4 + len(head)) % 8)
    stream = zlib.compress(struct.pack("<I", len(head)) + head + body, 6)
    return base64.b64encode(stream).decode("ascii")


def unpack(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `pack` was given: the JSON data and the arrays."""
    stream = zlib.decompress(base64.b64decode(text))
    (length,) = struct.unpack("<I", stream[:4])
    data = json.loads(stream[4 : 4 + length])
    body = stream[4 + length :]
    arrays = {}
    for name, (dtype, shape, offset) in data.pop("arrays").items():
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape)
    return data, arrays


def _laid_out(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, list[Any]], bytes]:
    index: dict[str, list[Any]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        index[name] = [array.dtype.name, list(array.shape), offset]
        raw += b"\0" * (-len(raw) % 8)
        parts.append(raw)
        offset += len(raw)
    return index, b"".join(parts)
