"""Folders for kept values that do not fit into memory; none of them outlives its process for long.

A folder goes with the store that it belongs to, at the latest when the process ends. A process that
is killed leaves its folders: they are locked by whoever uses them, and the next process that needs
one removes those that nobody has locked.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import BinaryIO

from tracer.files import hold, remove_abandoned

PREFIX = "tracer-values-"
LOCK = "in-use"


def folder(owner: object) -> Path:
    """Return a new folder that is removed when `owner` is no more, or the process ends."""
    sweep()
    while True:
        made = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = open(made / LOCK, "xb")  # noqa: SIM115 (open as long as the owner lives)
        if hold(lock) and (made / LOCK).exists():
            break  # else a process that swept just then took it for left over
        lock.close()
    weakref.finalize(owner, _remove, made, lock, os.getpid())
    return made


def _remove(made: Path, lock: BinaryIO, process: int) -> None:
    """Remove a folder; not in a forked child, which would take it from its parent."""
    if os.getpid() == process:
        lock.close()
        shutil.rmtree(made, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of processes that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if remove_abandoned(left / LOCK):
            shutil.rmtree(left, ignore_errors=True)
