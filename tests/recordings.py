"""Recordings that are made once a test run, whatever number of workers and files asks for them.

In a test file::

    from recordings import shared

    @pytest.fixture(scope="session")
    def recorded(rcnn, two_images):
        return shared("eval-line", lambda: tracer.trace(rcnn, two_images, grain="line"))

The first to ask runs the function and saves what it returns as ``eval-line.safetensors`` in a
folder that all workers of the run see; everybody else, and the first too, reads that file. Its
arrays stay on disk until they are looked at, so that a shared recording holds little memory. A
name stands for one recording everywhere: two functions must not share one. What is costly beside
the recording (a model) is best made inside the function, or by a function of its own with
`functools.cache`: then a worker that finds the file does without.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from weakref import WeakValueDictionary

import pytest
from filelock import FileLock

from tracer.recording import Recording, load

_recordings: WeakValueDictionary[str, Recording] = WeakValueDictionary()
"""Those that somebody holds."""


@cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """Where no test run has named a folder: one that goes with the process."""
    return tempfile.TemporaryDirectory(prefix="recordings-")


class _Place:
    """The folder of this test run."""

    folder: Path | None = None


@pytest.fixture(scope="session", autouse=True)
def recordings_folder(tmp_path_factory) -> Path:
    """The folder with the recordings of this run, the same for all workers."""
    base = tmp_path_factory.getbasetemp()
    _Place.folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "recordings"
    _Place.folder.mkdir(exist_ok=True)
    return _Place.folder


def shared(name: str, make: Callable[[], Recording]) -> Recording:
    """Return the recording of this name; made by whoever asks for it first in the test run."""
    found = _recordings.get(name)
    if found is None:
        path = (_Place.folder or Path(_own_folder().name)) / f"{name}.safetensors"
        with FileLock(f"{path}.lock"):
            if not path.exists():
                make().save(path)
        found = _recordings[name] = load(path)
    return found
