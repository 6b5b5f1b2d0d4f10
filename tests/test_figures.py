"""Every figure on passes of all kinds: nothing is cut off, and boxes lie where they should."""

from __future__ import annotations

import dataclasses
import gc
import io
import itertools
import re
import sys
import warnings
import weakref
from functools import lru_cache

import matplotlib
import numpy as np
import pytest
import torch
from anatomy_passes import KEEP, boxes_of_targets, model, pictures, recorded
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from recordings import shared
from torchvision.models.resnet import BasicBlock, Bottleneck, resnet18, resnet50

import tracer
from tracer.errors import InputError, MissingError
from tracer.rcnn.anatomy import Anatomy, anatomy
from tracer.rcnn.anatomy.geometry import iou
from tracer.recording import Recording
from tracer.views.figures import FIGURES, STAGES, in_stage
from tracer.views.figures.backbone import (
    basic_block_cost,
    bottleneck_cost,
    influences,
    receptive_fields,
)
from tracer.views.figures.sheet import Drawing, columns, wrap
from tracer.views.kit import palette

pytestmark = pytest.mark.slow

EVAL = [name for name, entry in FIGURES.items() if "training" not in entry.needs]
TRAINING = [name for name, entry in FIGURES.items() if "training" in entry.needs]


@lru_cache(maxsize=2)
def parts(kind: str) -> Anatomy:
    """A pass of each kind that figures must cope with."""
    if kind == "plain":
        return anatomy(recorded(targets=True).trace)
    if kind == "train":
        return anatomy(recorded(train=True).trace)
    if kind == "one level":
        return anatomy(recorded("one level", keep=(*KEEP, "backbone")).trace)
    return anatomy(shared(f"odd-{kind}", lambda: _odd(kind)))


def _odd(kind: str) -> Recording:
    images, targets = pictures(), boxes_of_targets()
    if kind == "no target at all":
        none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        return _record(model("fasterrcnn_resnet50_fpn", True), images[:1], [none])
    if kind == "no targets":
        targets[0] = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        return _record(model("fasterrcnn_resnet50_fpn", True), images, targets)
    net = model("fasterrcnn_resnet50_fpn", False)
    if kind == "many images":
        return _record(net, [*images, images[0]], [*targets, targets[0]])
    if kind == "one image, targets at its border":
        targets[0]["boxes"] = torch.tensor([[0.0, 0, 120, 80], [0, 40, 1, 80]])
        targets[0]["labels"] = torch.tensor([1, 2])
        return _record(net, images[:1], targets[:1])
    if kind == "NaN map":
        return _with_nan(net, images, targets)
    threshold = {"no proposals": net.rpn, "no detections": net.roi_heads}[kind]
    usual, threshold.score_thresh = threshold.score_thresh, 1.1
    try:
        return _record(net, images, targets)
    finally:
        threshold.score_thresh = usual


def _record(net, images, targets, **options):
    torch.manual_seed(1)
    with torch.no_grad():
        return tracer.trace(net, images, targets, keep=KEEP, **options)


def _with_nan(net, images, targets):
    """A pass in which one corner of P4 is NaN, in every channel."""

    def poison(module, args, result):
        result = result.clone()
        result[:, :, :3, :3] = float("nan")
        return result

    handle = net.backbone.fpn.layer_blocks[2].register_forward_hook(poison)
    try:
        return _record(net, images, targets)
    finally:
        handle.remove()


def draw(kind: str, name: str, **options) -> Figure:
    """Draw a figure and lay it out; a glyph that no font has is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Gg]lyph.*")
        made = FIGURES[name].draw(parts(kind), **options)
        made.draw_without_rendering()
    return made


# --- every figure ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["notebook", "slide"])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", EVAL)
def test_drawn_whole(name, lang, size):
    made = draw("plain", name, lang=lang, size=size)
    assert isinstance(made, Figure)
    assert made.get_figwidth() == pytest.approx({"notebook": 9.2, "slide": 13.333}[size])
    assert cut_off(made) == []
    assert overlapping(made) == []
    assert has_content(made)
    if lang == "zh":
        assert re.search("[\u4e00-\u9fff]", text_of(made))


@pytest.mark.parametrize("size", ["notebook", "slide"])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", TRAINING)
def test_drawn_whole_in_training(name, lang, size):
    made = draw("train", name, lang=lang, size=size)
    assert cut_off(made) == []
    assert overlapping(made) == []
    assert has_content(made)


def texts(made: Figure):
    """The written texts of a figure that are visible and not empty, with their extent."""
    renderer, unseen = made.canvas.get_renderer(), _not_drawn(made)
    for artist in made.findobj(matplotlib.text.Text):
        if artist.get_visible() and artist.get_text().strip() and id(artist) not in unseen:
            yield artist, artist.get_window_extent(renderer)


def _not_drawn(made: Figure) -> set[int]:
    """Texts that exist and are not drawn whole: ticks beyond the axes, clipped tags, axes off."""
    found: set[int] = set()
    for ax in made.axes:
        found |= {id(text) for text in ax.texts if text.get_clip_on()}
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            out = [t for t in ticks if not ax.axison or not low <= t.get_loc() <= high]
            found |= {id(label) for t in out for label in (t.label1, t.label2)}
            found |= set() if ax.axison else {id(axis.label)}
    return found


def text_of(made: Figure) -> str:
    return "\n".join(artist.get_text() for artist, _ in texts(made))


def cut_off(made: Figure) -> list[str]:
    """Return the texts that reach beyond the figure, by more than a hair."""
    whole = made.bbox
    room = 3.0  # pixels
    return [
        artist.get_text()
        for artist, box in texts(made)
        if box.x0 < whole.x0 - room
        or box.y0 < whole.y0 - room
        or box.x1 > whole.x1 + room
        or box.y1 > whole.y1 + room
    ]


def overlapping(made: Figure) -> list[tuple[str, str]]:
    """Return the pairs of title, note and headings that lie over each other."""
    heads = [made._suptitle, made._supxlabel, *(ax.title for ax in made.axes)]
    heads += [ax.xaxis.label for ax in made.axes if ax.axison]
    renderer = made.canvas.get_renderer()
    shown = [h for h in heads if h is not None and h.get_visible() and h.get_text().strip()]
    boxes = [(h.get_text(), h.get_window_extent(renderer)) for h in shown]
    return [
        (a, b)
        for (a, box_a), (b, box_b) in itertools.combinations(boxes, 2)
        if min(box_a.x1, box_b.x1) - max(box_a.x0, box_b.x0) > 3
        and min(box_a.y1, box_b.y1) - max(box_a.y0, box_b.y0) > 3
    ]


def has_content(made: Figure) -> bool:
    """Whether each panel that is on shows something."""
    return all(
        ax.images or ax.patches or ax.lines or ax.collections or ax.texts
        for ax in made.axes
        if ax.axison
    )


# --- odd passes -----------------------------------------------------------------------------------

ODD = (
    "no proposals",
    "no detections",
    "one image, targets at its border",
    "NaN map",
    "one level",
)
MAY_LACK = {
    "no proposals": {"roi_align"},
    "one level": {"bottleneck", "receptive_field", "frozen_layers", "merges", "recall"},
}  # fmt: skip


@pytest.mark.parametrize("name", EVAL)
@pytest.mark.parametrize("kind", ODD)
def test_odd_passes_are_drawn_or_refused_with_a_reason(name, kind):
    if name in MAY_LACK.get(kind, ()):
        with pytest.raises(MissingError) as error:
            draw(kind, name)
        assert len(str(error.value)) > 30
    else:
        assert has_content(draw(kind, name))


@pytest.mark.parametrize("name", ["detections", "funnel", "roi_align", "objectness", "transform"])
def test_the_last_of_many_images(name):
    assert len(parts("many images").pictures) == 3
    assert has_content(draw("many images", name, image=2))


@pytest.mark.parametrize("name", TRAINING)
def test_an_image_without_targets(name):
    made = draw("no targets", name, image=0)
    assert has_content(made)
    assert has_content(draw("no targets", name, image=1))


@pytest.mark.parametrize("name", TRAINING)
def test_a_batch_without_any_target(name):
    """No positive anywhere: the box losses have no term at all."""
    made = draw("no target at all", name)
    assert has_content(made)
    if name == "losses":
        assert text_of(made).count("nothing to add") == 2


def test_empty_panels_say_why():
    assert "no detections" in text_of(draw("no detections", "detections"))
    assert "no proposals" in text_of(draw("no proposals", "level_assignment"))
    assert re.search(r"no targets: all [\d,]+ are negative", text_of(draw("no targets", "matches")))
    assert "NaN/Inf" in "".join(
        artist.get_text() for artist in draw("NaN map", "merges").findobj(matplotlib.text.Text)
    )


@pytest.mark.parametrize("name", ["retinanet_resnet50_fpn", "fcos_resnet50_fpn"])
def test_one_stage_detectors_have_the_figures_that_apply(name):
    found = anatomy(recorded(name).trace)
    for entry in FIGURES.values():
        if "two-stage" in entry.needs:
            with pytest.raises(MissingError, match="one-stage detector"):
                entry.draw(found)
        else:
            made = entry.draw(found, size="slide")
            made.draw_without_rendering()
            assert cut_off(made) == [], entry.name
    shown = text_of(FIGURES["pipeline"].draw(found)) + text_of(FIGURES["detections"].draw(found))
    assert not re.search("Dashed|– anchors|proposal", shown)
    ax = FIGURES["pipeline"].draw(found).axes[0]
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    assert boxes
    assert all(box.get_x() + box.get_width() < ax.get_xlim()[1] for box in boxes)


@pytest.mark.parametrize(
    "name",
    ["maskrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_fpn", "keypointrcnn_resnet50_fpn"],
)
def test_other_two_stage_detectors(name):
    found = anatomy(recorded(name).trace)
    resnet = found.backbone.resnet
    for entry in FIGURES.values():
        if {"training", "targets"} & set(entry.needs) or ("resnet" in entry.needs and not resnet):
            with pytest.raises(MissingError):
                entry.draw(found)
        else:
            made = entry.draw(found)
            made.draw_without_rendering()
            assert cut_off(made) == [], entry.name
    if name.startswith("fasterrcnn_mobilenet"):
        said = [text_of(FIGURES[key].draw(found)) for key in ("merges", "boxes_in_cells")]
        assert "×1" in said[0], "both maps have the same size"
        assert "×2" not in said[0]
        assert "equally many" not in said[1]


@pytest.mark.parametrize(("lang", "cat"), [("en", "cat"), ("zh", "猫")])
@pytest.mark.parametrize("name", ["detections", "detection_funnel", "head"])
def test_classes_have_the_recordings_names(name, lang, cat):
    names = ("__background__", "cat", "cat", "cat", "cat")
    found = anatomy(dataclasses.replace(recorded(targets=True).trace, classes=names))
    assert cat in text_of(FIGURES[name].draw(found, lang=lang))
    assert cat not in text_of(draw("plain", name, lang=lang))


def test_a_class_name_is_no_formula():
    found = anatomy(dataclasses.replace(recorded(targets=True).trace, classes=("$x^2$",) * 5))
    made = FIGURES["detections"].draw(found)
    made.draw_without_rendering()
    assert r"\$x^2\$" in text_of(made)


def test_of_the_head_it_is_said_what_keeps_its_values(monkeypatch):
    """The anatomy leaves out what is large of many boxes, and would be named in vain."""

    def none(*_):
        raise MissingError("none")

    heads = parts("plain").roi_heads
    unknown = tuple((path, None) for path, _ in heads.hidden(0))
    monkeypatch.setattr(type(heads.box), "pooled", none)
    monkeypatch.setattr(type(heads), "hidden", lambda *_: unknown)
    made = draw("plain", "head", box=0)
    said = [text.get_text() for ax in made.axes for text in ax.texts]
    for pattern in ("*box_roi_pool", "*box_head*"):
        assert any(f'record also with\nkeep=\n"{pattern}"' in text for text in said)


def test_the_head_shows_the_recorded_values():
    found = parts("plain")
    index = 3
    made = draw("plain", "head", box=index)
    shown = [np.asarray(ax.images[0].get_array()) for ax in made.axes if ax.images]
    pooled = found.roi_heads.box.pooled(index)
    np.testing.assert_array_equal(shown[0][:7, :7], pooled[0])
    np.testing.assert_array_equal(shown[0][7:14, 14:21], pooled[16 + 2])
    for image, (_, values) in zip(shown[1:], found.roi_heads.hidden(index), strict=True):
        np.testing.assert_array_equal(image.reshape(-1), values)
    widths = [patch.get_width() for patch in made.axes[3].patches]
    np.testing.assert_allclose(widths, found.roi_heads.scores()[index])


# --- what a trace may lack ------------------------------------------------------------------------


def test_a_trace_that_lacks_something_says_which_option_records_it():
    net = model("fasterrcnn_resnet50_fpn", False)
    with torch.no_grad():
        bare = tracer.trace(net, pictures())
        modules = tracer.trace(net, pictures(), grain="module", keep="anatomy")
        blind = tracer.trace(net, pictures(), keep="anatomy", previews=False)
    with pytest.raises(MissingError, match='keep="anatomy"'):
        FIGURES["roi_align"].draw(bare)
    with pytest.raises(MissingError, match='keep="anatomy"'):
        FIGURES["transform"].draw(bare)
    with pytest.raises(MissingError, match='grain="op"'):
        FIGURES["funnel"].draw(modules)
    with pytest.raises(MissingError, match="record with previews"):
        FIGURES["merges"].draw(blind)
    with pytest.raises(MissingError, match="record with previews"):
        FIGURES["histograms"].draw(blind)
    with pytest.raises(MissingError, match=r"model\.train\(\), with targets"):
        FIGURES["losses"].draw(parts("plain"))
    with pytest.raises(MissingError, match=r"model\.eval\(\)"):
        FIGURES["detections"].draw(parts("train"))
    with pytest.raises(MissingError, match=r"tracer\.trace\(model, images, targets\)"):
        FIGURES["recall"].draw(anatomy(recorded().trace))


def test_what_is_no_pass_of_a_detector():
    with torch.no_grad():
        other = tracer.trace(torch.nn.Sequential(torch.nn.Linear(2, 2)), torch.ones(1, 2))
    with pytest.raises(MissingError, match="no pass of a torchvision detector"):
        FIGURES["pipeline"].draw(other)
    with pytest.raises(MissingError, match="construction"):
        anatomy(tracer.trace(torch.nn.Linear, 2, 2))
    with pytest.raises(MissingError, match="1 passes of a detector, there is no #1"):
        anatomy(recorded().trace, 1)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("lang", "cn", "there is no lang 'cn'"),
        ("theme", "drak", "did you mean 'dark'"),
        ("size", "poster", "one of notebook, slide"),
        ("image", 2, "2 images: there is no image 2"),
        ("image", -1, "no image -1"),
    ],
)
def test_options_that_do_not_exist(option, value, message):
    with pytest.raises(InputError, match=message):
        FIGURES["funnel"].draw(parts("plain"), **{option: value})


# --- boxes where they belong ----------------------------------------------------------------------


def rectangles(made: Figure, panel: int) -> np.ndarray:
    """The outlines drawn in a panel, [N, 4] as x1, y1, x2, y2."""
    found = [p for p in made.axes[panel].patches if type(p) is Rectangle]
    return np.array([[*p.get_xy(), p.get_x() + p.get_width(), p.get_y() + p.get_height()]
                     for p in found])  # fmt: skip


@pytest.mark.parametrize("image", [0, 1])
def test_detections_are_drawn_in_original_pixels(image):
    made = draw("plain", "detections", image=image)
    expected = recorded(targets=True).output[image]["boxes"][:12].numpy()
    np.testing.assert_allclose(rectangles(made, 0)[::-1], expected, atol=1e-3)
    height, width = parts("plain").pictures[image].original_size
    assert made.axes[0].get_xlim() == (0, width)
    assert made.axes[0].get_ylim() == (height, 0)


@pytest.mark.parametrize("image", [0, 1])
def test_targets_are_drawn_in_the_pixels_of_each_picture(image):
    made = draw("plain", "transform", image=image)
    picture = parts("plain").pictures[image]
    np.testing.assert_allclose(rectangles(made, 0), boxes_of_targets()[image]["boxes"], atol=1e-4)
    np.testing.assert_allclose(rectangles(made, 1), picture.resized_targets.xyxy, atol=1e-4)


def test_boxes_have_their_levels_colour_everywhere():
    pooling = parts("plain").roi_heads.box
    made = draw("plain", "level_assignment")
    drawn = [p for p in made.axes[2].patches if type(p) is Rectangle]
    by_box = {tuple(np.round(box, 2)): i for i, box in enumerate(pooling.boxes[0].xyxy.tolist())}
    assert len(drawn) > 20
    for patch in drawn:
        box = (
            *patch.get_xy(),
            patch.get_x() + patch.get_width(),
            patch.get_y() + patch.get_height(),
        )
        index = by_box[tuple(np.round(box, 2))]
        expected = palette.level_colour(pooling.level_of(index).name)
        assert matplotlib.colors.same_color(patch.get_edgecolor()[:3], expected)


def test_the_bars_of_the_level_assignment_are_the_counts():
    pooling = parts("plain").roi_heads.box
    made = draw("plain", "level_assignment")
    heights = [patch.get_width() for patch in made.axes[1].patches]
    counts = np.bincount(pooling.assigned[0], minlength=len(pooling.levels))
    assert heights == counts.tolist()


def test_roi_align_shows_what_was_pooled():
    found = parts("plain")
    pooling = found.roi_heads.box
    index = next(i for i in range(len(pooling.boxes[0])) if pooling.level_of(i).map.kept)
    made = draw("plain", "roi_align", box=index, channel=5)
    shown = np.asarray(made.axes[3].images[0].get_array())
    np.testing.assert_array_equal(shown, pooling.pooled(index)[5])
    points = made.axes[1].lines[-1].get_xydata()
    np.testing.assert_allclose(points, pooling.grid(index).samples.reshape(-1, 2), atol=1e-5)


def test_bars_of_a_funnel_are_to_scale_and_share_out_what_is_left():
    funnel = parts("plain").rpn.proposals(0).funnel
    counts = funnel.counts(5)
    made = draw("plain", "funnel")
    rows: dict[int, list[Rectangle]] = {}
    for bar in made.axes[0].patches:
        rows.setdefault(round(bar.get_y() + bar.get_height() / 2), []).append(bar)
    assert len(rows) == len(funnel.steps) == len(made.axes) - 1
    for row, (total, *shares) in rows.items():
        assert total.get_width() == pytest.approx(counts[row].sum() / counts[0].sum())
        widths = [share.get_width() for share in shares]
        assert widths == pytest.approx((counts[row] / counts[row].sum()).tolist())
    for step, panel in zip(funnel.steps, made.axes[1:], strict=True):
        (drawn,) = panel.collections
        assert len(drawn.get_segments()) == min(len(step.kept), 150)


def test_decoding_is_shown_where_it_gains_most():
    found = parts("plain")
    made = draw("plain", "decode")
    before, after = map(float, re.findall(r"\d\.\d\d", made.axes[0].get_title()))
    best = found.rpn.proposals(0).funnel.steps[-1].kept[:60]
    targets = found.pictures[0].resized_targets.xyxy
    gains = iou(found.rpn.proposals(0).decoded.xyxy[best], targets).max(1) - iou(
        found.anchors.xyxy[best], targets
    ).max(1)
    assert 0 < after - before <= gains.max() + 0.01


def test_a_detections_number_is_its_rows():
    made = draw("plain", "detections")
    rows = [label.get_text() for label in made.axes[1].get_yticklabels()]
    numbers = {text.get_text() for text in made.axes[0].texts}
    assert numbers
    assert numbers <= {row.rsplit(" ", 1)[1] for row in rows}


def test_stages_are_drawn_with_all_their_cells():
    found = parts("plain")
    made = draw("plain", "backbone_stages")
    count = len(found.backbone.maps) + 1
    for i, feature in enumerate(found.backbone.maps, 1):
        for panel in (made.axes[i], made.axes[count + i]):
            assert panel.images[-1].get_array().shape == feature.shape[-2:]


@pytest.mark.parametrize("image", [0, 1])
def test_padding_is_hatched_where_it_lies(image):
    picture = parts("plain").pictures[image]
    hatched = [p for p in draw("plain", "transform", image=image).axes[1].patches if p.get_hatch()]
    reach = np.concatenate([patch.get_xy() for patch in hatched])
    height, width = picture.resized_size
    assert reach.max(0).tolist() == list(picture.padded_size[::-1])
    assert all((x >= width) | (y >= height) | (x == 0) for x, y in reach)


def test_merges_show_maps_that_add_up():
    made = draw("plain", "merges")
    rows = [made.axes[i * 5 : i * 5 + 5] for i in range(4)]
    for row in rows[1:]:
        lateral, up, total = (np.asarray(ax.images[0].get_array()) for ax in row[1:4])
        tolerance = 3 * max(np.ptp(lateral), np.ptp(up), np.ptp(total)) / 255
        np.testing.assert_allclose(lateral + up, total, atol=tolerance)
        assert len({ax.images[0].get_clim() for ax in row[1:4]}) == 1


# --- drawing into other figures, and leaving nothing behind ---------------------------------------


@pytest.mark.parametrize("name", ["funnel", "merges", "detections", "level_assignment"])
def test_drawn_into_axes_of_another_figure(name):
    paper = Figure(figsize=(12, 6))
    FigureCanvasAgg(paper)
    left, right = paper.subplots(1, 2)
    made = FIGURES[name].draw(parts("plain"), ax=right)
    assert made is paper
    paper.canvas.draw()
    drawn = [ax for ax in paper.axes if ax is not left and ax.axison and ax is not right]
    inside = drawn or [right]
    middle = right.get_position().x0 - 0.06
    assert all(ax.get_position().x0 > middle for ax in inside)
    assert not left.images
    assert right.patches or drawn


def test_pyplot_is_not_touched_and_nothing_is_held():
    made = draw("plain", "merges")
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
    if "matplotlib.pyplot" in sys.modules:
        assert matplotlib.pyplot.get_fignums() == []


def test_settings_of_matplotlib_are_left_alone():
    before = dict(matplotlib.rcParams)
    draw("plain", "funnel", lang="zh", theme="dark")
    assert dict(matplotlib.rcParams) == before


def test_a_file_is_drawn_once_and_as_matplotlib_draws_it(monkeypatch):
    """Matplotlib draws a figure with a layout twice, and the first time in vain."""
    drawn, files = [], []
    once = Axes.draw
    monkeypatch.setattr(Axes, "draw", lambda ax, by: [drawn.append(ax), once(ax, by)])
    for _ in range(2):
        made, written = FIGURES["merges"].draw(parts("plain")), io.BytesIO()
        made.savefig(written, format="png")
        files.append(written.getvalue())
        monkeypatch.setattr(Drawing, "draw", Figure.draw)
    assert files[0] == files[1]
    assert len(drawn) == 3 * len(made.axes)


# --- language and colour --------------------------------------------------------------------------


# Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as the colour-blind see it.
BLIND = {
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


@pytest.mark.parametrize("eyes", BLIND)
def test_levels_are_told_apart_by_colour_blind_eyes(eyes):
    colours = [matplotlib.colors.to_rgb(palette.level_colour(f"P{i}")) for i in range(2, 8)]
    linear = np.asarray(colours) ** 2.2
    seen = np.clip(linear @ np.asarray(BLIND[eyes]).T, 0, 1) ** (1 / 2.2)
    for a, b in itertools.combinations(seen, 2):
        assert np.abs(a - b).sum() > 0.25


def test_a_level_has_one_colour():
    assert palette.level_colour("P4") == palette.level_colour("C4")
    assert len({palette.level_colour(n) for n in ("P5a", "P5b", "P5c", "P6")}) == 4
    assert palette.level_colour("odd") not in {palette.level_colour(f"P{i}") for i in range(2, 8)}


@pytest.mark.parametrize("theme", palette.THEMES)
def test_the_colours_of_levels_belong_to_levels(theme):
    levels = {palette.level_colour(f"P{i}").lower() for i in range(2, 8)}
    named = [
        getattr(palette.THEMES[theme], field.name) for field in dataclasses.fields(palette.Theme)
    ]
    others = [
        *palette.CLASSES,
        *palette.CYCLE,
        *palette.CHANNELS,
        *sum(palette.STAGES.values(), ()),
    ]
    assert levels.isdisjoint(colour.lower() for colour in (*named, *others))


def test_lines_are_wrapped_by_width():
    assert wrap("one two three four", 9) == "one two\nthree\nfour"
    assert wrap("每一层都有自己的锚框", 8) == "每一层都\n有自己的\n锚框"
    assert columns("P2 层") == 5
    for width in (20, 33, 60):
        text = "左：每点一个框；k 被限制在 2～5 之内, and some English words, 也在内。" * 3
        assert all(columns(line) <= width for line in wrap(text, width).splitlines())


# --- numbers that figures compute -----------------------------------------------------------------


@pytest.mark.parametrize("width", [64, 256])
def test_costs_of_blocks_are_those_of_built_blocks(width):
    built = Bottleneck(4 * width, width), BasicBlock(4 * width, 4 * width)
    for block, cost in zip(built, (bottleneck_cost, basic_block_cost), strict=True):
        params, macs = cost(4 * width)
        assert params == sum(p.numel() for p in block.parameters())
        with torch.no_grad():
            trace = tracer.trace(block.eval(), torch.zeros(1, 4 * width, 5, 3))
        assert macs * 15 == trace.calls[0].macs


@pytest.mark.parametrize(("build", "bottleneck"), [(resnet18, False), (resnet50, True)])
def test_receptive_fields_are_what_gradients_reach(build, bottleneck):
    """The gradient of a ResNet that takes means: nonzero just where it can be, and as drawn.

    Its middle is pixel i·s, for each point i of each stage of stride s.
    """
    net = build(weights=None).eval().requires_grad_(False)
    net.maxpool = torch.nn.AvgPool2d(3, 2, 1)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            is_convolution = parameter.dim() == 4
            parameter.fill_(1 / parameter[0].numel() if is_convolution else "bias" not in name)
    depths = tuple(len(net.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4))
    expected = receptive_fields(depths, bottleneck)
    drawn = {name: seen for name, seen, _ in influences(depths, bottleneck)}
    x = torch.ones(1, 3, 448, 448, requires_grad=True)
    out = net.relu(net.bn1(net.conv1(x)))
    for i in range(4):
        name, field, stride = expected[i]
        middle = out.shape[-1] // 2
        (gradient,) = torch.autograd.grad(out[0, 0, middle, middle], x, retain_graph=True)
        reached = (gradient[0, 0] > 0).any(0).nonzero()
        assert int(reached[-1] - reached[0]) + 1 == field, name
        assert int(reached[-1] + reached[0]) == 2 * middle * stride, name
        seen = slice(int(reached[0]), int(reached[-1]) + 1)
        share = gradient[0].sum(0)[seen, seen].numpy()
        np.testing.assert_allclose(share / share.sum(), drawn[name], rtol=1e-3, atol=1e-15)
        assert 448 // out.shape[-1] == stride
        out = net.layer1(net.maxpool(out)) if i == 0 else net.get_submodule(f"layer{i + 1}")(out)


# --- the registry ---------------------------------------------------------------------------------


def test_the_registry_is_in_order_and_complete():
    stages = [entry.stage for entry in FIGURES.values()]
    assert [stage for stage, _ in itertools.groupby(stages)] == list(STAGES)
    for name, entry in FIGURES.items():
        assert entry.draw.__name__ == f"fig_{name}"
        assert entry.draw.__doc__
        assert entry.title("en")
        assert entry.title("zh")
    assert [entry.name for entry in in_stage("fpn")] == ["pyramid", "merges", "same_point"]
    with pytest.raises(MissingError, match="did you mean 'losses'"):
        in_stage("loses")
