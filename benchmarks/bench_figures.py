"""What the figures cost: megabytes of trace at 800 pixels, and seconds per figure.

A pass at 800 × 1066 pixels (and, with ``--wide``, 800 × 1333) is recorded with ``keep="anatomy"``,
saved and loaded, and every figure that fits it is drawn and written as PNG.

    python benchmarks/bench_figures.py [--wide] [--lang zh] [--size slide]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import tracer
from tracer.errors import MissingError
from tracer.rcnn import models
from tracer.rcnn.anatomy import Anatomy, anatomy
from tracer.rcnn.demo import default_scene
from tracer.views.figures import FIGURES

TOTAL, EACH, ROOM = 30.0, 2.0, 60.0
"""Aims: seconds for all figures, seconds for one, megabytes of trace."""


def record(path: Path, size: tuple[int, int], train: bool) -> Anatomy:
    """Record a pass with targets at a size, save it, and load it again."""
    scene = default_scene()
    image = torch.nn.functional.interpolate(scene.tensor()[None], size=size, mode="bilinear")[0]
    target, (height, width) = scene.target(), scene.image.shape[:2]
    scale = torch.tensor([size[1] / width, size[0] / height] * 2)
    target["boxes"] = target["boxes"] * scale
    model = models.build("fasterrcnn_resnet50_fpn", None, seed=0, min_size=800, max_size=1333)
    torch.manual_seed(0)
    with torch.no_grad():
        tracer.trace(model.train(train), [image], [target], keep="anatomy").save(path)
    return anatomy(tracer.load(path))


def draw(parts: Anatomy, folder: Path, lang: str, size: str) -> dict[str, float]:
    """Draw and write every figure that fits the pass; return seconds by name."""
    seconds = {}
    for name, entry in FIGURES.items():
        start = time.perf_counter()
        try:
            entry.draw(parts, lang=lang, size=size).savefig(folder / f"{name}.png", dpi=150)
        except MissingError:
            continue
        seconds[name] = time.perf_counter() - start
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wide", action="store_true", help="800 × 1333 instead of 800 × 1066")
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    parser.add_argument("--size", choices=("notebook", "slide"), default="notebook")
    args = parser.parse_args()
    size = (800, 1333) if args.wide else (800, 1066)
    console, table = Console(), Table("pass", "trace MB", "figures", "total s", "slowest")
    with tempfile.TemporaryDirectory() as folder:
        for train in (False, True):
            path = Path(folder) / "pass.safetensors"
            parts = record(path, size, train)
            seconds = draw(parts, Path(folder), args.lang, args.size)
            worst = max(seconds, key=lambda name: seconds[name])
            table.add_row(
                "training" if train else "inference",
                f"{path.stat().st_size / 1e6:.1f} (aim {ROOM:g})",
                str(len(seconds)),
                f"{sum(seconds.values()):.1f} (aim {TOTAL:g})",
                f"{worst} {seconds[worst]:.2f} s (aim {EACH:g})",
            )
    console.print(f"{size[1]} × {size[0]} pixels, {torch.get_num_threads()} threads")
    console.print(table)


if __name__ == "__main__":
    main()
