"""A box of each level in its cells: what is drawn is what was assigned and pooled."""

from __future__ import annotations

import numpy as np
import pytest
from anatomy_passes import recorded

from tracer.rcnn.anatomy import anatomy
from tracer.views.figures.level_cells import box_of_level, fig_boxes_in_cells
from tracer.views.kit import scene

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def parts():
    return anatomy(recorded(targets=True).trace)


@pytest.mark.parametrize("image", [0, 1])
def test_each_column_shows_a_box_of_its_level(parts, image):
    pooling = parts.roi_heads.box
    made = fig_boxes_in_cells(parts, image=image)
    rows = [made.axes[i : i + 3] for i in range(0, len(made.axes), 3)]
    assert len(rows) == len(pooling.levels)
    seen = 0
    for column, (top, middle, bottom) in enumerate(rows):
        index = box_of_level(parts, image, column)
        if index is None:
            assert column not in pooling.assigned[image]
            assert not bottom.images
            continue
        seen += 1
        assert pooling.assigned[image][index] == column
        box, stride = pooling.boxes[image].xyxy[index], pooling.levels[column].map.stride
        drawn = top.patches[-1]
        assert (*drawn.get_xy(), drawn.get_width(), drawn.get_height()) == pytest.approx(
            (*box[:2], box[2] - box[0], box[3] - box[1])
        )
        across, down = (box[2:] - box[:2]) / (stride[1], stride[0])
        assert f"{across:.1f}×{down:.1f} cells" in middle.get_title()
        shown = np.asarray(bottom.images[0].get_array())
        pooled = pooling.pooled(index, image)
        assert any(np.array_equal(shown, each) for each in (*pooled, pooled.mean(0)))
    assert seen


def test_cells_lie_where_one_place_says(monkeypatch):
    """A cell's pixels, the cell of a pixel, and Pillow's way from pixels agree."""
    for first in (0.0, -0.5):
        monkeypatch.setattr(scene, "FIRST", first)
        lattice = scene.Cells((3, 4), (8.0, 10.0))
        assert lattice.box(0, 0) == (first * 10, first * 8, (first + 1) * 10, (first + 1) * 8)
        left, right, bottom, top = lattice.extent
        assert (right - left, bottom - top) == (40, 24)
        x1, y1, x2, y2 = lattice.box(2, 1)
        assert lattice.at((x1 + x2) / 2, (y1 + y2) / 2) == (2, 1)
        assert lattice.at(-100, 1000) == (2, 0)
        a, b, c, d, e, f = lattice.affine(2.0)
        assert (a * 2 * x1 + b + c, d + e * 2 * y1 + f) == pytest.approx((1, 2))
