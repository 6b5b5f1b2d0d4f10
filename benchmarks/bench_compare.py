"""What fingerprints add to a recording, and how long comparing two recordings takes.

Recordings with and without fingerprints are made in turn within one process, each pair in the other
order than the one before, and the ratio is taken pair by pair: a machine whose speed drifts slows
both alike. Their median is printed, of wall and of CPU time. The comparison is of two recordings of
all grains, loaded from their files: once of the same model, once with a weight changed.

    python benchmarks/bench_compare.py [--min-size 800] [--rounds 9] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from bench_capture import setting, timed
from rich.console import Console
from rich.table import Table

import tracer

ADDED = 1.05
"""What a recording with summaries and fingerprints may cost, one without being 1."""
SECONDS = 2.0
"""What comparing two recordings may take."""


def fingerprints(min_size: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Median ratios, wall and CPU, of a recording with fingerprints to one without, by grain."""
    model, images = setting(min_size)
    found = {}
    with torch.no_grad():
        for grain in ("module", "op", "line"):
            run = recording(grain)
            run[False](model, images), run[True](model, images)
            pairs = []
            for turn in range(rounds):
                seconds = {f: timed(run[f], model, images) for f in (bool(turn % 2), not turn % 2)}
                pairs.append([w / p for w, p in zip(seconds[True], seconds[False], strict=True)])
            wall, cpu = (statistics.median(each) for each in zip(*pairs, strict=True))
            found[grain] = wall, cpu
    return found


def recording(grain: str) -> dict[bool, Callable[..., object]]:
    """The two ways of recording with summaries, by whether fingerprints are taken."""

    def of(fingerprints: bool) -> Callable[..., object]:
        return lambda model, images: tracer.trace(
            model, images, grain=grain, previews=False, fingerprints=fingerprints
        )

    return {False: of(False), True: of(True)}


def comparisons(min_size: int, folder: Path) -> dict[str, tuple[float, float, str]]:
    """Return seconds, wall and CPU, of each comparison, best of three, and the verdict."""
    model, images = setting(min_size)
    options = {"grain": "line", "keep": "anatomy", "fingerprints": True}
    with torch.no_grad():
        tracer.trace(model, images, **options).save(folder / "a.safetensors")
        model.backbone.body.layer2[0].conv1.weight[0, 0] += 0.1
        tracer.trace(model, images, **options).save(folder / "b.safetensors")
    found = {}
    for name, file in (("nothing", "a"), ("one weight", "b")):
        took = []
        for _ in range(3):
            start = time.perf_counter()
            pair = [tracer.load(folder / f"{each}.safetensors") for each in ("a", file)]
            loaded, busy = time.perf_counter(), time.process_time()
            compared = tracer.compare(*pair)
            compared.report()
            seconds = time.perf_counter() - loaded, time.process_time() - busy
            took.append((*seconds, loaded - start))
        wall, cpu, loading = (min(each) for each in zip(*took, strict=True))
        calls = f"{compared.verdict}, {len(compared.pairs):,} calls, loaded in {loading:.2f} s"
        found[name] = wall, cpu, calls
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--min-size", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-recordings", action="store_true", help="only the comparisons")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console(width=110)
    if not options.no_recordings:
        table = Table(title=f"with ÷ without fingerprints ({options.threads} threads)")
        for heading in ("grain", "wall", "CPU", "aim"):
            table.add_column(heading, justify="right")
        for grain, (wall, cpu) in fingerprints(options.min_size, options.rounds).items():
            table.add_row(grain, f"{wall:.3f}", f"{cpu:.3f}", f"≤ {ADDED:.2f}")
        console.print(table)
    table = Table(title=f"comparing two recordings of all grains, {options.min_size} pixels")
    for heading in ("changed", "wall, s", "CPU, s", "aim", "verdict"):
        table.add_column(heading)
    with tempfile.TemporaryDirectory() as folder:
        for name, (wall, cpu, told) in comparisons(options.min_size, Path(folder)).items():
            table.add_row(name, f"{wall:.2f}", f"{cpu:.2f}", f"≤ {SECONDS:.0f}", told)
    console.print(table)


if __name__ == "__main__":
    main()
