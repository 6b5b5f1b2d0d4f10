"""Passes of the demo's detector, which finds something, over a scene full of objects; recorded."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache

import torch
from recordings import shared

import tracer
from tracer.rcnn import models
from tracer.rcnn.demo.scenes import scene


@cache
def demo():
    return models.build("fasterrcnn_resnet50_fpn", "demo", seed=0, min_size=160, max_size=200)


@cache
def crowd():
    return scene(3, objects=(8, 14))


def recorded_demo(name, targets=True):
    def record():
        given = [crowd().tensor()], [crowd().target()] if targets else None
        with torch.no_grad(), set_to(SETTINGS.get(name, {})) as model:
            return tracer.trace(model, *given, keep="anatomy")

    return shared(f"stories-{name}", record)


SETTINGS = {
    "plain": {},
    "few": {"rpn_post_nms_top_n_test": 12, "box_score_thresh": 0.3},
    "strict": {"rpn_nms_thresh": 0.3, "box_nms_thresh": 0.1, "box_detections_per_img": 3},
    "narrow": {"rpn_pre_nms_top_n_test": 8, "rpn_score_thresh": 0.2},
}


@contextmanager
def set_to(settings):
    """The model with other settings, and as it was afterwards."""
    rpn, heads = demo().rpn, demo().roi_heads
    places = {
        "rpn_pre_nms_top_n_test": (rpn._pre_nms_top_n, "testing"),
        "rpn_post_nms_top_n_test": (rpn._post_nms_top_n, "testing"),
        "rpn_nms_thresh": (rpn.__dict__, "nms_thresh"),
        "rpn_score_thresh": (rpn.__dict__, "score_thresh"),
        "box_score_thresh": (heads.__dict__, "score_thresh"),
        "box_nms_thresh": (heads.__dict__, "nms_thresh"),
        "box_detections_per_img": (heads.__dict__, "detections_per_img"),
    }
    before = {name: places[name][0][places[name][1]] for name in settings}
    try:
        for name, value in settings.items():
            places[name][0][places[name][1]] = value
        yield demo().eval()
    finally:
        for name, value in before.items():
            places[name][0][places[name][1]] = value
