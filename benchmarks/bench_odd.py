"""How long each view takes to open recordings of odd proportions: deep, wide, long, much shared.

No view should work for more than five seconds of the processor's time on any of them, as a whole or
saying what it leaves out. Each runs in a process of its own and is stopped after `--limit`.

    python benchmarks/bench_odd.py [--limit 20] [--only "nested"] [--view step]
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import large_recordings
from fuzz import every_view

from tracer.errors import TracerError
from tracer.recording import Recording, load

TARGET = 5.0


def measured(view: Callable[[], object], limit: int) -> tuple[float, int, str]:
    """Run a view in a child; return its processor seconds, its megabytes, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        os.write(writing, _said(view).encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status, used = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        said = f"stopped ({signal.Signals(os.WTERMSIG(status)).name})"
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, said


def _said(view: Callable[[], object]) -> str:
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere
        try:
            view()
        except TracerError as error:
            return f"{type(error).__name__}: {error}"
        except BaseException as error:
            return f"FAULT {type(error).__name__}: {error}"
    return ""


def opened(make: Callable[[], Recording], folder: Path) -> Recording:
    """Return the recording as a file gives it."""
    path = make().save(folder / "odd.safetensors", overwrite=True)
    start = time.process_time()
    found = load(path)
    print(f"  {time.process_time() - start:5.1f} s load, {path.stat().st_size / 1e6:.1f} MB")
    return found


def main() -> None:
    """Print what is slow, and what each recording's slowest view takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--only", default="")
    parser.add_argument("--view", default="", help="a pattern")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, make in large_recordings.MAKERS.items():
            if not re.search(options.only, name):
                continue
            print(name, flush=True)
            trace = opened(make, Path(folder))
            slowest = (0.0, "")
            for title, view in every_view(trace).items():
                if not re.search(options.view, title):
                    continue
                seconds, megabytes, said = measured(view, options.limit)
                slowest = max(slowest, (seconds, title))
                if seconds > TARGET or "FAULT" in said:
                    print(f"  {seconds:5.1f} s {megabytes:5d} MB {title}: {said[:300]}", flush=True)
            print(f"  slowest: {slowest[0]:.1f} s {slowest[1]}", flush=True)


if __name__ == "__main__":
    main()
