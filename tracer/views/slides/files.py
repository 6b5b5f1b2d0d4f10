"""A file appears under its name when it is whole, or not at all."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
from pathlib import Path
from typing import Any

from tracer.errors import InputError, MissingError


def put(path: str | Path, data: bytes) -> Path:
    """Write a file in one piece and return its path; one that was there stays until then.

    Raises:
        InputError: it cannot be written; says why.
    """
    target = Path(path)
    unfinished = target.with_name(f".tracer-{secrets.token_hex(6)}.part")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, target)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
    return target


def library(module: str, package: str, what: str) -> Any:
    """Import a library that only slides need.

    Raises:
        MissingError: it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingError(
            f"{what} needs {package}: pip install 'rcnn-tracer[slides]' ({error})"
        ) from error
