"""`tracer train-demo` and `tracer eval-demo`: their options, and what they run."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from tracer.rcnn.demo.evaluation import default_scene_table, detections, measure
from tracer.rcnn.demo.scenes import DEMO_SIZE, scene
from tracer.rcnn.demo.train import TrainConfig, train
from tracer.rcnn.demo.weights import demo_model


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `tracer train-demo`; without any it makes the packaged weights anew."""
    usual = TrainConfig()
    parser.add_argument(
        "folder", type=Path, help="for state, log and checkpoint; a run that stopped goes on here"
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="default %(default)s")
    parser.add_argument("--rank", type=int, default=usual.rank, help="default %(default)s")
    parser.add_argument(
        "--steps", type=int, help=f"a shorter or longer run of the same kind; default {usual.steps}"
    )
    parser.add_argument("--threads", type=int, help="CPU threads; default: PyTorch's choice")


def run_train(args: argparse.Namespace) -> int:
    """Trains and prints where the checkpoint is."""
    if args.threads:
        torch.set_num_threads(args.threads)
    config = replace(TrainConfig(), seed=args.seed, rank=args.rank)
    if args.steps:
        config = config.scaled(args.steps)
    print(train(config, args.folder))
    return 0


def add_eval_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `tracer eval-demo`."""
    parser.add_argument("--weights", type=Path, help="a checkpoint; default: the packaged one")
    parser.add_argument("--scenes", type=int, default=300, help="default %(default)s")
    parser.add_argument("--first-seed", type=int, default=0, help="default %(default)s")


def run_eval(args: argparse.Namespace) -> int:
    """Prints the measures on held-out scenes and what is found in the default scene."""
    model = demo_model(weights=args.weights)
    scenes = [scene(args.first_seed + i, DEMO_SIZE) for i in range(args.scenes)]
    found = track(
        detections(model, scenes),
        "evaluating",
        total=len(scenes),
        console=Console(stderr=True),
    )
    print(measure(scenes, found).text())
    print()
    print(default_scene_table(model))
    return 0
