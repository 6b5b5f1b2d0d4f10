"""What a file is that was given as a checkpoint, by its first bytes. Nothing of it is loaded."""

from __future__ import annotations

import zipfile
from pathlib import Path

_LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
_LONGEST_HEADER = 100_000_000  # of safetensors

_STARTS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "a pointer of Git LFS in the place of the file: fetch the file with git lfs pull",
    ),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"\xfd7zXZ", "compressed by xz: unpack it first"),
    (b"7z\xbc\xaf", "an archive of 7-Zip: unpack it first"),
    (b"\x89HDF", "HDF5, as Keras writes it"),
    (b"\x93NUMPY", "an array of numpy"),
    (b"GGUF", "GGUF, a format of language models"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"%PDF", "a PDF"),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml")
_PAGE = "a page of the web in the place of the file: download the file itself"


def is_safetensors(path: Path) -> bool:
    """Whether the file begins as safetensors do: a length, then JSON of that length."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= _LONGEST_HEADER


def foreign(path: Path) -> str:
    """Return what the file is if it is no checkpoint, perhaps with what to do; else nothing.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "empty"
    if start.lstrip().lower().startswith(_PAGES):
        return _PAGE
    if start.startswith(b"PK"):
        return _zip(path)
    known = next((what for begin, what in _STARTS if start.startswith(begin)), "")
    if known or start.startswith(_LEGACY_TORCH) or is_safetensors(path):
        return known
    return _other(path, start)


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return (
            f"cut short: what is there is {path.stat().st_size:,} bytes; copy or download it again"
        )
    if any(name.endswith("/constants.pkl") for name in names):
        return "a model of TorchScript, whose code would run: save the state_dict() of the original"
    if any(name.endswith("data.pkl") for name in names):
        return ""
    if names and all(name.endswith(".npy") for name in names):
        return "arrays of numpy (npz)"
    return f"a zip archive of {names[0]!r} and {len(names) - 1} more" if names else "an empty zip"


def _other(path: Path, start: bytes) -> str:
    """Name what has no clear first bytes."""
    if path.suffix == ".onnx" or (start[:1] == b"\x08" and start[2:3] == b"\x12"):
        return "ONNX: its weights have lost their names; take the checkpoint that it was made from"
    if start[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a pickle that torch.save did not write"
    text = start.decode("utf-8", "ignore").strip()
    if text and text.isprintable() | ("\n" in text and text.replace("\n", "").isprintable()):
        return f"text that begins with {text.splitlines()[0][:40]!r}"
    return "of no kind that is known here"
