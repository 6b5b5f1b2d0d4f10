"""The demo's scenes: deterministic, exact, fair, and with something for each level."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tracer.errors import TracerError
from tracer.rcnn.demo.evaluation import pooling_level
from tracer.rcnn.demo.scenes import (
    CLASSES,
    CLASSES_ZH,
    DEMO_SIZE,
    SMALLEST,
    Shape,
    compose,
    default_scene,
    scene,
)

SIZE = (160, 208)


def pixels_of(shape: Shape, size: tuple[int, int], share: float = 0.5) -> np.ndarray:
    """Where the shape covers more than `share` of a pixel, bool [H, W]."""
    mask = np.zeros(size, dtype=bool)
    window, covered = shape.coverage()
    mask[window] = covered > share
    return mask


def bounds(mask: np.ndarray) -> np.ndarray:
    """The box of the pixels that are set: x1, y1, x2, y2."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def test_same_seed_gives_the_same_scene_and_another_seed_another():
    one, again, other = scene(5, SIZE), scene(5, SIZE), scene(6, SIZE)
    assert np.array_equal(one.image, again.image)
    assert np.array_equal(one.boxes, again.boxes)
    assert np.array_equal(one.labels, again.labels)
    assert not np.array_equal(one.image, other.image)


@pytest.mark.parametrize("size", [(64, 64), (97, 301), (256, 128)])
def test_a_scene_has_the_size_asked_for_and_torchvisions_types(size):
    picture = scene(1, size)
    assert picture.image.shape == (*size, 3)
    assert picture.image.dtype == np.uint8
    assert picture.boxes.dtype == np.float32
    assert picture.labels.dtype == np.int64
    assert picture.tensor().shape == (3, *size)
    assert 0 <= picture.tensor().min() < picture.tensor().max() <= 1
    assert torch.equal(picture.target()["boxes"], torch.from_numpy(picture.boxes))
    assert picture.target()["labels"].dtype == torch.int64


@pytest.mark.parametrize("seed", range(8))
def test_boxes_lie_inside_and_enclose_what_was_drawn(seed):
    picture = scene(seed, SIZE)
    assert len(picture.shapes) == len(picture.boxes) > 0
    assert (picture.boxes[:, :2] >= 0).all()
    assert (picture.boxes[:, 2:] <= SIZE[::-1]).all()
    for shape, box in zip(picture.shapes, picture.boxes, strict=True):
        touched = np.concatenate([np.floor(box[:2]), np.ceil(box[2:])])
        assert np.abs(bounds(pixels_of(shape, SIZE, share=0)) - touched).max() <= 1


def test_a_box_is_exact_where_the_outline_follows_the_pixels():
    picture = compose((Shape(2, (60.0, 50.0), (40.0, 20.0), 0.0, (255, 0, 0)),), 0, SIZE)
    assert picture.boxes.tolist() == [[40, 40, 80, 60]]
    assert np.array_equal(bounds(pixels_of(picture.shapes[0], SIZE)), picture.boxes[0])
    red = (picture.image[45:55, 45:75] > [240, -1, -1]).all()
    assert red, "the object is drawn where its box is"


@pytest.mark.parametrize("label", range(1, len(CLASSES)))
def test_a_drawn_outline_has_the_area_of_its_polygon(label):
    shape = Shape(label, (80.3, 80.6), (90.0, 70.0), 0.7, (0, 0, 0))
    x, y = shape.corners.T
    polygon = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert shape.coverage()[1].sum() == pytest.approx(polygon, rel=0.03)


@pytest.mark.parametrize("seed", range(8))
def test_no_object_is_hidden_by_more_than_a_quarter(seed):
    picture = scene(seed, SIZE)
    seen = np.zeros(SIZE, dtype=int)
    for number, shape in enumerate(picture.shapes, start=1):
        seen[pixels_of(shape, SIZE)] = number
    for number, shape in enumerate(picture.shapes, start=1):
        assert (seen == number).sum() >= 0.75 * pixels_of(shape, SIZE).sum()


@pytest.mark.slow
def test_sizes_span_the_range_asked_for_and_all_classes_occur():
    pictures = [scene(seed, (256, 320)) for seed in range(40)]
    boxes = np.concatenate([p.boxes for p in pictures])
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    assert sides.min() >= SMALLEST - 1e-3
    assert sides.min() < 30
    assert 200 < sides.max() <= 256 + 1e-3
    labels = np.concatenate([p.labels for p in pictures])
    assert set(labels.tolist()) == set(range(1, len(CLASSES)))
    assert len(CLASSES) == len(CLASSES_ZH)


def test_the_default_scene_has_objects_for_each_of_p2_to_p5_and_every_class():
    picture = default_scene()
    assert picture.image.shape == (*DEMO_SIZE, 3)
    assert set(pooling_level(picture.boxes).tolist()) == {2, 3, 4, 5}
    assert set(picture.labels.tolist()) == set(range(1, len(CLASSES)))


def test_impossible_scenes_say_why():
    with pytest.raises(TracerError, match="at least 64 pixels a side, got 20 x 640"):
        scene(0, (20, 640))
    with pytest.raises(TracerError, match="seed is 0 or more, got -1"):
        scene(-1)
    outside = Shape(1, (5.0, 50.0), (40.0, 40.0), 0.0, (0, 0, 0))
    with pytest.raises(TracerError, match="leaves the scene"):
        compose((outside,), 0, SIZE)
