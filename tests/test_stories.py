"""Stories against torchvision's own functions, run again: stations, and what would help."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from anatomy_passes import recorded
from demo_passes import SETTINGS, crowd, demo, recorded_demo, set_to
from torchvision.models.detection import _utils as det_utils
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image, nms, remove_small_boxes

import tracer
from tracer import cli
from tracer.errors import InputError, MissingError
from tracer.rcnn.anatomy import anatomy
from tracer.rcnn.narration import commentary
from tracer.rcnn.stories import Step
from tracer.rcnn.stories.matching import kind_of_error, match_detections
from tracer.views.kit.stories import told

pytestmark = pytest.mark.slow

PASSES = ("fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_fpn", "one level")
ONE_STAGE = ("retinanet_resnet50_fpn", "ssd300_vgg16", "fcos_resnet50_fpn")


@pytest.fixture(scope="module")
def plain():
    return recorded_demo("plain")


# --- the oracle: torchvision's functions ----------------------------------------------------------


class Oracle:
    """What torchvision computes for one image of a pass, step by step, by its own functions."""

    def __init__(self, model, pictures, image):
        self.model, rpn, heads = model, model.rpn, model.roi_heads
        with torch.no_grad():
            images, _ = model.transform(pictures, None)
            maps = model.backbone(images.tensors)
            maps = maps if isinstance(maps, dict) else {"0": maps}
            logits, deltas = rpn.head(list(maps.values()))
            self.anchors = rpn.anchor_generator(images, list(maps.values()))[image]
            self.counts = counts = [map[0].numel() for map in logits]
            from torchvision.models.detection.rpn import concat_box_prediction_layers

            size = images.image_sizes[image]
            flat, moves = concat_box_prediction_layers(logits, deltas)
            every = rpn.anchor_generator(images, list(maps.values()))
            boxes = rpn.box_coder.decode(moves, every).view(len(pictures), -1, 4)
            flat = flat.view(len(pictures), -1)
            self.boxes = clip_boxes_to_image(boxes[image], size)
            self.scores = torch.sigmoid(flat[image])
            level = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
            self.rpn = self._first(flat, counts, level, image)
            final, _ = rpn.filter_proposals(boxes, flat, images.image_sizes, counts)
            assert torch.equal(self.boxes[self.rpn["top_n"]], final[image])
            self.proposals = final[image]
            self._second(maps, final, images, image, heads)

    def _first(self, flat, counts, level, image):
        rpn = self.model.rpn
        top = rpn._get_top_n_idx(flat, counts)[image]
        small = top[remove_small_boxes(self.boxes[top], rpn.min_size)]
        scored = small[self.scores[small] >= rpn.score_thresh]
        kept = scored[
            batched_nms(self.boxes[scored], self.scores[scored], level[scored], rpn.nms_thresh)
        ]
        left = kept[: rpn.post_nms_top_n()]
        return {"top_k": top, "small": small, "score": scored, "nms": kept, "top_n": left}

    def _second(self, maps, final, images, image, heads):
        pooled = heads.box_roi_pool(maps, final, images.image_sizes)
        logits, moves = heads.box_predictor(heads.box_head(pooled))
        per_image = [len(boxes) for boxes in final]
        boxes = heads.box_coder.decode(moves, final).split(per_image)[image]
        boxes = clip_boxes_to_image(boxes, images.image_sizes[image])[:, 1:]
        scores = torch.softmax(logits, -1).split(per_image)[image]
        self.class_scores = scores
        self.labels = torch.arange(1, scores.shape[1]).expand_as(scores[:, 1:]).reshape(-1)
        self.pair_boxes, self.pair_scores = boxes.reshape(-1, 4), scores[:, 1:].reshape(-1)
        scored = torch.where(self.pair_scores > heads.score_thresh)[0]
        large = scored[remove_small_boxes(self.pair_boxes[scored], 1e-2)]
        kept = large[
            batched_nms(
                self.pair_boxes[large], self.pair_scores[large], self.labels[large],
                heads.nms_thresh,
            )
        ]  # fmt: skip
        top = kept[: heads.detections_per_img]
        self.heads = {
            "class_score": scored, "class_small": large, "class_nms": kept, "class_top_n": top,
        }  # fmt: skip
        if self.model.roi_heads.box_roi_pool.map_levels is not None:
            self.levels = heads.box_roi_pool.map_levels(final).split(per_image)[image]

    def fate(self, box, label=None, threshold=0.5):
        """(how many cover the box after each station, the first at which there are none)."""
        near = box_iou(self.boxes, box[None])[:, 0] >= threshold
        left = {"decode": int(near.sum())}
        left |= {name: int(near[kept].sum()) for name, kept in self.rpn.items()}
        pairs = box_iou(self.pair_boxes, box[None])[:, 0] >= threshold
        if label is not None:
            pairs &= self.labels == label
        left["box"] = int(pairs.sum())
        left |= {name: int(pairs[kept].sum()) for name, kept in self.heads.items()}
        late = ("box", *self.heads)
        if left["box"] or left["top_n"]:
            return left, next((name for name in late if not left[name]), "")
        return left, next(name for name in left if not left[name])


def some_boxes(size, count, seed):
    """Boxes of all sizes within a picture, in its pixels."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 1, (count * 4, 2, 2)) ** 1.2 * [size[1], size[0]]
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)
    wide = ((boxes[:, 2:] - boxes[:, :2]) > 4).all(1)
    return boxes[wide][:count]


def check_stations(story, oracle, parts, box, left, lost):
    """Every number of a story's stations against torchvision's."""
    assert story.lost == lost
    for step in story.steps:
        if step.name in left:
            assert step.left == left[step.name], step.name
        assert step.lost == (step.name == lost)
        if step.iou is not None and step.box is not None:
            shared = box_iou(torch.tensor([step.box]), box[None])[0, 0]
            assert step.iou == pytest.approx(float(shared), abs=1e-5)
    anchor = followed_anchor(story, oracle, parts)
    level_scores = oracle.scores[level_of(oracle, anchor)]
    assert story.step("objectness").score == pytest.approx(float(oracle.scores[anchor]), abs=1e-6)
    rank = int((level_scores > oracle.scores[anchor]).sum()) + 1
    ties = int((level_scores == oracle.scores[anchor]).sum())
    assert rank <= story.step("objectness").facts["rank"] < rank + ties
    first = story.step("anchors")
    best = box_iou(oracle.anchors, box[None])[:, 0]
    assert first.facts["best_iou"] == pytest.approx(float(best.max()), abs=1e-5)
    assert first.left == int((best >= 0.5).sum())


def followed_anchor(story, oracle, parts):
    """The anchor that a story follows: by its own box and the one that it became."""
    first, second = (torch.tensor(story.step(name).box) for name in ("anchors", "decode"))
    same = (oracle.anchors == first).all(1) & torch.isclose(oracle.boxes, second, atol=1e-3).all(1)
    place = [level.name for level in parts.anchors.levels].index(
        story.step("anchors").facts["level"]
    )
    start = sum(oracle.counts[:place])
    same[:start] = same[start + oracle.counts[place] :] = False
    found = torch.where(same)[0]
    assert len(found) == 1
    return int(found[0])


def level_of(oracle, anchor):
    """The anchors of an anchor's level."""
    ends = np.cumsum(oracle.counts)
    level = int((ends <= anchor).sum())
    return slice(int(ends[level]) - oracle.counts[level], int(ends[level]))


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("image", [0, 1])
def test_every_station_is_what_torchvision_computes(name, image):
    made = recorded(name, targets=True)
    from anatomy_passes import pictures

    parts = anatomy(made.trace)
    oracle = Oracle(made.model, pictures(), image)
    picture = parts.pictures[image]
    seen = set()
    for original in some_boxes(picture.original_size, 25, image):
        story = tracer.why(parts, box=original.tolist(), image=image)
        scale = torch.tensor([picture.scale[1], picture.scale[0]] * 2)
        box = torch.from_numpy(original) * scale
        left, lost = oracle.fate(box)
        check_stations(story, oracle, parts, box, left, lost)
        check_second_stage(story, oracle, parts)
        seen.add(lost)
    assert len(seen) > 1


def check_second_stage(story, oracle, parts):
    if not any(step.name == "level" for step in story.steps):
        return
    level, classes = story.step("level"), story.step("classes")
    proposal = level.facts["proposal"]
    assert level.box == pytest.approx(oracle.proposals[proposal].tolist(), abs=1e-4)
    if hasattr(oracle, "levels"):
        pooled = parts.roi_heads.box.levels
        assert level.facts["level"] == pooled[int(oracle.levels[proposal])].name
    label = classes.facts["label"]
    assert classes.score == pytest.approx(float(oracle.class_scores[proposal, label]), abs=1e-5)
    assert classes.facts["background"] == pytest.approx(
        float(oracle.class_scores[proposal, 0]), abs=1e-5
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_objects_are_lost_where_torchvision_loses_them(name):
    trace = recorded_demo(name)
    parts = anatomy(trace)
    with set_to(SETTINGS[name]) as model:
        oracle = Oracle(model, [crowd().tensor()], 0)
    stories = tracer.why(parts)
    assert len(stories.objects) == len(crowd().labels)
    for story in stories.objects:
        box = torch.from_numpy(parts.pictures[0].resized_targets.xyxy[story.number])
        left, lost = oracle.fate(box, story.label)
        check_stations(story, oracle, parts, box, left, lost)
        check_second_stage(story, oracle, parts)
        assert story.outcome == ("lost" if lost else "found")
    assert stories.missed
    assert sum(stories.lost.values()) == len(stories.missed)


# --- what would have kept it ----------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_the_model_keeps_the_object_with_the_changes_and_not_with_less(name):
    parts, tried = anatomy(recorded_demo(name)), 0
    for story in tracer.why(parts).missed:
        if not story.changes:
            continue
        tried += 1
        box = torch.from_numpy(parts.pictures[0].resized_targets.xyxy[story.number])
        assert all(SETTINGS[name].get(c.setting, c.recorded) == c.recorded for c in story.changes)
        needed = {change.setting: change.needed for change in story.changes}
        assert keeps(SETTINGS[name] | needed, story, box), story
        for change in story.changes:
            nearly = needed | {change.setting: less(change)}
            assert not keeps(SETTINGS[name] | nearly, story, box), change
    assert tried


def less(change):
    """A little less of a change than was needed."""
    if isinstance(change.needed, int):
        return change.needed - 1
    if "nms" in change.setting:
        return round(change.needed - 0.01, 2)
    return min(change.recorded, change.needed * 1.2)


def keeps(settings, story, box):
    """Whether a run has a proposal on the object, or, of what the second stage saw, finds it."""
    with torch.no_grad(), set_to(settings) as model:
        oracle = Oracle(model, [crowd().tensor()], 0)
        if not story.seen:
            return bool((box_iou(oracle.proposals, box[None]) >= 0.5).any())
        found = model([crowd().tensor()])[0]
    shared = box_iou(found["boxes"], torch.from_numpy(crowd().boxes)).numpy()
    labels = crowd().labels
    matches = match_detections(shared, found["labels"].numpy(), labels, 0.5)
    return matches.detection_of[story.number] >= 0


def test_the_anchors_that_are_said_to_fit_do(plain):
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    parts = anatomy(plain)
    said = 0
    for story in tracer.why(parts).objects:
        facts = story.step("anchors").facts
        if "better_size" not in facts:
            assert facts["fitting"] or "other_size" in facts
            continue
        said += 1
        index = next(
            i for i, level in enumerate(parts.anchors.levels) if level.name == facts["better_level"]
        )
        base = AnchorGenerator().generate_anchors((int(facts["better_size"]),), (0.5, 1.0, 2.0))
        down, right = parts.anchors.steps[index]
        rows, columns = parts.anchors.levels[index].map.shape[-2:]
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        shift = torch.stack([x * right, y * down, x * right, y * down], -1).reshape(-1, 1, 4)
        box = torch.from_numpy(parts.pictures[0].resized_targets.xyxy[story.number])
        best = box_iou((shift + base).reshape(-1, 4), box[None]).max()
        assert facts["better_iou"] == pytest.approx(float(best), abs=1e-4)
        assert best >= 0.5
    assert said


# --- NMS: who did it ------------------------------------------------------------------------------


def test_the_suppressor_is_the_one_that_torchvision_removes_a_box_for():
    others = 0
    for setting in ("plain", "strict"):
        parts = anatomy(recorded_demo(setting))
        with set_to(SETTINGS[setting]) as model:
            oracle = Oracle(model, [crowd().tensor()], 0)
        others += check_suppressors(
            parts.rpn.proposals(0).funnel, oracle.boxes, oracle.scores, "rpn"
        )
        others += check_suppressors(
            parts.detections[0].funnel, oracle.pair_boxes, oracle.pair_scores, "heads"
        )
    assert others, "the survivor that overlaps most was always the one"


def check_suppressors(funnel, boxes, scores, name):
    """NMS keeps a removed box among the better survivors, until the suppressor is among them."""
    limit, kept = funnel.step("nms").limit, funnel.step("nms").kept
    removed = funnel.removed("nms")[:60].tolist()
    assert len(removed) > 5, name
    others = 0
    for each in removed:
        by = int(funnel.suppressed_by[each])
        rivals = kept[funnel.group[kept] == funnel.group[each]]
        better = rivals[: rivals.tolist().index(by)].tolist()
        assert survives(each, better, boxes, scores, limit)
        assert not survives(each, [by], boxes, scores, limit)
        most = int(rivals[box_iou(boxes[rivals], boxes[each][None])[:, 0].argmax()])
        others += most != by
    return others


def survives(candidate, others, boxes, scores, limit):
    """Whether NMS keeps a box among others."""
    among = torch.tensor([*others, candidate])
    return len(others) in nms(boxes[among], scores[among], limit).tolist()


# --- detections -----------------------------------------------------------------------------------


def test_a_detection_leads_back_to_its_proposal_and_anchor(plain):
    parts = anatomy(plain)
    oracle = Oracle(demo().eval(), [crowd().tensor()], 0)
    with torch.no_grad():
        output = demo().eval()([crowd().tensor()])[0]
    for story in tracer.why(parts).detections:
        pair = int(oracle.heads["class_top_n"][story.number])
        proposal = pair // (oracle.class_scores.shape[1] - 1)
        assert story.step("level").facts["proposal"] == proposal
        assert followed_anchor(story, oracle, parts) == int(oracle.rpn["top_n"][proposal])
        assert story.score == pytest.approx(float(output["scores"][story.number]), abs=1e-6)
        assert story.box == pytest.approx(output["boxes"][story.number].tolist(), abs=1e-3)
        row, column = (story.step("anchors").facts[name] for name in ("row", "column"))
        level = story.step("anchors").facts["level"]
        index = [each.name for each in parts.anchors.levels].index(level)
        here = parts.anchors.at_cell(index, row, column)
        assert followed_anchor(story, oracle, parts) in here


@pytest.mark.parametrize(
    ("overlap", "label", "kind", "meant"),
    [
        ([0.3, 0.0], 1, "localization", 0),
        ([0.0, 0.6], 1, "classification", 1),
        ([0.6, 0.0], 1, "duplicate", 0),
        ([0.05, 0.02], 1, "background", 0),
        ([0.0, 0.0], 1, "background", None),
        ([0.0, 0.3], 1, "both", 1),
        ([0.3, 0.7], 1, "localization", 0),  # TIDE's order: place before class
    ],
)
def test_false_detections_are_told_apart_as_tide_does(overlap, label, kind, meant):
    found = kind_of_error(np.asarray(overlap, np.float32), label, np.asarray([1, 2]), 0.5)
    assert found == (kind, meant)


def test_without_objects_every_detection_is_on_the_background():
    assert kind_of_error(np.zeros(0, np.float32), 1, np.zeros(0, np.int64), 0.5) == (
        "background",
        None,
    )


def test_detections_find_objects_as_coco_matches_them():
    overlaps = np.asarray([[0.9, 0.6], [0.8, 0.7], [0.95, 0.0]], np.float32)
    matches = match_detections(overlaps, np.asarray([1, 1, 1]), np.asarray([1, 1]), 0.5)
    assert matches.object_of.tolist() == [0, 1, -1]
    assert matches.detection_of.tolist() == [0, 1]


# --- training -------------------------------------------------------------------------------------


def test_the_objects_shares_of_the_losses_and_the_negatives_make_the_losses():
    made = recorded("fasterrcnn_resnet50_fpn", train=True)
    parts = anatomy(made.trace)
    stories = tracer.why(parts)
    assert stories.training
    assert stories.detections == ()
    losses = {loss.name: loss for loss in parts.losses.losses}
    for name in ("loss_rpn_box_reg", "loss_box_reg"):  # all of it is the objects'
        shares = sum(story.step("losses").facts[name] for story in stories.objects)
        assert shares == pytest.approx(losses[name].value, rel=1e-4)
    for name, samples in (("loss_objectness", "anchors"), ("loss_classifier", "proposals")):
        shares = sum(story.step("losses").facts[name] for story in stories.objects)
        assert 0 < shares < losses[name].value
        positive = sum(len(getattr(parts.losses, samples)(i).positive) for i in (0, 1))
        first = "anchor_sample" if samples == "anchors" else "box_sample"
        assert sum(story.step(first).left for story in stories.objects) == positive


def test_matches_in_training_are_torchvisions():
    made = recorded("fasterrcnn_resnet50_fpn", train=True)
    parts = anatomy(made.trace)
    matcher = det_utils.Matcher(0.7, 0.3, allow_low_quality_matches=True)
    for story in tracer.why(parts).objects:
        targets = torch.from_numpy(parts.pictures[story.image].resized_targets.xyxy)
        matches = matcher(box_iou(targets, torch.from_numpy(parts.anchors.xyxy)))
        assert story.step("anchor_match").left == int((matches == story.number).sum())


# --- one stage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_STAGE)
def test_of_a_one_stage_detector_the_filter_after_the_threshold_is_told(name):
    made = recorded(name, targets=True)
    stories = tracer.why(made.trace)
    parts = anatomy(made.trace)
    nms = parts.run.named("function", "batched_nms")
    for story in stories.objects:
        assert story.seen
        args = nms[story.image].args
        boxes, scores, labels = (
            torch.from_numpy(parts.run.array(args[key], key)) for key in ("boxes", "scores", "idxs")
        )
        box = torch.from_numpy(parts.pictures[story.image].resized_targets.xyxy[story.number])
        near = (box_iou(boxes, box[None]).reshape(-1) >= 0.5) & (labels == story.label)
        assert story.step("candidates").left == int(near.sum())
        kept = batched_nms(boxes, scores, labels, made.model.nms_thresh)
        final = kept[: made.model.detections_per_img]
        expected = next(
            (
                step
                for step, rows in (
                    ("candidates", slice(None)),
                    ("class_nms", kept),
                    ("class_top_n", final),
                )
                if not near[rows].any()
            ),
            "",
        )
        assert story.lost == expected
    assert len(stories.detections) == sum(len(found) for found in parts.detections)
    for story in stories.detections[:5]:
        assert story.steps[-1].name == "detection"


def test_losses_of_a_one_stage_detector_are_said_not_to_be_told():
    made = recorded("retinanet_resnet50_fpn", train=True)
    with pytest.raises(MissingError, match="one-stage detector"):
        tracer.why(made.trace, object=0)


# --- what is asked, and wrongly -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"object": 99}, "objects 0 to 9: there is no object 99"),
        ({"object": -1}, "there is no object -1"),
        ({"detection": 999}, "there is no detection 999"),
        ({"object": 0, "image": 3}, "there is no image 3"),
        ({"box": (0, 0, 9000, 10)}, "does not lie in image 0 of 512×640"),
        ({"box": (10, 10, 5, 5)}, "has no area"),
        ({"box": (1, 2)}, "four numbers"),
        ({"box": (1, 1, 9, 9), "object": 1}, "one thing at a time"),
        ({"iou": 0}, "above 0"),
        ({"targets": []}, "1 images, and there are 0 targets"),
        ({"targets": [{"boxes": [[1, 1, 9, 9]]}]}, "lacks 'labels'"),
        ({"targets": [{"boxes": [[1, 1, 9, 9]], "labels": [1, 2]}]}, "1 boxes and 2 labels"),
        ({"targets": [{"boxes": [[1, 1, 900, 9]], "labels": [1]}]}, "does not lie in image 0"),
    ],
)
def test_what_is_wrong_is_said(plain, asked, said):
    with pytest.raises(InputError, match=said):
        tracer.why(plain, **asked)


def test_targets_may_be_given_beside_the_recording(plain):
    bare = recorded_demo("bare", targets=False)
    with pytest.raises(MissingError, match="no targets of image 0"):
        tracer.why(bare, object=0)
    given, own = tracer.why(bare, targets=[crowd().target()]), tracer.why(plain)
    assert given.lost == own.lost
    assert [each.changes for each in given.objects] == [each.changes for each in own.objects]
    assert [each.kind for each in given.detections] == [each.kind for each in own.detections]
    unknown = tracer.why(bare)
    assert unknown.objects == ()
    assert {story.outcome for story in unknown.detections} == {"unknown"}


def test_what_was_recorded_otherwise_is_said(two_images, rcnn):
    with torch.no_grad():
        little = tracer.trace(rcnn, two_images)
    with pytest.raises(MissingError, match='keep="anatomy"'):
        tracer.why(little, box=(1, 1, 40, 40))


def test_a_construction_has_no_stories(built):
    with pytest.raises(MissingError, match="construction"):
        tracer.why(built)


# --- written --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_story_is_written_with_its_verdict_and_what_would_have_helped(plain, lang):
    for story in tracer.why(plain).missed:
        table = plain.why(object=story.number, lang=lang)
        assert [row.mark for row in table.rows].count("error") == 1
        assert all(table.column("what"))
        assert "{" not in str(table)
        for change in story.changes:
            assert f"{change.setting}" in str(table)
            assert f"{change.needed:.6g}" in str(table)
    for story in tracer.why(plain).false:
        assert "TIDE" in str(plain.why(detection=story.number, lang=lang))


def test_the_command_tells_the_same_in_every_format(plain, tmp_path, capsys):
    path = str(plain.save(tmp_path / "pass.safetensors"))
    missed = tracer.why(plain).missed
    number = str(missed[0].number)
    assert cli.main(["why", path, "--object", number]) == 0
    assert capsys.readouterr().out == f"{plain.why(object=missed[0].number)}\n"
    assert cli.main(["why", path, "--object", number, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == missed[0].records()
    assert cli.main(["why", path, "--missed", "--format", "markdown", "--lang", "zh"]) == 0
    assert capsys.readouterr().out.count("\n| ") == len(missed) + 2
    assert cli.main(["why", path, "--false", "--format", "html"]) == 0
    assert "TIDE" in capsys.readouterr().out
    assert cli.main(["why", path, "--object", "99"]) == 2
    assert "there is no object 99" in capsys.readouterr().err
    assert cli.main(["why", path, "--box", "1,2,3"]) == 2
    assert "four numbers" in capsys.readouterr().err


def test_a_file_of_targets_is_read_for_the_recordings_pictures(plain, tmp_path):
    file = tmp_path / "targets.json"
    x1, y1, x2, y2 = crowd().boxes.T.tolist()
    boxes = [[a, b, c - a, d - b] for a, b, c, d in zip(x1, y1, x2, y2, strict=True)]
    annotations = [
        {"id": n, "image_id": 1, "category_id": int(label), "bbox": box}
        for n, (box, label) in enumerate(zip(boxes, crowd().labels, strict=True))
    ]
    images = [{"id": 1, "file_name": "crowd.png", "width": 640, "height": 512}]
    file.write_text(json.dumps({"images": images, "annotations": annotations}))
    bare = recorded_demo("bare", targets=False)
    assert str(bare.why(targets=file)) == str(plain.why())
    named = replace(bare, environment={**bare.environment, "pictures": '["other.png"]'})
    with pytest.raises(InputError, match=r"no image is called 'other\.png'"):
        named.why(targets=file)
    images.append({"id": 2, "file_name": "more.png"})
    file.write_text(json.dumps({"images": images, "annotations": annotations}))
    with pytest.raises(InputError, match="does not say what its 1 are called"):
        bare.why(targets=file)


def test_the_guide_shows_what_is_printed(plain):
    folder = Path(__file__).parent.parent / "docs" / "how-to"
    for lang, end in (("en", ""), ("zh", ".zh")):
        text = (folder / f"my-detector-misses-objects{end}.md").read_text("utf-8")
        assert f"```\n{plain.why(lang=lang)}\n```" in text
        assert f"```\n{plain.why(object=5, lang=lang)}\n```" in text


def test_every_station_has_its_commentary(plain):
    train = recorded("fasterrcnn_resnet50_fpn", train=True).trace
    for trace in (plain, train):
        stories = tracer.why(trace)
        for story in (*stories.objects, *stories.detections):
            for step in story.steps:
                told = commentary(trace=trace, call=trace.calls[step.call])
                assert told is not None, step.name
                assert told.text, step.name


def test_without_targets_nobody_knows_what_was_missed_or_false():
    blind = recorded_demo("bare", targets=False)
    for asked in ({"missed": True}, {"false": True}):
        with pytest.raises(MissingError, match="is not known, for the recording has no targets"):
            blind.why(**asked)
    stories = tracer.why(blind)
    assert not stories.known
    assert len(blind.why().rows) == len(stories.detections) > 0


def test_in_training_there_are_no_false_detections():
    train = recorded("fasterrcnn_resnet50_fpn", train=True).trace
    with pytest.raises(MissingError, match="losses and no detections"):
        train.why(false=True)


@pytest.mark.parametrize(
    ("name", "taken", "said"),
    [
        ("anchor_match", 0.06, "the best, with IoU 0.060, overlaps another object as much or more"),
        ("anchor_match", None, "no anchor overlaps it"),
        ("box_match", 1.0, "the best, with IoU 1.000, overlaps another object as much or more"),
        ("box_match", None, "no box reaches IoU 0.5 with it: the best has 0.400"),
    ],
)
def test_an_object_that_nothing_learns_from_is_told_why(name, taken, said):
    facts = {"high": 0.5, "best": 0.4, "taken": taken}
    step = Step(name, "rpn", lost=True, left=0, facts=facts)
    assert said in told(step, (), "en")


def test_objects_whose_best_anchor_learns_another_are_said_to_be_so():
    train = recorded("fasterrcnn_resnet50_fpn", train=True).trace
    parts = anatomy(train)
    for story in tracer.why(train).objects:
        matching = parts.losses.anchors(story.image).matching
        mine = matching.iou()[story.number]
        facts = story.step("anchor_match").facts
        lost = story.step("anchor_match").lost
        assert lost == (not (matching.matches == story.number).any())
        assert (facts["taken"] is not None) == (lost and mine.max() > 0)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_place_that_a_detection_covers_is_found_by_it(plain, lang):
    best = tracer.why(plain, detection=0)
    story = tracer.why(plain, box=best.box)
    assert (story.outcome, story.partner, story.changes) == ("found", 0, ())
    assert story.facts["partner_label"] == best.label
    assert f"{best.score:.4g}" in plain.why(box=best.box, lang=lang).title
