"""A detector in the box: rendered scenes, and small trained weights of the true architecture."""

from __future__ import annotations

from tracer.rcnn.demo.scenes import (
    CLASSES,
    CLASSES_ZH,
    DEMO_SIZE,
    Scene,
    Shape,
    compose,
    default_scene,
    scene,
)
from tracer.rcnn.demo.weights import demo_model

__all__ = [
    "CLASSES",
    "CLASSES_ZH",
    "DEMO_SIZE",
    "Scene",
    "Shape",
    "compose",
    "default_scene",
    "demo_model",
    "scene",
]
