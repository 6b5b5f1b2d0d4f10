"""torchvision's sample for this model at its real sizes, each step traced and plain.

Training with 4 images of 600×1200 and 11 boxes each, evaluation with 300×400 and 500×400, the ONNX
export at opset 11. The weights and the pictures to evaluate on are the demo's, so that there is
something to detect: among the near ties of random weights no two runtimes agree.

The training pass needs about 10 GB of memory; --skip-training leaves it out.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import tracer
from tracer.rcnn import models, onnx
from tracer.rcnn.demo.scenes import CLASSES, scene


def timed(name: str, run: Callable[[], Any]) -> Any:
    """Run once, and print wall and CPU time and the process's highest memory so far."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name:<24} {wall:6.1f} s, {cpu:6.1f} s of CPU, peak so far {peak:4.1f} GB", flush=True)
    return result


def build() -> torch.nn.Module:
    """The sample's model with the demo's weights, at torchvision's usual sizes."""
    return models.build(weights="demo", min_size=800, max_size=1333)


def training(model: torch.nn.Module) -> None:
    """The training pass, plain and traced; the losses must be the same."""
    images, boxes = list(torch.rand(4, 3, 600, 1200)), torch.rand(4, 11, 4)
    boxes[:, :, 2:4] = boxes[:, :, 0:2] + boxes[:, :, 2:4]
    labels = torch.randint(1, len(CLASSES), (4, 11))
    targets = [{"boxes": b, "labels": n} for b, n in zip(boxes, labels, strict=True)]
    model.train()
    torch.manual_seed(0)
    plain = timed(
        "training, plain", lambda: {k: v.item() for k, v in model(images, targets).items()}
    )
    torch.manual_seed(0)
    trace = timed("training, traced", lambda: tracer.trace(model, images, targets))
    losses = {k: trace.tensors[v.tensor].summary.min for k, v in trace.calls[0].result.items}
    print({name: round(value, 4) for name, value in losses.items()})
    if losses != plain:
        raise SystemExit(f"the traced losses differ from the plain ones: {plain}")


def evaluation(model: torch.nn.Module, x: list[torch.Tensor]) -> None:
    """The evaluation pass, plain and traced, and the size of its file."""
    model.eval()
    with torch.no_grad():
        timed("evaluation, plain", lambda: model(x))
        trace = timed("evaluation, traced", lambda: tracer.trace(model, x))
    with tempfile.TemporaryDirectory() as folder:
        path = timed("saving", lambda: trace.save(Path(folder, "pass.safetensors")))
        print(f"{len(trace.calls):,} calls, {path.stat().st_size / 1e6:.1f} MB")


def export(model: torch.nn.Module, x: list[torch.Tensor]) -> None:
    """The export, checked in onnxruntime."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "faster_rcnn.onnx")
        print(timed("ONNX export and check", lambda: onnx.export(model, x, path, opset=11)))


def main() -> None:
    """Run the sample."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--skip-training", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = build()
    x = [scene(seed, size).tensor() for seed, size in enumerate([(300, 400), (500, 400)])]
    evaluation(model, x)
    export(model, x)
    if not args.skip_training:
        training(model)


if __name__ == "__main__":
    main()
