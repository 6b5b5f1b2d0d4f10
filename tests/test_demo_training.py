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
from tracer.rcnn.demo import commands
from tracer.rcnn.demo.train import (
    LOSSES,
    Phase,
    TrainConfig,
    advance,
    batch_of,
    learning_rate,
    resume,
    start,
    steps,
    train,
)
from tracer.rcnn.demo.weights import demo_model, read_about

pytestmark = pytest.mark.slow

FIRST = Phase(1, ((64, 64),), sampling_ratio=1, pixels=64 * 64)
SECOND = Phase(1, ((64, 96),), pixels=64 * 64, positives=0.5)
TINY = TrainConfig(rank=2, phases=(FIRST, SECOND), warmup=1, decay=1, save_every=1)


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
    changed = replace(TINY, phases=(replace(FIRST, sampling_ratio=2), SECOND))
    with pytest.raises(TracerError, match="another configuration"):
        resume(changed, folder)


def test_what_a_run_has_still_to_do_may_change(tmp_path):
    for _ in steps(resume(TINY, tmp_path), tmp_path):
        break
    longer = replace(TINY, phases=(FIRST, replace(SECOND, steps=5)), decay=2)
    assert resume(longer, tmp_path).step == 1


def test_a_phase_sets_the_models_roi_sampling():
    run = start(TINY)
    pool, sampler = run.model.roi_heads.box_roi_pool, run.model.roi_heads.fg_bg_sampler
    advance(run)
    assert (pool.sampling_ratio, sampler.positive_fraction) == (1, 0.25)
    advance(run)
    assert (pool.sampling_ratio, sampler.positive_fraction) == (2, 0.5)


def test_a_scaled_recipe_keeps_its_proportions():
    usual = TrainConfig()
    short = usual.scaled(usual.steps // 10)
    assert short.steps == pytest.approx(usual.steps / 10, abs=len(usual.phases))
    assert short.decay == round(usual.decay / 10)
    assert [p.sizes for p in short.phases] == [p.sizes for p in usual.phases]
    assert [usual.phase_of(step) for step in (0, usual.steps - 1)] == [
        usual.phases[0],
        usual.phases[-1],
    ]


def test_a_saved_run_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"nothing")
    with pytest.raises(TracerError, match="cannot read the saved run"):
        resume(TINY, tmp_path)


def test_a_step_always_draws_the_same_scenes():
    config = replace(TINY, phases=(Phase(9, ((64, 64), (96, 64)), pixels=2 * 64 * 64),))
    one, again, later = batch_of(config, 3), batch_of(config, 3), batch_of(config, 4)
    assert (one[0].image == again[0].image).all()
    assert one[0].image.shape != later[0].image.shape or (one[0].image != later[0].image).any()
    assert len(one) * one[0].image[..., 0].size <= 3 * 64 * 64


def test_the_learning_rate_rises_stays_and_falls_to_nearly_nothing():
    config = TrainConfig(
        phases=(replace(FIRST, steps=100),), warmup=10, decay=20, learning_rate=1.0
    )
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:80] == [1.0] * 70
    assert rates[81:] == sorted(rates[81:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("options", "config"),
    [
        ([], TrainConfig()),
        (["--steps", "9", "--seed", "3"], replace(TrainConfig().scaled(9), seed=3)),
    ],
)
def test_the_commands_defaults_are_the_packaged_recipe(
    options, config, monkeypatch, tmp_path, capsys
):
    asked = []
    monkeypatch.setattr(commands, "train", lambda *args: asked.append(args) or tmp_path / "made")
    parser = argparse.ArgumentParser()
    commands.add_train_arguments(parser)
    assert commands.run_train(parser.parse_args([str(tmp_path), *options])) == 0
    assert asked == [(config, tmp_path)]
    assert capsys.readouterr().out == f"{tmp_path / 'made'}\n"
