"""Train the demo's small detector anew, on scenes that are drawn as they are needed.

  tracer train-demo build/demo-training

The folder keeps state, log and checkpoint: the same command goes on where a run stopped. What the
packaged weights were trained with, and how good they are, is in docs/demo-model.md.
"""

from __future__ import annotations

import argparse

HELP = "train the demo's weights anew"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; their defaults are the training's own."""
    from tracer.rcnn.demo.commands import add_train_arguments

    add_train_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train."""
    from tracer.rcnn.demo.commands import run_train

    return run_train(args)
