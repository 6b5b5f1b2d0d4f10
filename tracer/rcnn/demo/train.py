"""Trains the demo's detector from scratch on rendered scenes.

A step draws its scenes from their seeds, so a run that stops goes on exactly where it
was: weights, optimiser and random state are saved every few steps.
"""

from __future__ import annotations

import itertools
import json
import pickle
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.resnet import Bottleneck

from tracer.errors import TracerError
from tracer.rcnn.demo.lowrank import factorise, true_model
from tracer.rcnn.demo.scenes import CLASSES, Scene, scene
from tracer.rcnn.demo.weights import WEIGHTS_NAME, save_weights

FIRST_TRAINING_SEED = 1_000_000
"""Scenes below this seed are never trained on."""

_FULL_RATE_INPUTS = 256  # a matrix with more inputs than this learns more slowly

LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")

LOG_NAME = "log.jsonl"
STATE_NAME = "state.pt"


@dataclass(frozen=True)
class Phase:
    """A part of a training run.

    Attributes:
        steps: optimiser steps.
        sizes: heights and widths in pixels of the scenes; a batch draws one of them.
        sampling_ratio: of RoIAlign; 1 costs a quarter of torchvision's 2.
        pixels: of a batch, in all its scenes together; decides how many there are.
        positives: largest share of objects among the RoIs that the box head learns from;
            more of them teach the classes sooner, torchvision's 0.25 gives fair scores.
    """

    steps: int
    sizes: tuple[tuple[int, int], ...]
    sampling_ratio: int = 2
    pixels: int = 8 * 256 * 256
    positives: float = 0.25


_SMALL = ((192, 256),)
_MIXED = ((192, 256), (192, 256), (256, 320), (384, 512))
_LARGE = ((384, 512), (512, 640), (512, 640))

PHASES = (
    Phase(100, _SMALL, sampling_ratio=1),
    Phase(500, _SMALL, sampling_ratio=1, pixels=4 * 256 * 256),
    Phase(350, _MIXED, sampling_ratio=1, pixels=6 * 256 * 256, positives=0.5),
    Phase(500, _LARGE),
)


@dataclass(frozen=True)
class TrainConfig:
    """What a training run does.

    Attributes:
        seed: of the first weights, of the samplers and of the scenes.
        rank: of the low-rank products.
        phases: one after another.
        warmup: first steps, over which the learning rate rises to `learning_rate`.
        decay: last steps, over which it falls to zero.
        learning_rate: of AdamW, at its highest.
        weight_decay: of AdamW.
        save_every: steps between two saved states.
    """

    seed: int = 0
    rank: int = 32
    phases: tuple[Phase, ...] = PHASES
    warmup: int = 50
    decay: int = 500
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    save_every: int = 50

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return sum(phase.steps for phase in self.phases)

    def phase_of(self, step: int) -> Phase:
        """The phase of a step, which counts from 0."""
        ends = itertools.accumulate(phase.steps for phase in self.phases)
        return self.phases[sum(end <= step for end in ends)]

    def scaled(self, steps: int) -> TrainConfig:
        """The same recipe in about as many steps as given, each part in proportion."""

        def part(of: int) -> int:
            return max(1, round(of * steps / self.steps))

        phases = tuple(replace(phase, steps=part(phase.steps)) for phase in self.phases)
        return replace(self, phases=phases, warmup=part(self.warmup), decay=part(self.decay))


def training_model(config: TrainConfig) -> FasterRCNN:
    """The true architecture, factorised, with BatchNorm, first weights from the seed."""
    torch.manual_seed(config.seed)
    model = true_model(
        nn.BatchNorm2d,
        max_size=10_000,
        rpn_pre_nms_top_n_train=400,
        rpn_post_nms_top_n_train=300,
        box_batch_size_per_image=64,
    )
    factorise(model, config.rank)
    for module in model.modules():
        if isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)
    # bfloat16 is too coarse for boxes and losses.
    model.rpn.head.register_forward_hook(_as_float)
    model.roi_heads.box_predictor.register_forward_hook(_as_float)
    return model.to(memory_format=torch.channels_last)


def _as_float(
    _module: nn.Module, _args: tuple[Any, ...], output: tuple[Any, Any]
) -> tuple[Any, Any]:
    objectness, deltas = output
    if isinstance(objectness, Tensor):
        return objectness.float(), deltas.float()
    return [o.float() for o in objectness], [d.float() for d in deltas]


def learning_rate(config: TrainConfig, step: int) -> float:
    """Warm-up, plateau, linear decay to zero; `step` counts from 0."""
    rise = (step + 1) / max(1, config.warmup)
    fall = (config.steps - step) / max(1, config.decay)
    return config.learning_rate * min(1.0, rise, fall)


def batch_of(config: TrainConfig, step: int) -> list[Scene]:
    """The scenes of a step, all of one size; the same step always gives the same."""
    phase = config.phase_of(step)
    first = FIRST_TRAINING_SEED * (1 + config.seed) + step * 64
    generator = torch.Generator().manual_seed(first)
    size = phase.sizes[int(torch.randint(len(phase.sizes), (), generator=generator))]
    count = max(1, round(phase.pixels / (size[0] * size[1])))
    return [scene(first + i, size, objects=(3, 3 + size[0] // 50)) for i in range(count)]


@dataclass
class Run:
    """A training run in progress: what a saved state holds."""

    config: TrainConfig
    model: FasterRCNN
    optimiser: torch.optim.Optimizer
    step: int = 0

    def save(self, path: Path) -> None:
        """Writes the state beside `path` and then moves it there, so that it is always whole."""
        state = {
            "config": asdict(self.config),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "random": torch.get_rng_state(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Goes on from a saved state.

        Raises:
            TracerError: it is of another run, or cannot be read.
        """
        try:
            state = torch.load(path, weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError) as error:
            raise TracerError(
                f"cannot read the saved run {path}; delete it to start anew."
            ) from error
        if not _same_until(state["step"], _config_from(state["config"]), self.config):
            raise TracerError(
                f"{path} was saved by a run with another configuration; "
                "give the same one, or another folder."
            )
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        torch.set_rng_state(state["random"])


def _config_from(saved: dict[str, Any]) -> TrainConfig:
    """Undoes `asdict`."""
    return TrainConfig(**saved | {"phases": tuple(Phase(**phase) for phase in saved["phases"])})


def _same_until(step: int, one: TrainConfig, other: TrainConfig) -> bool:
    """Whether two runs do the same before `step`, whatever they do after it."""

    def acts(config: TrainConfig) -> list[tuple[Any, ...]]:
        phases = (config.phase_of(s) for s in range(step))
        return [
            (replace(phase, steps=0), learning_rate(config, s)) for s, phase in enumerate(phases)
        ]

    alike = replace(one, phases=other.phases, decay=other.decay) == other
    return alike and step <= min(one.steps, other.steps) and acts(one) == acts(other)


def start(config: TrainConfig) -> Run:
    """A run at its first step."""
    model = training_model(config).train()
    groups = _parameter_groups(model, config)
    return Run(config, model, torch.optim.AdamW(groups, fused=True))


def _parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, object]]:
    """One group for each matrix, its rate falling with its inputs, and one for all vectors.

    AdamW moves every number by about the rate. A layer that sums thousands of inputs then
    jumps at each step, and the box head, which has no normalisation, learns nothing.
    """
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, object]] = [{"params": vectors, "scale": 1.0, "weight_decay": 0.0}]
    for matrix in (p for p in model.parameters() if p.ndim > 1):
        inputs = matrix[0].numel()
        scale = min(1.0, _FULL_RATE_INPUTS / inputs)
        groups.append({"params": [matrix], "scale": scale, "weight_decay": config.weight_decay})
    return groups


def advance(run: Run) -> dict[str, float]:
    """Makes one optimiser step.

    Returns:
        The four losses, the learning rate, the scenes' height, width and number, and seconds.
    """
    began = time.perf_counter()
    scenes = batch_of(run.config, run.step)
    rate = learning_rate(run.config, run.step)
    for group in run.optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    height, width = scenes[0].image.shape[:2]
    _enter(run.model, run.config.phase_of(run.step), min(height, width))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = run.model([s.tensor() for s in scenes], [s.target() for s in scenes])
    run.optimiser.zero_grad(set_to_none=True)
    sum(losses.values()).backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), 5.0)
    run.optimiser.step()
    run.step += 1
    return {
        "step": run.step,
        **{name: round(float(losses[name].detach()), 5) for name in LOSSES},
        "learning_rate": rate,
        "height": height,
        "width": width,
        "scenes": len(scenes),
        "seconds": round(time.perf_counter() - began, 3),
    }


def _enter(model: FasterRCNN, phase: Phase, shorter_side: int) -> None:
    """Sets what a phase changes in the model."""
    model.transform.min_size = (shorter_side,)
    model.roi_heads.box_roi_pool.sampling_ratio = phase.sampling_ratio
    model.roi_heads.fg_bg_sampler.positive_fraction = phase.positives


def steps(run: Run, folder: Path) -> Iterator[dict[str, float]]:
    """Advances a run to its end, saving its state and writing `log.jsonl` in `folder`."""
    with (folder / LOG_NAME).open("a", encoding="utf-8") as log:
        while run.step < run.config.steps:
            row = advance(run)
            log.write(json.dumps(row) + "\n")
            log.flush()
            if run.step % run.config.save_every == 0 or run.step == run.config.steps:
                run.save(folder / STATE_NAME)
            yield row


def resume(config: TrainConfig, folder: Path) -> Run:
    """The run whose state is in `folder`, or a new one if there is none.

    Raises:
        TracerError: the saved run was another one, or its state cannot be read.
    """
    run = start(config)
    state = folder / STATE_NAME
    if state.exists():
        run.load(state)
        _forget_rows_after(run.step, folder / LOG_NAME)
    return run


def _forget_rows_after(step: int, log: Path) -> None:
    """Drops what was logged between the saved state and the end of a run that stopped."""
    rows = log.read_text("utf-8").splitlines() if log.exists() else []
    kept = [row for row in rows if json.loads(row)["step"] <= step]
    log.write_text("".join(f"{row}\n" for row in kept), "utf-8")


def train(config: TrainConfig, folder: Path, console: Console | None = None) -> Path:
    """Trains to the end, from where `folder` stands, showing the four losses.

    Args:
        config: what to do.
        folder: gets the state, the log and, at the end, the checkpoint.
        console: where the progress is shown, None for stderr.

    Returns:
        The checkpoint, for `demo_model(weights=…)`.

    Raises:
        TracerError: the saved run was another one, or its state cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = resume(config, folder)
    with _progress(console or Console(stderr=True)) as bar:
        task = bar.add_task("training", total=config.steps, completed=run.step, losses="")
        for row in steps(run, folder):
            losses = "  ".join(f"{name.removeprefix('loss_')} {row[name]:.3f}" for name in LOSSES)
            bar.update(task, completed=row["step"], losses=losses)
    return export(run, folder)


def _progress(console: Console) -> Progress:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    return Progress(*columns, console=console)


def export(run: Run, folder: Path) -> Path:
    """Writes the checkpoint of a run, at whatever step it is."""
    path = folder / WEIGHTS_NAME
    about = {"step": run.step, "config": asdict(run.config), "classes": CLASSES}
    save_weights(run.model.state_dict(), path, about)
    return path
