"""What the chapters' words say of the demo at its own size, computed: their cells run smaller."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from recordings import shared
from torchvision.ops import box_iou

import tracer
from tracer.rcnn.anatomy import anatomy
from tracer.rcnn.demo import CLASSES, default_scene, demo_model
from tracer.rcnn.models import build
from tracer.rcnn.pictures import load_picture, sample_photo

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LANGUAGES = ("", ".zh")


def words(number: int, lang: str) -> str:
    (english,) = set(FOLDER.glob(f"{number:02}_*.ipynb")) - set(FOLDER.glob("*.zh.ipynb"))
    path = english.with_suffix(f"{lang}.ipynb")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


@pytest.fixture(autouse=True)
def at_its_own_size(monkeypatch):
    monkeypatch.delenv("RCNN_TRACER_MIN_SIZE", raising=False)


@cache
def demo():
    return demo_model()


@torch.no_grad()
def sure(model) -> int:
    return int((model([default_scene().tensor()])[0]["scores"] > 0.5).sum())


@torch.no_grad()
def test_the_demo_finds_the_flags_stars_in_a_photograph_and_takes_a_collar_for_a_triangle():
    """Chapters 1 and 11; a badge is a rectangle to it."""
    found = demo()([load_picture(sample_photo())])[0]
    places = {  # score, and where: in the photograph's pixels
        "star": (0.9, [[47, 65, 88, 109], [4, 53, 40, 98], [29, 162, 70, 205]]),
        "triangle": (0.5, [[269, 372, 317, 434], [202, 372, 251, 439]]),
        "rectangle": (0.5, [[97, 486, 170, 515]]),
    }
    for name, (score, boxes) in places.items():
        own = (found["labels"] == CLASSES.index(name)) & (found["scores"] > score)
        overlap = box_iou(torch.tensor(boxes, dtype=torch.float32), found["boxes"][own])
        assert (overlap.amax(1) > 0.5).all(), name


def test_how_much_a_block_of_the_demo_changes():
    def record():
        with torch.no_grad():
            return tracer.trace(demo(), [default_scene().tensor()], keep="anatomy")

    backbone = anatomy(shared("chapters-scene", record)).backbone
    blocks = [backbone.block(path) for path in backbone.blocks]
    shares = [b.convolutions[-1][1].summary.std / b.shortcut.summary.std for b in blocks]
    least, most = (f"{share:.0%}".removesuffix("%") for share in (min(shares), max(shares)))
    for lang in LANGUAGES:
        assert re.search(rf"\b{least}%? (to|到) {most} ?%", words(4, lang))


@torch.no_grad()
def test_what_the_demo_finds_without_the_way_down_and_in_smaller_pictures():
    """Chapter 5: eight objects become six. Chapter 8: all eight at half, five at a quarter."""
    model, fpn = demo(), demo().backbone.fpn
    batch, _ = model.transform([default_scene().tensor()])
    maps = model.backbone.body(batch.tensors)
    cut = {k: fpn.layer_blocks[i](fpn.inner_blocks[i](c)) for i, (k, c) in enumerate(maps.items())}
    cut["pool"] = cut["3"][:, :, ::2, ::2]
    found, _ = model.roi_heads(cut, model.rpn(batch, cut)[0], batch.image_sizes)
    assert (sure(model), int((found[0]["scores"] > 0.5).sum())) == (8, 6)
    assert [sure(demo_model(min_size=512 // n, max_size=640 // n)) for n in (2, 4)] == [8, 5]


def test_few_samples_make_up_half_of_the_demos_losses():
    """Chapter 9: one of the objectness, a quarter of the positives of the box head's boxes."""
    model, scene = build(weights="demo"), default_scene()

    def record():
        torch.manual_seed(0)
        return tracer.trace(model, [scene.tensor()], [scene.target()], keep="anatomy")

    with torch.random.fork_rng(), torch.no_grad():
        trace = shared("chapters-training", record)
    half = {}
    for loss in anatomy(trace).losses.losses:
        terms = loss.terms.reshape(len(loss.terms), -1).sum(1)
        sums = np.sort(terms)[::-1].cumsum()
        half[loss.name] = int((sums < sums[-1] / 2).sum()) + 1, len(terms)
    assert half["loss_objectness"][0] == 1
    count, positives = half["loss_box_reg"]
    assert round(4 * count / positives) == 1
    assert all(count / samples < 0.3 for count, samples in half.values())
