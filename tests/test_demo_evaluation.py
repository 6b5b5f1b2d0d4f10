"""The evaluation, on detections whose measures are known."""

from __future__ import annotations

import argparse
import math

import numpy as np
import pytest
import torch
from torch import nn

from tracer.rcnn.demo import commands
from tracer.rcnn.demo.evaluation import (
    LEVELS,
    default_scene_table,
    evaluate,
    measure,
    pooling_level,
)
from tracer.rcnn.demo.scenes import CLASSES, default_scene, scene

pytest.importorskip("pycocotools")

SCENES = [scene(seed, (160, 208)) for seed in range(12)]


def perfect(one) -> dict[str, torch.Tensor]:
    return {**one.target(), "scores": torch.ones(len(one.boxes))}


class Oracle(nn.Module):
    """Knows the truth about some scenes."""

    def __init__(self, scenes) -> None:
        super().__init__()
        self.known = [(s.tensor(), perfect(s)) for s in scenes]

    def forward(self, images):
        return [result for image in images for t, result in self.known if torch.equal(t, image)]


def test_perfect_detections_have_an_average_precision_of_one():
    result = measure(SCENES, map(perfect, SCENES))
    assert result.ap == result.ap50 == result.ap75 == result.recall == pytest.approx(1)
    assert set(result.per_class) == set(CLASSES[1:])
    assert all(pair == pytest.approx((1, 1)) for pair in result.per_class.values())
    assert result.objects == sum(len(s.boxes) for s in SCENES)
    assert sum(count for _, _, count in result.per_level.values()) == result.objects
    assert math.isnan(result.per_level["P5"][0]), "these scenes are too small for P5"


def test_shifted_boxes_count_at_a_low_overlap_only():
    def shifted(one):
        sides = torch.from_numpy(one.boxes[:, 2:] - one.boxes[:, :2])
        shift = torch.cat([sides, sides], 1) * torch.tensor([0.25, 0.0, 0.25, 0.0])
        return {**perfect(one), "boxes": torch.from_numpy(one.boxes) + shift}  # IoU 0.6

    result = measure(SCENES, map(shifted, SCENES))
    assert result.ap50 > 0.8
    assert result.ap75 == pytest.approx(0, abs=0.05)


def test_wrong_labels_earn_nothing():
    def confused(one):
        return {**perfect(one), "labels": torch.from_numpy(one.labels) % (len(CLASSES) - 1) + 1}

    assert measure(SCENES, map(confused, SCENES)).ap50 < 0.1


def test_half_of_the_objects_is_half_of_the_recall():
    def half(one):
        return {name: value[::2] for name, value in perfect(one).items()}

    found = sum(len(s.boxes[::2]) for s in SCENES) / sum(len(s.boxes) for s in SCENES)
    assert measure(SCENES, map(half, SCENES)).recall50 == pytest.approx(found, abs=0.1)


def test_no_detection_at_all_is_a_result_too():
    nothing = {"boxes": torch.empty(0, 4), "labels": torch.empty(0), "scores": torch.empty(0)}
    result = measure(SCENES, [nothing] * len(SCENES))
    assert result.ap == result.recall == 0


def test_evaluate_runs_the_model_on_the_seeds_it_is_given():
    oracle = Oracle([scene(seed, (64, 96)) for seed in (7, 8)])
    result = evaluate(oracle, n=2, size=(64, 96), first_seed=7)
    assert (result.scenes, result.ap) == (2, pytest.approx(1))


def test_the_text_says_each_measure():
    text = measure(SCENES, map(perfect, SCENES)).text()
    assert text.splitlines()[0] == f"12 scenes, {sum(len(s.boxes) for s in SCENES)} objects"
    assert "AP 1.000   AP50 1.000" in text
    assert all(word in text for word in (*CLASSES[1:], *LEVELS))


def test_the_command_prints_the_measures_and_the_default_scene(monkeypatch, capsys):
    oracle = Oracle([scene(5), scene(6), default_scene()])
    monkeypatch.setattr(commands, "demo_model", lambda weights: oracle)
    parser = argparse.ArgumentParser()
    commands.add_eval_arguments(parser)
    assert commands.run_eval(parser.parse_args(["--scenes", "2", "--first-seed", "5"])) == 0
    printed = capsys.readouterr().out
    objects = len(scene(5).boxes) + len(scene(6).boxes)
    assert printed.startswith(f"2 scenes, {objects} objects\nAP 1.000   AP50 1.000")
    assert "0 other detections" in printed


def test_boxes_are_pooled_from_the_level_of_their_size():
    sides = np.array([20, 111.9, 112.1, 223, 225, 447, 449, 2000.0])
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], 1)
    assert pooling_level(boxes).tolist() == [2, 2, 3, 3, 4, 4, 5, 5]


def test_the_table_of_the_default_scene_tells_objects_from_other_detections():
    picture = default_scene()
    oracle = Oracle([picture])
    image, result = oracle.known[0]
    stray = {
        "boxes": torch.tensor([[300.0, 5.0, 340.0, 40.0]]),
        "labels": torch.tensor([1]),
        "scores": torch.tensor([0.4]),
    }
    oracle.known = [(image, {k: torch.cat([v, stray[k]]) for k, v in result.items()})]
    lines = default_scene_table(oracle).splitlines()
    assert len(lines) == 2 + len(picture.boxes) + 1
    assert all(line.endswith("1.000  1.000") for line in lines[2:-1])
    assert lines[-1] == "1 other detections, the highest at 0.400"
