"""What a file is that was given as a checkpoint, by its first bytes. Nothing of it is loaded."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tracer.record.store import FORMAT

_LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
_LONGEST_HEADER = 100_000_000  # of safetensors

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "lfs"),
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ", "xz"),
    (b"7z\xbc\xaf", "seven_zip"),
    (b"\x89HDF", "hdf5"),
    (b"\x93NUMPY", "numpy"),
    (b"GGUF", "gguf"),
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"%PDF", "pdf"),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml")

Kind = tuple[str, dict[str, Any]]
"""A kind of file, as findings name it (``file.gzip``), and the numbers in that name."""


def is_safetensors(path: Path) -> bool:
    """Whether the file begins as safetensors do: a length, then JSON of that length."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= _LONGEST_HEADER


def foreign(path: Path) -> Kind | None:
    """Return what the file is if it is no checkpoint.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "empty", {}
    if start.lstrip().lower().startswith(_PAGES):
        return "page", {}
    if start.startswith(b"PK"):
        return _zip(path)
    known = next((kind for begin, kind in _STARTS if start.startswith(begin)), "")
    if known:
        return known, {}
    if is_safetensors(path):
        return ("recording", {}) if _is_recording(path) else None
    if start.startswith(_LEGACY_TORCH):
        return None
    return _other(path, start)


def _is_recording(path: Path) -> bool:
    """Whether it is of this project's own; a file that is damaged is told of where it is read."""
    with contextlib.suppress(OSError, SafetensorError), safe_open(path, framework="numpy") as file:
        return (file.metadata() or {}).get("format") == FORMAT
    return False


def _zip(path: Path) -> Kind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "cut", {"bytes": path.stat().st_size}
    if any(name.endswith("/constants.pkl") for name in names):
        return "script", {}
    if any(name.endswith("data.pkl") for name in names):
        return None
    if names and all(name.endswith(".npy") for name in names):
        return "npz", {}
    return ("zip", {"first": repr(names[0]), "more": len(names) - 1}) if names else ("no_zip", {})


def _other(path: Path, start: bytes) -> Kind:
    """Name what has no clear first bytes."""
    if path.suffix == ".onnx" or (start[:1] == b"\x08" and start[2:3] == b"\x12"):
        return "onnx", {}
    if start[257:262] == b"ustar":
        return "tar", {}
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle", {}
    text = start.decode("utf-8", "ignore").strip()
    if text and text.isprintable() | ("\n" in text and text.replace("\n", "").isprintable()):
        return "text", {"begins": repr(text.splitlines()[0][:40])}
    return "unknown", {}
