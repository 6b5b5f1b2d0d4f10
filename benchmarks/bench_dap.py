"""How soon an editor has its answers: the demo's pass, stepped through over `tracer dap`.

The client is a process of its own, as an editor is, and asks after each stop what an editor asks:
the stack, the scopes, the variables of the first one. Each number is that of a whole round trip.
The launch is from the start of the process to the first stop; `cpu`, what the process worked, says
the same on a busy machine.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from dap_client import Started

TARGETS = {"launch": 1.0, "answer": 0.050}
MOVES = ("next", "stepIn", "stepOut", "stepBack", "stepIn", "next", "continue", "reverseContinue")


def recording(folder: Path) -> Path:
    """Record the demo's pass."""
    from tracer.commands import demo
    from tracer.rcnn import models

    args = argparse.Namespace(picture=None, weights=None, min_size=None, seed=0)
    subject = demo._subject(args)
    model = models.build(demo.MODEL, subject.weights, seed=0).eval()
    path = folder / "pass.safetensors"
    demo._pass(model, subject).save(path)
    return path


def launched(path: Path) -> tuple[Any, float, float]:
    """Start a server on a recording; return it, and the seconds that it took, of clock and CPU."""
    began = time.perf_counter()
    client = Started()
    client.checks = False  # that takes longer than the answers
    client.begin(recording=str(path))
    seconds = time.perf_counter() - began
    return client, seconds, worked(client)


def worked(client: Any) -> float:
    """Return the CPU seconds of a server so far."""
    times = psutil.Process(client.process.pid).cpu_times()
    return float(times.user + times.system)


def stepped(client: Any, moves: int) -> dict[str, list[float]]:
    """Step at random, looking at each stop as an editor does; return seconds by request."""
    spent: dict[str, list[float]] = {}

    def timed(name: str, **arguments: Any) -> Any:
        began = time.perf_counter()
        found = client.ask(name, **arguments)
        spent.setdefault(name, []).append(time.perf_counter() - began)
        return found

    names = [{"name": name} for name in ("FeaturePyramidNetwork.forward", "stage rpn", "layer?.0")]
    timed("setFunctionBreakpoints", breakpoints=names)
    source = {"path": "torchvision/ops/feature_pyramid_network.py"}
    timed("setBreakpoints", source=source, breakpoints=[{"line": 194, "condition": "idx == 1"}])
    timed("setExceptionBreakpoints", filters=["raised"])
    choose = random.Random(0)
    for _ in range(moves):
        move = choose.choice(MOVES)
        timed(move, threadId=1)
        client.event("stopped")
        frame = timed("stackTrace", threadId=1, levels=20)["stackFrames"][0]["id"]
        scopes = timed("scopes", frameId=frame)["scopes"]
        shown = timed("variables", variablesReference=scopes[0]["variablesReference"])
        for variable in shown["variables"][:3]:
            if variable["variablesReference"]:
                timed("variables", variablesReference=variable["variablesReference"])
        timed("evaluate", expression="1 + 1", frameId=frame, context="watch")
    return spent


def main() -> None:
    """Print a line per request, and the launch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, help="instead of the demo's pass")
    parser.add_argument("--moves", type=int, default=400)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.recording or recording(Path(folder))
        for _ in range(3):
            client, seconds, cpu = launched(path)
            print(f"launch {seconds:.2f} s, cpu {cpu:.2f} s (target {TARGETS['launch']:.0f} s)")
            with client:
                spent = stepped(client, args.moves) if _ == 2 else {}
                cpu = worked(client) - cpu
    every = sorted(value for values in spent.values() for value in values)
    for name, values in sorted(spent.items()):
        print(f"{name:24} {len(values):5} × median {1e3 * statistics.median(values):6.1f} ms")
    last = 1e3 * every[int(0.95 * len(every))]
    print(f"all {len(every)}: 95th percentile {last:.1f} ms (target {1e3 * TARGETS['answer']:.0f})")
    print(f"slowest {1e3 * every[-1]:.1f} ms; cpu {1e3 * cpu / len(every):.1f} ms each")


if __name__ == "__main__":
    main()
