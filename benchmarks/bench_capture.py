"""What a recording costs, as a ratio to the plain forward pass, grain by grain and beside peers.

Every variant runs on the same model and pictures, in turn, within one process: a round runs each
once, so that a machine whose speed drifts slows all of them alike. Ratios are taken round by round
against that round's plain pass, and their median is printed. Peak memory is measured in a process
of its own for each variant, as the resident size above that of the plain pass.

    pip install 'rcnn-tracer[bench]'    # the peers
    python benchmarks/bench_capture.py [--min-size 320] [--rounds 7] [--no-peers] [--no-memory]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn

import tracer

Pass = Callable[[nn.Module, list[torch.Tensor]], object]

AIMS = {
    "modules, summaries": 1.05,
    "modules, previews": 1.10,
    "modules, functions, ops": 1.15,
    "everything with lines": 1.25,
    "modules, all data kept": 1.35,
}


def variants(peers: bool) -> dict[str, Pass]:
    """The ways of running the pass, by name; the plain one first."""
    found: dict[str, Pass] = {
        "plain": lambda m, x: m(x),
        "modules, summaries": lambda m, x: tracer.trace(m, x, grain="module", previews=False),
        "modules, previews": lambda m, x: tracer.trace(m, x, grain="module"),
        "modules, functions, ops": lambda m, x: tracer.trace(m, x),
        "everything with lines": lambda m, x: tracer.trace(m, x, grain="line"),
        "modules, all data kept": lambda m, x: tracer.trace(m, x, grain="module", keep=True),
    }
    return {**found, **_peers()} if peers else found


def _peers() -> dict[str, Pass]:
    found: dict[str, Pass] = {}
    try:
        import torchinfo

        found["torchinfo (shapes)"] = lambda m, x: torchinfo.summary(
            m, input_data=[x], verbose=0, device="cpu", mode="eval"
        )
    except ImportError:
        print("torchinfo is not installed: left out", file=sys.stderr)
    try:
        import torchlens

        found["TorchLens"] = lambda m, x: torchlens.trace(m, [x])
    except ImportError:
        print("torchlens is not installed: left out", file=sys.stderr)
    return found


def setting(min_size: int) -> tuple[nn.Module, list[torch.Tensor]]:
    """The model and two pictures of different sizes."""
    torch.manual_seed(0)
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, min_size=min_size)
    return model.eval(), [torch.rand(3, 300, 400), torch.rand(3, 500, 400)]


def timed(run: Pass, model: nn.Module, images: list[torch.Tensor]) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(model, images)
    return time.perf_counter() - wall, time.process_time() - cpu


def time_all(min_size: int, rounds: int, peers: bool) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of every variant in every round, after one round that is not counted."""
    model, images = setting(min_size)
    runs = variants(peers)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    with torch.no_grad():
        for turn in range(rounds + 1):
            for name, run in list(runs.items()):
                try:
                    seconds = timed(run, model, images)
                except Exception as error:
                    print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
                    del runs[name], found[name]
                    continue
                if turn:
                    found[name].append(seconds)
    return found


def peak_memory(name: str, min_size: int) -> float:
    """Peak resident megabytes of a process that runs one variant once."""
    command = [sys.executable, __file__, "--one", name, "--min-size", str(min_size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else float("nan")


def run_one(name: str, min_size: int) -> None:
    """Run one variant once and print this process's peak memory in MB."""
    model, images = setting(min_size)
    with torch.no_grad():
        model(images)
        kept = variants(peers=True)[name](model, images)
    print(json.dumps(peak_resident()))
    del kept


def peak_resident() -> float:
    """Peak resident size of the running program, in MB.

    Linux keeps `ru_maxrss` from the process that started this one, so its own number is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(times: dict[str, list[tuple[float, float]]], memory: dict[str, float]) -> Table:
    """One row per variant: medians, ratios to the same round's plain pass, memory above plain."""
    table = Table(title=f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for heading in ("variant", "wall s", "wall ÷ plain", "CPU ÷ plain", "aim", "MB above plain"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    plain = times["plain"]
    for name, seconds in times.items():
        wall = statistics.median(w / p for (w, _), (p, _) in zip(seconds, plain, strict=True))
        cpu = statistics.median(c / p for (_, c), (_, p) in zip(seconds, plain, strict=True))
        above = memory.get(name, float("nan")) - memory.get("plain", float("nan"))
        table.add_row(
            name,
            f"{statistics.median(w for w, _ in seconds):.3f}",
            f"{wall:.3f}",
            f"{cpu:.3f}",
            f"≤ {AIMS[name]:.2f}" if name in AIMS else "",
            f"{above:.0f}" if above == above else "",
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--min-size", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one, options.min_size)
        return
    times = time_all(options.min_size, options.rounds, not options.no_peers)
    names = [] if options.no_memory else list(times)
    memory = {name: peak_memory(name, options.min_size) for name in names}
    Console(width=110).print(report(times, memory))


if __name__ == "__main__":
    main()
