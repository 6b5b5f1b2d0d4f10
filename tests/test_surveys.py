"""Surveys of data sets: what they count, that they add up, that nothing makes them fall over."""

from __future__ import annotations

import copy
import json
import multiprocessing
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from surveyed import Scenes, one_share, tiny_detector
from torch import nn

import tracer
from tracer.capture.channels import ChannelWatch, read_channels
from tracer.cli import main
from tracer.errors import InputError, TraceFileError
from tracer.rcnn.anatomy import anatomy
from tracer.rcnn.demo.data import write_scenes
from tracer.surveys import reading
from tracer.surveys.anchors import anchor_sets
from tracer.surveys.data import KINDS, RPN_STEPS, STATIONS, STEPS, Sum, Survey, empty
from tracer.surveys.moments import Moments
from tracer.surveys.pictures import annotated, picture_files
from tracer.surveys.precision import precision
from tracer.surveys.store import load_survey, save_survey
from tracer.views.reports.survey import records, tables
from tracer.views.survey.page import document

EXACT = (
    "number",
    "size",
    "resized",
    "batch",
    "grids",
    "objects",
    "positives",
    "rpn",
    "box",
    "rois",
)


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return tiny_detector()


@pytest.fixture(scope="module")
def whole(model):
    return tracer.survey(model, Scenes(7))


def same(one, other):
    """Whether two surveys have the same counts bit for bit, and the same moments to rounding."""
    for name in EXACT:
        np.testing.assert_array_equal(one.pictures[name], other.pictures[name], name)
    for table in ("objects", "detections"):
        for name, values in getattr(one, table).items():
            np.testing.assert_array_equal(values, getattr(other, table)[name], name)
    assert one.names == other.names
    assert one.activations.keys == other.activations.keys
    a, b = one.activations.moments, other.activations.moments
    for name in ("count", "low", "high"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    np.testing.assert_array_equal(one.activations.counts, other.activations.counts)
    np.testing.assert_array_equal(one.peaks, other.peaks)
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.spread, b.spread, rtol=1e-9, atol=1e-9)


# --- what is counted ------------------------------------------------------------------------------


@pytest.mark.slow
def test_objects_and_detections_are_told_as_why_tells_them(model, whole):
    for number in range(4):
        image, target = Scenes(7)[number]
        with torch.inference_mode():
            recording = tracer.trace(model, [image], keep="anatomy", previews=False)
        told = tracer.why(recording, targets=[target])
        mine = whole.objects["picture"] == number
        assert [STATIONS[at] for at in whole.objects["lost"][mine]] == [
            o.lost for o in told.objects
        ]
        mine = whole.detections["picture"] == number
        kinds = [KINDS[at] for at in whole.detections["kind"][mine]]
        assert kinds == [d.kind or "correct" for d in told.detections]


def test_the_funnel_is_that_of_a_recording(model, whole):
    with torch.inference_mode():
        recording = tracer.trace(model, [Scenes(7)[2][0]], keep="anatomy", previews=False)
    parts = anatomy(recording)
    funnel = parts.rpn.proposals(0).funnel
    counts = funnel.counts(len(parts.pyramid))
    names = [step.name for step in funnel.steps]
    for at, name in enumerate(RPN_STEPS):
        np.testing.assert_array_equal(whole.pictures["rpn"][2, at], counts[names.index(name)])
    found = parts.detections[0].funnel
    assert whole.pictures["box"][2].tolist() == [len(step.kept) for step in found.steps]
    assert whole.pictures["exact"].all()


def test_a_pass_is_not_changed_and_no_hook_is_left(model):
    image = Scenes(1)[0][0]
    with torch.no_grad():
        before = model([image])[0]
        watch = ChannelWatch(model, {})
        with watch.installed():
            watch.begin()
            during = model([image])[0]
    for name, values in before.items():
        assert torch.equal(values, during[name])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_model_gets_its_modes_back():
    model = tiny_detector().train()
    model.backbone.norm.eval()
    tracer.survey(model, Scenes(1))
    assert model.training
    assert not model.backbone.norm.training
    assert int(model.backbone.norm.num_batches_tracked) == 0


def test_anchors_without_a_pass_are_those_with_one(model, whole):
    static = tracer.survey(model, Scenes(7), static=True)
    np.testing.assert_array_equal(static.objects["iou"], whole.objects["iou"])
    np.testing.assert_array_equal(static.pictures["positives"], whole.pictures["positives"])
    assert static.pictures["seconds"].tolist() != whole.pictures["seconds"].tolist()
    assert not static.activations.keys


def test_positives_are_those_that_training_chooses(model, whole):
    """Against the model's own ``assign_targets_to_anchors``."""
    image, target = Scenes(7)[3]
    images, targets = model.transform([image], [target])
    maps = list(model.backbone(images.tensors).values())
    anchors = model.rpn.anchor_generator(images, maps)
    labels, _ = model.rpn.assign_targets_to_anchors(anchors, targets)
    assert int((labels[0] == 1).sum()) == whole.pictures["positives"][3].sum()


def test_precision_is_that_of_the_demo_evaluation(model, whole):
    from tracer.rcnn.demo.evaluation import detections, measure

    scenes = [tracer_scene(n) for n in range(7)]
    other = measure(scenes, detections(model, scenes))
    mine = precision(whole)
    for name in ("ap", "ap50", "ap75"):
        assert mine[name] == pytest.approx(getattr(other, name), nan_ok=True, abs=1e-6)


def tracer_scene(number):
    from tracer.rcnn.demo.scenes import scene

    return scene(number, (64, 64))


def test_steps_lose_objects_one_after_the_other(whole):
    reached = whole.objects["reached"]
    assert (reached[:, 0] >= reached[:, 1]).all()
    rpn = reached[:, :, : len(RPN_STEPS)].astype(int)
    assert (np.diff(rpn, axis=2) <= 0).all()
    assert reached.shape[2] == len(STEPS)


# --- statistics -----------------------------------------------------------------------------------


def test_statistics_are_those_of_all_values_together():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).eval()
    net[0].bias.data[1] = -50.0  # a channel that the ReLU kills
    pictures = [torch.rand(3, 9 + n, 12) for n in range(5)]
    found = tracer.survey(net, pictures)
    assert found.subject.kind == "other"
    with torch.no_grad():
        values = torch.cat([net(p[None]).flatten(2) for p in pictures], 2)[0].double().numpy()
    at = [k.path for k in found.activations.keys].index("2")
    moments = found.activations.of(at)
    np.testing.assert_allclose(moments.mean, values.mean(1), rtol=1e-6)
    np.testing.assert_allclose(moments.std, values.std(1, ddof=1), rtol=1e-5)
    np.testing.assert_array_equal(moments.low, values.min(1))
    np.testing.assert_array_equal(moments.high, values.max(1))
    assert found.activations.counts[at].tolist() == [(values == 0).sum(), 0, 0]
    line = next(each for each in reading.lines(found) if each.path == "2")
    assert line.dead == 1


@pytest.mark.parametrize("shape", [(7,), (5, 6), (1, 4, 9, 11), (6, 4, 3, 3), (2, 3, 5)])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_channels_are_read_right_whatever_the_layout(shape, shift):
    torch.manual_seed(1)
    values = torch.randn(shape) + shift
    rows, counts = read_channels(values)
    plain = values.reshape(1, 1, -1) if values.dim() == 1 else values.reshape(*shape[:2], -1)
    columns = plain.transpose(0, 1).flatten(1).double().numpy()
    np.testing.assert_allclose(rows[1], columns.mean(1), rtol=1e-6, atol=1e-6)
    spread = ((columns - columns.mean(1, keepdims=True)) ** 2).sum(1)
    np.testing.assert_allclose(rows[2], spread, rtol=1e-4)
    np.testing.assert_array_equal(rows[3:], [columns.min(1), columns.max(1)])
    assert counts.tolist() == [0, 0, 0]


def test_values_that_are_none_are_counted_apart():
    values = torch.tensor([[[1.0, float("nan"), 0.0], [float("inf"), 2.0, -float("inf")]]])
    rows, counts = read_channels(values)
    assert counts.tolist() == [1, 1, 2]
    assert rows[0].tolist() == [2, 1]
    assert rows[1].tolist() == [0.5, 2.0]
    assert rows[3:].tolist() == [[0, 2], [1, 2]]


def test_moments_add_up_in_any_order():
    rng = np.random.default_rng(0)
    parts = [rng.normal(1e4, 1, (3, n)) for n in (1, 5, 100, 1000)]
    rows = [
        (np.full(3, p.shape[1]), p.mean(1), p.var(1) * p.shape[1], p.min(1), p.max(1))
        for p in parts
    ]
    each = [Moments.of_rows(np.stack(row)) for row in rows]
    everything = np.concatenate(parts, 1)
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        total = Moments.none(3)
        for at in order:
            total = total + each[at]
        np.testing.assert_allclose(total.mean, everything.mean(1), rtol=1e-13)
        np.testing.assert_allclose(total.std, everything.std(1, ddof=1), rtol=1e-10)
    whole = total.whole
    np.testing.assert_allclose(whole.std, everything.std(ddof=1), rtol=1e-10)


def test_a_container_costs_no_second_reading_but_has_its_statistics():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 2, 1)), nn.Identity())
    watch = ChannelWatch(net, {})
    with torch.no_grad(), watch.installed():
        watch.begin()
        net(torch.rand(1, 3, 4, 4))
    rows = {each.path: each.rows for each in watch.passed.readings}
    assert rows["0.0"] is rows["0"] is rows["1"] is rows[""]


def test_a_dead_channel_that_containers_hand_on_is_counted_once():
    conv = nn.Conv2d(3, 4, 1)
    conv.weight.data[1], conv.bias.data[1] = 0, -1
    conv.bias.data[[0, 2, 3]] = 1
    net = nn.Sequential(nn.Sequential(conv, nn.ReLU()))
    found = tracer.survey(net, [torch.rand(3, 8, 8) for _ in range(3)])
    assert [line.dead for line in reading.lines(found)].count(1) == 3
    assert reading.dead_channels(found) == 1


def test_what_a_stage_gives_is_its_own_though_it_is_one_module():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4).eval(), nn.Conv2d(4, 2, 1))
    watch = ChannelWatch(net, {"0": "first", "1": "first"})
    with torch.no_grad(), watch.installed():
        watch.begin()
        net(torch.rand(1, 3, 8, 8))
    assert watch.passed.held == {"first": 2 * 4 * 64 * 4, "": 2 * 64 * 4}


def test_a_tensor_that_was_written_to_is_read_again():
    class Doubles(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.inner(x).mul_(2)

    net = Doubles()
    watch = ChannelWatch(net, {})
    with torch.no_grad(), watch.installed():
        watch.begin()
        net(torch.rand(1, 1, 4, 4))
    inner, outer = watch.passed.readings
    np.testing.assert_allclose(outer.rows[1], 2 * inner.rows[1], rtol=1e-6)


def test_drift_is_measured_in_the_norms_own_deviations():
    norm = nn.BatchNorm2d(1).eval()
    norm.running_mean.fill_(3.0)
    norm.running_var.fill_(4.0)
    found = tracer.survey(nn.Sequential(norm), [torch.full((1, 4, 4), 13.0), torch.zeros(1, 4, 4)])
    line = next(each for each in reading.lines(found) if each.path == "0")
    assert line.drift == pytest.approx((6.5 - 3) / 2)


# --- adding up ------------------------------------------------------------------------------------


def test_shares_add_up_to_the_whole_in_any_order(model, whole):
    shares = [tracer.survey(model, Scenes(7), share=(k, 3)) for k in range(3)]
    same(shares[0] + shares[1] + shares[2], whole)
    same(shares[2] + (shares[1] + shares[0]), whole)
    with pytest.raises(InputError, match=r"picture 0 is in two.*share=\(0, 2\)"):
        shares[0] + shares[0]
    with pytest.raises(InputError, match="weights differ"):
        shares[0] + tracer.survey(tiny_detector(seed=1), Scenes(1))
    with pytest.raises(InputError, match="settings differ"):
        shares[0] + tracer.survey(tiny_detector(box_score_thresh=0.1), Scenes(1))


@pytest.mark.slow
def test_plain_processes_add_up(whole, tmp_path):
    """What the how-to says of Ray and torchrun: each process its share, and then the sum."""
    context = multiprocessing.get_context("spawn")
    paths = [tmp_path / f"{k}.safetensors" for k in range(2)]
    running = [
        context.Process(target=one_share, args=(7, (k, 2), path)) for k, path in enumerate(paths)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    one, other = map(load_survey, paths)
    same(one + other, whole)


def test_an_interrupt_while_surveys_are_added_loses_none(model, whole, monkeypatch):
    added = Sum(empty(whole.subject))
    added.add(tracer.survey(model, Scenes(7), share=(0, 2)))
    rest = tracer.survey(model, Scenes(7), share=(1, 2))

    def interrupted(one, other):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Survey, "__add__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            added.add(rest)
    assert len(added) == 4
    added.add(rest)
    same(added.survey(), whole)


def test_a_survey_goes_into_a_file_and_back(whole, tmp_path):
    path = save_survey(whole, tmp_path / "s.safetensors")
    found = load_survey(path)
    same(found, whole)
    assert (found.subject, found.problems) == (whole.subject, whole.problems)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(TraceFileError, match="damaged"):
        load_survey(path)
    path.write_bytes(content[:1000])
    with pytest.raises(TraceFileError, match="damaged"):
        load_survey(path)
    with pytest.raises(TraceFileError, match="there is no survey"):
        load_survey(tmp_path / "none.safetensors")


def test_a_file_that_contradicts_itself_is_refused(whole, tmp_path):
    objects = {**whole.objects, "picture": whole.objects["picture"] + 100}
    path = save_survey(replace(whole, objects=objects), tmp_path / "s.safetensors")
    with pytest.raises(TraceFileError, match="of a picture that is not there"):
        load_survey(path)


# --- going on -------------------------------------------------------------------------------------


class Interrupting(Scenes):
    def __getitem__(self, number):
        if number == 4:
            raise KeyboardInterrupt
        return super().__getitem__(number)


def test_an_interrupt_keeps_what_there_is_and_resume_goes_on(model, whole, tmp_path):
    path = tmp_path / "s.safetensors"
    part = tracer.survey(model, Interrupting(7), path=path)
    assert (len(part), part.total) == (4, 7)
    seen = []
    rest = tracer.survey(
        model, Scenes(7), path=path, resume=True, progress=lambda *told: seen.append(told[2])
    )
    assert seen == ["4", "5", "6"]
    same(rest, whole)
    same(load_survey(path), whole)
    with pytest.raises(InputError, match="other pictures"):
        tracer.survey(model, Scenes(7), names=list("abcdefg"), path=path, resume=True)
    with pytest.raises(InputError, match="weights differ"):
        tracer.survey(tiny_detector(seed=2), Scenes(7), path=path, resume=True)


# --- what is odd ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    return write_scenes(folder, 2, size=64, broken=True)


@pytest.mark.slow
def test_broken_pictures_are_counted_and_named(model, broken):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tracer.survey(model, annotated(broken))
    kinds = {each.name.removeprefix("images/"): each.kind for each in found.left_out}
    assert kinds == {
        "unreadable.jpg": "unreadable",
        "cut-short.jpg": "unreadable",
        "empty.jpg": "empty",
        "huge.png": "unreadable",
        "wrong-size.png": "size",
        "missing.png": "unreadable",
    }
    assert len(found) == 9
    remarks = [each.name for each in found.problems if not each.left_out]
    assert remarks == ["images/outside.png", "images/flat-box.png"]
    assert found.pictures["crowds"].sum() == 1
    odd = dict(zip(found.names, found.pictures["objects"].tolist(), strict=True))
    assert odd["images/nothing.png"] == 0
    assert odd["images/flat-box.png"] == odd["images/grey.png"] == odd["images/turned.jpg"]


def test_a_model_that_raises_loses_one_picture(model):
    pictures = [torch.rand(3, 64, 64), torch.rand(4, 64, 64), torch.rand(3, 70, 64)]
    found = tracer.survey(model, pictures)
    assert found.pictures["number"].tolist() == [0, 2]
    (problem,) = found.left_out
    assert (problem.number, problem.kind) == (1, "failed")
    assert "RuntimeError" in problem.text


def test_a_picture_without_proposals_is_surveyed(model):
    none = copy.deepcopy(model)
    none.rpn.score_thresh = 2.0
    found = tracer.survey(none, Scenes(1))
    assert found.left_out == ()
    assert found.pictures["rpn"][0, -1].sum() == 0
    known = found.objects["lost"][found.objects["lost"] >= 0]
    assert len(known)
    assert {STATIONS[at] for at in known.tolist()} <= {"decode", "top_k", "small", "score"}


@pytest.mark.slow
def test_pictures_of_which_none_can_be_used_are_said_and_reported(tmp_path, capsys):
    folder = tmp_path / "survey"
    args = ["--static", "-o", str(folder)]
    assert main(["survey", str(tmp_path / "gone.png"), *args]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "none of the 1 pictures could be used" in said
    assert "gone.png" in said
    assert "gone.png" in (folder / "survey.html").read_text("utf-8")


def test_pictures_with_nan_are_odd(model):
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())
    bad = torch.rand(3, 8, 8)
    bad[0, 2, 2] = torch.nan
    found = tracer.survey(net, [torch.rand(3, 8, 8), bad, torch.rand(3, 8, 8)])
    first = reading.odd_pictures(found)[0]
    assert (first.number, first.reason) == (1, "nan")


def test_extreme_pictures_are_odd():
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    pictures = [torch.rand(3, 8, 8) for _ in range(20)] + [torch.full((3, 8, 8), 100.0)]
    found = reading.odd_pictures(tracer.survey(net, pictures))
    assert [(each.number, each.reason) for each in found] == [(20, "extreme")]


def test_what_cannot_be_surveyed_is_said(model, tmp_path, broken):
    with pytest.raises(InputError, match="no pictures"):
        tracer.survey(model, [])
    with pytest.raises(InputError, match="share"):
        tracer.survey(model, Scenes(2), share=(2, 2))
    with pytest.raises(InputError, match="no detector"):
        tracer.survey(nn.Conv2d(3, 1, 1), Scenes(1), static=True)
    with pytest.raises(InputError, match=r"no targets for 1 of the 1.*other\.png"):
        annotated(broken, images=[tmp_path / "other.png"])
    with pytest.raises(InputError, match=r"none of the .* pictures"):
        annotated(broken, tmp_path)
    empty = tmp_path / "none.json"
    empty.write_text(json.dumps({"images": [], "annotations": []}))
    with pytest.raises(InputError, match="lists no pictures"):
        annotated(empty)


def test_turned_and_grey_pictures_have_their_size_without_decoding(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    files = picture_files([tmp_path / "turned.jpg"])
    assert files.item(0, pixels=False).size == files.item(0).size == (40, 20)


def test_targets_of_coco_detection(model):
    """As ``torchvision.datasets.CocoDetection`` gives them: Pillow's picture, and a list."""
    picture = Image.new("RGB", (64, 64), "grey")
    annotation = {"bbox": [4, 4, 20, 30], "category_id": 2, "iscrowd": 0, "area": 300.0}
    found = tracer.survey(model, [(picture, [annotation]), (picture, [])])
    assert found.objects["box"].tolist() == [[4, 4, 24, 34]]
    assert found.objects["area"].tolist() == [300]
    assert found.pictures["targets"].tolist() == [True, True]


# --- anchors --------------------------------------------------------------------------------------


class Wide:
    """Objects of two sizes, all four times as wide as high: nothing for anchors of 1:1."""

    def __len__(self):
        return 24

    def __getitem__(self, number):
        width = (24.0, 52.0)[number % 2]
        box = [4.0, 10.0, 4 + width, 10 + width / 4]
        labels = torch.ones(1, dtype=torch.int64)
        return torch.rand(3, 64, 64), {"boxes": torch.tensor([box]), "labels": labels}


@pytest.mark.slow
def test_a_proposal_of_anchors_fits_better_and_says_how_much(model):
    found = tracer.survey(model, Wide(), static=True)
    own, *better = anchor_sets(found)
    assert own.near[0] == pytest.approx(float((reading.best(found) >= 0.5).mean()))
    best = better[-1]
    assert best.near[0] == 1 > own.near[0]
    assert best.ratios[0] == (0.25,)
    assert [level[0] for level in best.sizes] == [12, 26]


# --- what is written ------------------------------------------------------------------------------


def test_every_table_is_there_in_both_languages(whole):
    english, chinese = tables(whole, "en"), tables(whole, "zh")
    assert english.keys() == chinese.keys()
    assert {"overview", "sizes", "funnel", "recall", "kinds", "activations", "time"} <= set(english)
    for name, table in english.items():
        assert len(table.rows) == len(chinese[name].rows)
        assert table.to("markdown")
    page = document(whole)
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_a_row_for_each_picture_object_and_detection(whole):
    pytest.importorskip("pandas")
    frame = records(whole, "pictures").dataframe()
    assert frame["name"].tolist() == list(whole.names)
    assert frame["rpn_top_n"].sum() == whole.pictures["rpn"][:, -1].sum()
    assert len(records(whole, "objects").dataframe()) == len(whole.objects["label"])
    assert len(records(whole, "detections").dataframe()) == len(whole.detections["label"])


@pytest.mark.slow
def test_all_is_written_into_a_folder(model, whole, tmp_path):
    from tracer.views.survey.folder import write_survey

    names = {path.name for path in write_survey(whole, tmp_path, "zh", {2: "picture-2.html"})}
    assert {"survey.html", "survey.en.md", "survey.zh.md", "sizes.zh.png", "funnel.en.png"} <= names
    assert {"pictures.csv", "objects.csv", "detections.csv"} <= names
    page = (tmp_path / "survey.html").read_text("utf-8")
    assert 'href="picture-2.html"' in page
    assert page.count("data:image/png;base64") >= 4


def test_odd_pictures_are_recorded(model, whole):
    from tracer.surveys.odd import record_odd, worth_recording
    from tracer.surveys.pictures import pictures_of

    (found,) = record_odd(model, pictures_of(Scenes(7)), whole, 1)
    number, recording = found
    assert [number] == worth_recording(whole, 1)
    assert len(recording.why(image=0)) >= 0
    assert not any(m._forward_hooks for m in model.modules())
