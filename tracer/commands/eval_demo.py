"""Measure the demo's detector on held-out scenes, and tell what it finds in the default one.

tracer eval-demo --scenes 300
"""

from __future__ import annotations

import argparse

HELP = "measure the demo's weights on held-out scenes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from tracer.rcnn.demo.commands import add_eval_arguments

    add_eval_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure."""
    from tracer.rcnn.demo.commands import run_eval

    return run_eval(args)
