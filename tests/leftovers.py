"""Gives back what tests leave behind, so that a run of all of them fits into a small machine.

A recording and what a model leaves refer to each other in circles, which Python takes apart only
now and then, and the C library keeps what Python frees. Both are told to, where a test has left
much behind; what is there from the start (modules, mostly) is left out of the search.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

import psutil
import pytest

MUCH = 100e6  # bytes
HERE = Path(__file__).parent

_process = psutil.Process()
_kept = 0  # bytes held after the last search


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)  # figures are circles, made and dropped whole


@pytest.fixture(scope="module", autouse=True)
def forgetful(request):
    """At the end of a file, forget what it and all helpers remember."""
    yield
    for module in [*sys.modules.values()]:
        file = getattr(module, "__file__", None)
        if file and Path(file).parent == HERE:
            _clear(module)


def _clear(module):
    for thing in vars(module).values():
        if hasattr(thing, "cache_clear") and not thing.__module__.startswith("tracer"):
            thing.cache_clear()


def pytest_runtest_logfinish():
    """After a test and the end of its fixtures."""
    global _kept
    if _process.memory_info().rss - _kept > MUCH:
        if recorder := sys.modules.get("tracer.capture.recorder"):
            recorder._last = None  # what `tracer.last_trace` would tell of
        gc.collect()
        if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)
        _kept = _process.memory_info().rss
