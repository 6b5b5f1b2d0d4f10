"""What a recorded call costs, in µs, where the arithmetic is small: a detector at 64 pixels.

What is measured is the processor's time of one thread, which other programs hardly change. Every
variant runs in turn within one process, round by round, after one round that is not counted. A
variant's cost is its time above that of the same round's plain pass, installing and finishing
included, over the number of calls; the median over the rounds is printed. The first row is a pair
of hooks on each module that do nothing: what no recorder in Python can stay below.

    python benchmarks/bench_calls.py [--min-size 64] [--rounds 15]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn

import tracer

Pass = Callable[[nn.Module, list[torch.Tensor]], int]
"""Runs the model and returns how many calls were recorded, or hooked."""

AIMS = {"modules, previews": 150.0, "modules, functions, ops": 90.0}


def plain(model: nn.Module, images: list[torch.Tensor]) -> int:
    """The pass alone."""
    model(images)
    return 1


def bare_hooks(model: nn.Module, images: list[torch.Tensor]) -> int:
    """Two hooks on each module, as the recorder's are registered, that only count."""
    calls = [0]

    def before(module: nn.Module, args: object, kwargs: object) -> None:
        calls[0] += 1

    def after(module: nn.Module, args: object, kwargs: object, result: object) -> None:
        pass

    handles = []
    for module in model.modules():
        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        handles.append(module.register_forward_hook(after, with_kwargs=True, always_call=True))
    model(images)
    for handle in handles:
        handle.remove()
    return calls[0]


def recorded(**options: object) -> Pass:
    """A recording with these options of `tracer.trace`."""
    return lambda model, images: len(tracer.trace(model, images, **options).calls)  # type: ignore[arg-type]


VARIANTS: dict[str, Pass] = {
    "plain": plain,
    "bare hooks": bare_hooks,
    "modules, summaries": recorded(grain="module", previews=False),
    "modules, previews": recorded(grain="module"),
    "modules, functions, ops": recorded(),
    "everything with lines": recorded(grain="line"),
}


def measured(min_size: int, rounds: int) -> dict[str, list[float]]:
    """Seconds above the plain pass per call, of every variant in every round."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=min_size, rpn_post_nms_top_n_test=20
    ).eval()
    images = [torch.rand(3, 60, 80)]
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with torch.no_grad():
        for turn in range(rounds + 1):
            base = 0.0
            for name, run in VARIANTS.items():
                gc.collect()  # what an earlier variant has left is not this one's
                began = time.process_time()
                calls = run(model, images)
                seconds = time.process_time() - began
                base = seconds if name == "plain" else base
                if turn:
                    found[name].append(seconds if name == "plain" else (seconds - base) / calls)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--min-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    for name, seconds in measured(options.min_size, options.rounds).items():
        each = statistics.median(seconds) * 1e6
        quartiles = [f"{s * 1e6:.0f}" for s in statistics.quantiles(seconds, n=4)]
        unit = "µs a pass" if name == "plain" else "µs a call"
        aim = f"  (aim ≤ {AIMS[name]:.0f})" if name in AIMS else ""
        print(f"{name:24} {each:8.0f} {unit}, quartiles {' '.join(quartiles)}{aim}")


if __name__ == "__main__":
    main()
