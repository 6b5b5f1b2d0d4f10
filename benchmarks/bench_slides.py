"""Slides from a saved pass: seconds and megabytes of the default deck in each format.

The pass is the demo's at its full size, with lines and ``keep="anatomy"``, or one that is named.
Each format is written by a command of its own, as a teacher would; `cpu` is what that command
worked, which says the same on a busy machine.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TARGETS = {".html": (30.0, 8.0), ".pptx": (None, 15.0), ".pdf": (None, None)}
"""Seconds and megabytes that a format may take."""


@dataclass(frozen=True)
class Measured:
    """One file: wall seconds, processor seconds, megabytes."""

    seconds: float
    cpu: float
    megabytes: float


def record(folder: Path) -> Path:
    """Record the demo's scene with its detector."""
    import torch

    import tracer
    from tracer.rcnn import models
    from tracer.rcnn.demo import default_scene

    model = models.build("fasterrcnn_resnet50_fpn", "demo").eval()
    with torch.no_grad():
        trace = tracer.trace(model, [default_scene().tensor()], grain="line", keep="anatomy")
    return trace.save(folder / "pass.safetensors")


def measure(recording: Path, file: Path, *options: str) -> Measured:
    """Write one deck with the command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "tracer", "slides", str(recording), "-o", str(file), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, cpu, file.stat().st_size / 1e6)


def report(ending: str, it: Measured) -> str:
    """One line, with what it may be at most."""
    seconds, megabytes = TARGETS[ending]
    allowed = [f"≤ {seconds:g} s"] if seconds else []
    allowed += [f"≤ {megabytes:g} MB"] if megabytes else []
    size = f"{it.megabytes:6.1f} MB"
    return f"{ending:6} {it.seconds:6.1f} s  {it.cpu:6.1f} s cpu  {size}  {', '.join(allowed)}"


def main() -> None:
    """Measure every format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, help="a saved pass, instead of the demo's")
    parser.add_argument("--only", choices=list(TARGETS), help="one format")
    parser.add_argument("--lang", default="en")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        recording = args.recording or record(Path(name))
        for ending in [args.only] if args.only else TARGETS:
            file = Path(name) / f"deck{ending}"
            print(report(ending, measure(recording, file, "--lang", args.lang)), flush=True)


if __name__ == "__main__":
    main()
