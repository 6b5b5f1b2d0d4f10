"""A box of each level in its cells: what is drawn is what was assigned and pooled."""

from __future__ import annotations

import numpy as np
import pytest
from anatomy_passes import recorded
from PIL import Image

from tracer.rcnn.anatomy import anatomy
from tracer.rcnn.anatomy.geometry import FIRST, Cells
from tracer.views.explorers import pyramid
from tracer.views.explorers.drawing import Canvas
from tracer.views.figures.fpn import fig_same_point
from tracer.views.figures.level_cells import box_of_level, fig_boxes_in_cells
from tracer.views.figures.rpn import fig_anchors_of_cell
from tracer.views.figures.sheet import drawing
from tracer.views.kit.palette import RAMPS, SEQUENTIAL, THEMES, channels, ramp
from tracer.views.kit.scene import Overlay, Ruled, stand

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
        assert f"{down:.1f}×{across:.1f} cells" in middle.get_title()
        shown = np.asarray(bottom.images[0].get_array())
        pooled = pooling.pooled(index, image)
        assert any(np.array_equal(shown, each) for each in (*pooled, pooled.mean(0)))
    assert seen


def test_a_point_stands_amid_its_cell():
    """Point i stands at pixel i·s; its cell's pixels, its extent and Pillow's way agree."""
    lattice = Cells((3, 4), (8.0, 10.0))
    assert lattice.point(2, 1) == (10, 16)
    assert lattice.box(2, 1) == (5, 12, 15, 20)
    assert lattice.extent == (-5, 35, 20, -4)
    for row, column in ((0, 0), (2, 1), (2, 3)):
        x, y = lattice.point(row, column)
        corners = [(x - 4.9, y - 3.9), (x + 4.9, y + 3.9), (x, y)]
        assert {lattice.at(*corner) for corner in corners} == {(row, column)}
        a, b, c, d, e, f = lattice.affine(2.0)
        for across, down in corners:
            assert int(a * 2 * across + b + c) == column
            assert int(d + e * 2 * down + f) == row
    assert lattice.at(-100, 1000) == (2, 0)


@pytest.mark.parametrize("name", [*RAMPS, SEQUENTIAL])
def test_colours_of_values_grow_lighter_from_end_to_end(name):
    colours = ramp(name)
    lightness = colours @ np.asarray([0.299, 0.587, 0.114])
    assert colours.shape == (256, 3)
    assert (np.diff(lightness) > -1).all()
    assert lightness[0] < 60
    assert lightness[-1] > 200
    stops = RAMPS.get(name, ())
    places = np.linspace(0, 255, len(stops)).round().astype(int)
    wanted = np.asarray([channels(stop) for stop in stops], int).reshape(-1, 3)
    assert (np.abs(colours[places] - wanted) <= 3).all()


def test_what_is_no_number_has_a_colour_of_its_own():
    values = np.asarray([[0, np.nan, np.inf, -np.inf, 1]], np.float32)
    over = Overlay(values, Cells((1, 5), (1, 1)), (0, 1), SEQUENTIAL)
    with np.errstate(all="raise"):
        pixels = over.pixels
    warn = channels(THEMES["light"].warn)
    assert [tuple(pixel) == warn for pixel in pixels[0].tolist()] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert (pixels[0, [0, 4]] == ramp(SEQUENTIAL)[[0, 255]]).all()


def test_painters_lay_one_map_alike(in_node):
    """Each cell's colour at its point, its square, its lines: matplotlib, Pillow, the scripts."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    values[1, 2] = np.nan
    over = Overlay(values, Cells((3, 4), (8.0, 10.0)), (0, 11), SEQUENTIAL)
    points, box = stand(over.cells), over.cells.box(0, 0, 3, 4)
    lines = Ruled(box, 3, 4)
    image = Image.new("RGB", (80, 60))
    Canvas(image, 2.0, (-5, -4)).overlaid(over)
    with drawing(3) as sheet:
        ax = sheet.panel()
        shown = sheet.overlaid(ax, over)
        sheet.points(ax, points)
        sheet.ruled(ax, lines)
    assert shown.get_extent() == [box[0], box[2], box[3], box[1]]
    assert ax.lines[0].get_xydata() == pytest.approx(points.xy)
    for (x, y), value, colour in zip(
        points.xy, values.ravel(), over.pixels.reshape(-1, 3), strict=True
    ):
        assert image.getpixel((2 * (x + 5), 2 * (y + 4))) == tuple(colour)
        inked = shown.to_rgba(np.ma.masked_invalid([value]), bytes=True)[0, :3]
        assert np.abs(inked.astype(int) - colour).max() <= 3
    asked = in_node("page_scene.mjs", given={
        "pixels": {"width": 4, "height": 3}, "stride": over.cells.stride, "first": FIRST,
        "points": points.xy.ravel().tolist(), "parts": [3, 4],
        "box": [*box[:2], box[2] - box[0], box[3] - box[1]],
    })  # fmt: skip
    assert asked["drawImage"][0][1:] == [*box[:2], box[2] - box[0], box[3] - box[1]]
    assert np.add([square[:2] for square in asked["fillRect"]], 1) == pytest.approx(points.xy)
    upright, level = lines.lines
    drawn = [(x, box[1]) for x in upright] + [(box[0], y) for y in level]
    assert np.asarray(asked["moveTo"]) == pytest.approx(np.asarray(drawn))
    assert [c.get_segments()[0][0].tolist() for c in ax.collections] == [
        [upright[0], box[1]],
        [box[0], level[0]],
    ]


@pytest.mark.parametrize("image", [0, 1])
def test_all_places_agree_on_the_cell_of_a_pixel(parts, image, in_node):
    """Figures, explorers, anchors and the page: one pixel, one cell of each level."""
    height, width = parts.pictures[image].resized_size
    rng = np.random.default_rng(image)
    points = rng.uniform(0, (width, height), (6, 2)).tolist()
    levels = parts.pyramid.levels
    asked = [[y, v.map.stride[0], FIRST, v.map.shape[-2]] for _, y in points for v in levels]
    rows = in_node("page_cells.mjs", given=asked)
    for k, (x, y) in enumerate(points):
        expected = [level.map.cells().at(x, y) for level in levels]
        for level, (row, column) in zip(levels, expected, strict=True):
            nearest = [abs(y - i * level.map.stride[0]) for i in range(level.map.shape[-2])]
            assert nearest[row] == min(nearest)
            nearest = [abs(x - i * level.map.stride[1]) for i in range(level.map.shape[-1])]
            assert nearest[column] == min(nearest)
        assert [parts.anchors.cell_at(i, x, y) for i in range(len(levels))] == expected
        assert rows[k * len(levels) : (k + 1) * len(levels)] == [row for row, _ in expected]
        drawn = fig_same_point(parts, image=image, point=(x, y))
        named = [ax.get_ylabel() for ax in drawn.axes[2:]]
        assert named == [
            f"{v.name}\n[{r}, {c}]" for v, (r, c) in zip(levels, expected, strict=True)
        ]
        heads = [
            ax.get_title() for ax in fig_anchors_of_cell(parts, image=image, point=(x, y)).axes
        ]
        for level, (row, column) in zip(levels, expected, strict=True):
            assert any(f"{level.name}  [{row}, {column}]" in head for head in heads)
        told = pyramid.draw(
            pyramid.scene_of(parts, "en", image), levels[0].name, -1, 0.5, x, y
        ).html
        assert all(f"{row}, {column}" in told for row, column in expected)
