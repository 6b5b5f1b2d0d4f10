"""How long each explorer takes to draw one change of a control.

Every control is moved in turn through values spread over its range, as a hand on a slider does.
Measured is the kernel's part, from the new value to the picture's bytes and the text. A change
should stay below 100 ms. First use, which computes what is then kept, is given by itself.

    python benchmarks/bench_widgets.py [--size 512] [--changes 60]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch

import tracer
from tracer.rcnn.demo import default_scene, demo_model
from tracer.views.explorers import EXPLORERS
from tracer.views.explorers.controls import Choice, Control, Slider
from tracer.views.explorers.explorer import Explorer


def recording(size: int) -> tracer.Trace:
    """Return a pass over the default scene, at so many pixels."""
    model = demo_model()
    model.transform.min_size = (size,)
    with torch.no_grad():
        return tracer.trace(model, [default_scene().tensor()], keep=["anatomy", "*layer_blocks.0"])


def places(control: Control) -> list[Any]:
    """Return values spread over a control's range."""
    if isinstance(control, Slider):
        steps = [control.low + (control.high - control.low) * i / 7 for i in range(8)]
        return [round(s) if isinstance(control.step, int) else s for s in steps]
    values = [value for _, value in control.options]
    return values if isinstance(control, Choice) else [tuple(values[:n]) for n in (1, 3, 9)]


def changes(explorer: Explorer, count: int) -> Iterator[dict[str, Any]]:
    """Yield so many changes, each of one control, the others where they began."""
    start = dict(explorer.values)
    done = 0
    while True:
        for name in list(explorer.controls):
            for value in places(explorer.controls[name]):
                if done == count:
                    return
                done += 1
                yield {name: value}
            explorer.set(**{name: start[name]})


def measure(trace: tracer.Trace, name: str, count: int) -> tuple[float, list[tuple[float, str]]]:
    """Return the seconds until an explorer is there, and milliseconds and control per change."""
    options = {"other": trace} if name == "compare" else {}
    start = time.perf_counter()
    explorer = trace.explore(name, **options)
    explorer.shown()
    opening = time.perf_counter() - start
    taken = []
    for change in changes(explorer, count):
        start = time.perf_counter()
        explorer.set(**change)
        taken.append(((time.perf_counter() - start) * 1e3, next(iter(change))))
    return opening, taken


def main() -> None:
    """Print a line per explorer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="shorter side in pixels")
    parser.add_argument("--changes", type=int, default=60, help="of each explorer")
    args = parser.parse_args()
    trace = recording(args.size)
    print(f"{'explorer':12}{'open s':>8}{'median ms':>11}{'95 % ms':>9}{'worst ms':>10}  worst at")
    for name in EXPLORERS:
        if name == "steps":
            continue
        opening, taken = measure(trace, name, args.changes)
        times = sorted(ms for ms, _ in taken)
        worst, control = max(taken)
        late = times[int(len(times) * 0.95) - 1]
        print(f"{name:12}{opening:8.2f}{median(times):11.1f}{late:9.1f}{worst:10.1f}  {control}")


if __name__ == "__main__":
    main()
