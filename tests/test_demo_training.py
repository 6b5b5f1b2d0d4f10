"""Training the demo's detector: a few steps on tiny scenes."""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from tracer.errors import TracerError
from tracer.rcnn.demo.commands import add_train_arguments
from tracer.rcnn.demo.training import (
    FIRST_TRAINING_SEED,
    LOSSES,
    TrainConfig,
    batch_of,
    learning_rate,
    resume,
    steps,
    train,
)
from tracer.rcnn.demo.weights import demo_model, read_about

TINY = TrainConfig(
    rank=2, steps=2, warmup=1, decay=1, sizes=((64, 64),), late_sizes=((64, 96),), save_every=1
)
TINY = replace(TINY, pixels=64 * 64)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run to its end: its folder, its checkpoint and what it showed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    shown = io.StringIO()
    checkpoint = train(TINY, folder, Console(file=shown, force_terminal=True, width=160))
    return folder, checkpoint, shown.getvalue()


def log_of(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_training_logs_and_shows_the_four_losses(finished):
    folder, _, shown = finished
    rows = log_of(folder)
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row[name] >= 0 for row in rows for name in LOSSES)
    assert (rows[1]["height"], rows[1]["width"]) == (64, 96)
    assert all(name.removeprefix("loss_") in shown for name in LOSSES)


def test_the_checkpoint_of_a_run_loads_into_the_true_model(finished):
    _, checkpoint, _ = finished
    about = read_about(checkpoint)
    assert about["step"] == 2
    assert about["config"]["rank"] == 2
    model = demo_model(weights=checkpoint)
    assert torch.linalg.matrix_rank(model.roi_heads.box_head.fc6.weight.detach()) == 2


def test_a_run_that_stopped_goes_on_as_if_it_had_not(finished, tmp_path):
    whole, _, _ = finished
    for _ in steps(resume(TINY, tmp_path), tmp_path):
        break
    row = json.dumps({"step": 2, "note": "made after the last saved state"})
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write(row + "\n")
    torch.manual_seed(99)
    second = resume(TINY, tmp_path)
    assert second.step == 1
    for _ in steps(second, tmp_path):
        pass
    assert log_of(tmp_path) == log_of(whole)
    one, other = (torch.load(f / "state.pt", weights_only=True) for f in (whole, tmp_path))
    for name, value in one["model"].items():
        torch.testing.assert_close(value, other["model"][name])


def test_a_saved_run_goes_on_only_with_its_own_configuration(finished):
    folder, _, _ = finished
    with pytest.raises(TracerError, match="another configuration"):
        resume(replace(TINY, seed=1), folder)
    with pytest.raises(TracerError, match="another configuration"):
        resume(replace(TINY, steps=9), folder)


def test_a_saved_run_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"nothing")
    with pytest.raises(TracerError, match="cannot read the saved run"):
        resume(TINY, tmp_path)


def test_a_step_always_draws_the_same_scenes_and_never_held_out_ones():
    config = TrainConfig(sizes=((64, 64), (96, 64)), pixels=2 * 64 * 64)
    one, again, later = batch_of(config, 3), batch_of(config, 3), batch_of(config, 4)
    assert (one[0].image == again[0].image).all()
    assert one[0].image.shape != later[0].image.shape or (one[0].image != later[0].image).any()
    assert FIRST_TRAINING_SEED == 1_000_000


def test_the_learning_rate_rises_stays_and_falls_to_nearly_nothing():
    config = TrainConfig(steps=100, warmup=10, decay=20, learning_rate=1.0)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:80] == [1.0] * 70
    assert rates[81:] == sorted(rates[81:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)


def test_the_commands_defaults_are_the_packaged_recipe():
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    args = parser.parse_args(["somewhere"])
    usual = TrainConfig()
    assert (args.seed, args.rank, args.steps, args.decay) == (
        usual.seed,
        usual.rank,
        usual.steps,
        usual.decay,
    )
