"""What a survey costs beside the bare model, how its memory grows, and what a second worker gains.

Times are the processor's, user and system, so that a shared machine blurs them little; those of
survey and bare model in pairs on the same pictures.

    python benchmarks/bench_survey.py [--pictures 20] [--rounds 3] [--memory 100,2000] [--workers]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

import tracer
from tracer.rcnn.demo.scenes import scene
from tracer.rcnn.demo.weights import demo_model


class Scenes:
    """Scenes of 160 pixels, drawn as they are asked for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        one = scene(number, (160, 160))
        return one.tensor(), one.target()


def bare(model: torch.nn.Module, data: Scenes) -> None:
    """Evaluate the pictures, as one does without a survey."""
    with torch.no_grad():
        for number in range(len(data)):
            model([data[number][0]])


def cost(run: Callable[[], object]) -> float:
    """Processor seconds."""
    start = time.process_time()
    run()
    return time.process_time() - start


def paired(pictures: int, rounds: int) -> None:
    """Print the ratio of survey to bare model, on the same pictures one after the other.

    What a survey does once, before its first picture, is told apart: it fingerprints the weights
    and asks the backbone for its shapes.
    """
    model, data = demo_model(min_size=160, max_size=200), Scenes(pictures)
    bare(model, Scenes(2))
    cost(lambda: tracer.survey(model, Scenes(1)))  # loads what it needs
    ratios = []
    for _ in range(rounds):
        once = cost(lambda: tracer.survey(model, Scenes(1))) - cost(lambda: bare(model, Scenes(1)))
        plain = cost(lambda: bare(model, data))
        survey = cost(lambda: tracer.survey(model, data)) - once
        ratios.append(survey / plain)
        print(f"bare {plain / pictures:.3f} s, survey {survey / pictures:.3f} s a picture: "
              f"{ratios[-1]:.2f}; once {once:.2f} s")  # fmt: skip
    print(f"median {statistics.median(ratios):.2f} (at most 1.3)")


def memory(counts: list[int]) -> None:
    """Print the most memory that a survey of so many pictures takes, each in its own process."""
    for count in counts:
        child = os.fork()
        if not child:
            tracer.survey(demo_model(min_size=160, max_size=200), Scenes(count))
            os._exit(0)
        _, _, used = os.wait4(child, 0)
        print(f"{count} pictures: {used.ru_maxrss / 1024:.0f} MB at most")


def workers(pictures: int) -> None:
    """Print how much faster two workers are than one, of one thread each.

    Of the processor's seconds: those of the worker that works longest, and of this process, which
    adds up. On a machine with a core for each that is how long it takes; so is the wall's time,
    which is told beside it, where nothing else runs.
    """
    from distributed import Client, LocalCluster

    model, data, seconds = demo_model(min_size=160, max_size=200), Scenes(pictures), {}
    for count in (1, 2):
        with LocalCluster(n_workers=count, threads_per_worker=1) as cluster, Client(cluster) as own:
            scheduler = cluster.scheduler_address
            tracer.survey(model, Scenes(4), scheduler=scheduler)  # loads what it needs
            before, start = own.run(time.process_time), time.perf_counter()
            here = cost(partial(tracer.survey, model, data, scheduler=scheduler))
            wall, after = time.perf_counter() - start, own.run(time.process_time)
            busy = [after[worker] - before[worker] for worker in after]
            seconds[count] = here + max(busy)
            each = ", ".join(f"{one:.1f}" for one in busy)
            print(f"{count} workers: {each} s, and {here:.1f} s here; {wall:.1f} s of wall time")
    print(f"two are {seconds[1] / seconds[2]:.2f} × one (at least 1.6)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="", help="counts of pictures, as in 100,2000")
    parser.add_argument("--workers", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    paired(asked.pictures, asked.rounds)
    memory([int(each) for each in asked.memory.split(",") if each])
    if asked.workers:
        workers(asked.pictures)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB in all")
