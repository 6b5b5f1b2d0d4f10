"""Targets from files: what is read, and what is refused with the annotation and the field."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tracer.errors import InputError
from tracer.rcnn import coco as coco_files
from tracer.rcnn.targets import load_targets

NAMES = ["photos/a.jpg", "photos/b.jpg"]
SIZES = [(100, 200), (50, 60)]
BOX = {"image_id": 9, "category_id": 3, "bbox": [10, 20, 30, 40], "id": 12}
IMAGES = [
    {"id": 7, "file_name": "b.jpg", "height": 50, "width": 60},
    {"id": 9, "file_name": "train/a.jpg", "height": 100, "width": 200},
]


def coco(*annotations, **changes):
    """Two images and these annotations; `changes` replace whole keys."""
    return {"images": IMAGES, "annotations": list(annotations), "categories": []} | changes


def box(**changes):
    return coco(BOX | changes)


def image(**changes):
    return coco(BOX, images=[IMAGES[0], IMAGES[1] | changes])


def without(table, key):
    return {k: v for k, v in table.items() if k != key}


def targets(folder, content, names=NAMES, sizes=SIZES, classes=None):
    path = folder / "targets.json"
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(content)
    return load_targets(path, names, sizes, classes)


# What is read


def test_coco_boxes_become_corners_in_the_order_of_the_pictures(tmp_path):
    a, b = targets(
        tmp_path,
        coco(
            BOX,
            {"image_id": 7, "category_id": 1, "bbox": [0, 0, 60, 50]},
            {"image_id": 9, "category_id": 90, "bbox": [0.5, 0, 1, 1]},
            {"image_id": 9, "category_id": 2, "bbox": [0, 0, 99, 99], "iscrowd": 1},
        ),
    )
    assert a["boxes"].tolist() == [[10, 20, 40, 60], [0.5, 0, 1.5, 1]]
    assert a["labels"].tolist() == [3, 90]
    assert b["boxes"].tolist() == [[0, 0, 60, 50]]
    assert (a["boxes"].dtype, a["labels"].dtype) == (torch.float32, torch.int64)
    assert a.keys() == {"boxes", "labels"}


def test_an_image_without_annotations_has_no_boxes(tmp_path):
    a, b = targets(tmp_path, coco())
    assert a["boxes"].shape == b["boxes"].shape == (0, 4)
    assert a["labels"].shape == (0,)
    assert a["labels"].dtype == torch.int64


def test_a_plain_list_is_taken_in_order(tmp_path):
    plain = [{"boxes": [[1, 2, 3, 4]], "labels": [5]}, {"boxes": [], "labels": []}]
    a, b = targets(tmp_path, plain)
    assert a["boxes"].tolist() == [[1, 2, 3, 4]]
    assert b["boxes"].shape == (0, 4)


READ = {
    "byte-order mark": b"\xef\xbb\xbf" + json.dumps(box()).encode(),
    "UTF-16, as PowerShell writes": json.dumps(box()).encode("utf-16"),
    "Windows path": image(file_name="C:\\data\\train\\a.jpg"),
    "path of the web": image(file_name="http://images.example/val/a.jpg"),
    "twice the last part, another folder": coco(
        BOX, images=[*IMAGES, {"id": 8, "file_name": "photos\\a.jpg"}], annotations=[
            BOX | {"image_id": 8}, BOX | {"bbox": [0, 0, 1, 1]}]),
    "ids of text": coco(BOX | {"image_id": "x"}, images=[IMAGES[0], IMAGES[1] | {"id": "x"}]),
    "whole numbers with a point": box(image_id=9.0, category_id=3.0),
    "no size stated": coco(BOX, images=[IMAGES[0], {"id": 9, "file_name": "a.jpg"}]),
    "size unknown": image(height=None, width=None),
    "no crowd": box(iscrowd=None),
    "annotations of images that are left out": coco(BOX, BOX | {"image_id": 1000}),
    "no categories": without(box(), "categories"),
    "its category": box() | {"categories": [{"id": 3, "name": "cat"}]},
    "an empty polygon": box(segmentation=[]),
}  # fmt: skip


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_odd_files_that_are_sound_are_read(tmp_path, content):
    a, b = targets(tmp_path, content)
    assert a["boxes"].tolist() == [[10, 20, 40, 60]]
    assert a["labels"].tolist() == [3]
    assert len(b["boxes"]) == 0


# What is refused

AT = r"annotations\[0\] \(id 12\)"
RUNS = {"size": [100, 200], "counts": [20000]}
REFUSED = {
    "a box of text": (
        box(bbox=["10", "20", "30", "40"]),
        rf'bbox of {AT}, item 0, is "10" \(text\), where a number is expected: write it without'),
    "one number of text": (box(bbox=[10, 20, "30", 40]), rf"bbox of {AT}, item 2, is "),
    "a box as text": (box(bbox="10 20 30 40"), rf'bbox of {AT} is "10 20 30 40" \(text\)'),
    "three numbers": (box(bbox=[1, 2, 3]), rf"bbox of {AT} has 3 items, where 4 numbers x, y"),
    "corners in pairs": (box(bbox=[[1, 2], [3, 4]]), rf"bbox of {AT} has 2 items"),
    "null in a box": (box(bbox=[1, None, 3, 4]), rf"bbox of {AT}, item 1, is null"),
    "true in a box": (box(bbox=[True, 2, 3, 4]), rf"bbox of {AT}, item 0, is true"),
    "NaN": (box(bbox=[1, 2, float("nan"), 4]), rf"bbox of {AT}, item 2, is NaN, .*finite"),
    "infinite": (box(bbox=[1, 2, float("inf"), 4]), "is Infinity, where a finite"),
    "beyond a float": (box(bbox=[1, 2, 10**400, 4]), "where a finite number"),
    "no box": (coco(without(BOX, "bbox")), rf"{AT} has no 'bbox' \(it has 'image_id', "),
    "mistyped key": (coco(without(BOX, "bbox") | {"bbbox": []}), "has no 'bbox'; did you mean"),
    "no width": (box(bbox=[1, 2, 0, 4]), rf"{AT} of 'a.jpg', 1, 2, 1, 6 as x1, .* has no area"),
    "negative width": (box(bbox=[1, 2, -3, 4]), "no area"),
    "outside": (box(bbox=[190, 2, 20, 4]), r"does not lie in the picture of 100×200"),
    "category of text": (box(category_id="3"), rf'category_id of {AT} is "3" \(text\)'),
    "category of a name": (box(category_id="cat"), r'is "cat" \(text\), where a number is exp'),
    "half a category": (box(category_id=1.5), r"is 1\.5, where a whole number is expected"),
    "category 0": (box(category_id=0), rf"{AT} of 'a.jpg' has label 0, .*background"),
    "no category": (coco(without(BOX, "category_id")), rf"{AT} has no 'category_id'"),
    "a category that is not there": (
        box() | {"categories": [{"id": 1}, {"id": 2}]}, f"of {AT} is 3, and the categories are 1, 2"
    ),
    "image_id of text": (
        box(image_id="9"), rf'image_id of {AT} is "9" \(text\) and the image\'s id is 9: write'),
    "id of text": (image(id="9"), rf'image_id of {AT} is 9 and the image\'s id is "9" \(text\)'),
    "no image_id": (coco(without(BOX, "image_id")), rf"{AT} has no 'image_id'"),
    "image_id null": (box(image_id=None), rf"image_id of {AT} is null"),
    "of no image": (box(image_id=5), "none of the 1 annotations is of one of the 2 images"),
    "crowd of text": (box(iscrowd="0"), rf'iscrowd of {AT} is "0" \(text\)'),
    "an annotation as a list": (coco([1, 2]), r"annotations\[0\] is a list, where an object"),
    "no file_name": (coco(BOX, images=[{"id": 9}]), r"images\[0\] has no 'file_name'"),
    "file_name null": (image(file_name=None), r"file_name of images\[1\] is null"),
    "no id of an image": (coco(images=[{"file_name": "a"}]), r"images\[0\] has no 'id'"),
    "two images of one id": (image(id=7), "the 2 images have 1 different ids"),
    "a name that is near": (image(file_name="aa.jpg"), r"no image is called 'a\.jpg'; did you"),
    "two of one name": (coco(images=[IMAGES[1], IMAGES[1] | {"id": 2}]), "2 images are called"),
    "another size": (image(height=9, width=8), r"'a\.jpg' is 9×8 there, and the picture is 100×2"),
    "swapped sides": (image(height=200, width=100), "100×200: height and width are swapped"),
    "size of text": (image(height="100"), r'height of images\[1\] is "100" \(text\)'),
    "a flat polygon": (box(segmentation=[1, 2, 3, 4, 5, 6]), f"segmentation of {AT} is a list of"),
    "an odd polygon": (box(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "has 7 numbers, where an even"),
    "a polygon of text": (
        box(segmentation=[["1", 2, 3, 4, 5, 6]]), f"number in segmentation of {AT}"),
    "runs of another size": (
        box(segmentation=RUNS | {"size": [200, 100]}), r"is \[200, 100\], and the picture's is"),
    "runs that are too short": (
        box(segmentation=RUNS | {"counts": [5]}), "add up to 5, and the picture has 20000 pixels"),
    "negative runs": (
        box(segmentation=RUNS | {"counts": [-1, 20001]}), f"counts of segmentation of {AT}"),
    "runs without a size": (box(segmentation={"counts": []}), "has no 'size'"),
    "runs that are no text of runs": (box(segmentation=RUNS | {"counts": "é"}), "no text of compr"),
    "runs cut short": (box(segmentation=RUNS | {"counts": "P"}), "in the middle of a number"),
    "two numbers a point": (box(keypoints=[1, 2]), f"keypoints of {AT} has 2 numbers, where three"),
    "unequal points": (
        coco(BOX | {"keypoints": [1, 2, 2]}, BOX | {"keypoints": [1, 2, 2] * 2}),
        "has 2 points, and those before have 1"),
    "images as an object": (coco(images={}), "images is {}, where a list is expected"),
    "no images": ({"boxes": []}, r"the file has no 'images' \(it has 'boxes'\)"),
    "no annotations": (without(coco(), "annotations"), "the file has no 'annotations'"),
    "detections": (
        [{"image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}], "of detections"),
    "too short a list": ([{"boxes": [], "labels": []}], "1 targets does not match 2 pictures"),
    "a box without a label": ([{"boxes": [[1, 2, 3, 4]], "labels": []}] * 2, "1 boxes and 0 lab"),
    "three corners": ([{"boxes": [[1, 2, 3]], "labels": [1]}] * 2, "box 0 of item 0 has 3 items"),
    "corners of text": ([{"boxes": [["1", 2, 3, 4]], "labels": [1]}] * 2, "a number of box 0 of i"),
    "many boxes": ([{"boxes": "many", "labels": [1]}] * 2, r'boxes of item 0 is "many" \(text\)'),
    "corners swapped": ([{"boxes": [[90, 80, 70, 60]], "labels": [1]}] * 2, "corners swapped"),
    "x, y, width, height": ([{"boxes": [[9, 2, 3, 4]], "labels": [1]}] * 2, "as x, y, width, h"),
    "corners in COCO": (box(bbox=[100, 20, 180, 60]), "as a corner it would"),
    "fractions": ([{"boxes": [[0.1, 0.2, 0.3, 0.4]], "labels": [1]}] * 2, "between 0 and 1, in a"),
    "a number": ("3", "the file is a number, where an object with 'images' is expected"),
    "nothing": ("", "are not JSON: the file is empty"),
    "a bracket": ("{", "are not JSON"),
    "too deep": ("[" * 100_000, "are not JSON"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "are not JSON"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_targets_that_do_not_match_are_one_sentence(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        targets(tmp_path, content)
    assert "targets.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_label_that_the_model_does_not_know_is_named(tmp_path):
    assert len(targets(tmp_path, box(), classes=4)) == 2
    with pytest.raises(InputError, match=rf"{AT} of 'a\.jpg' has label 3, and .* 1 to 2"):
        targets(tmp_path, box(), classes=3)


def test_a_picture_that_is_stored_sideways_is_named(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (4, 2)).save(photo, exif=exif)
    content = coco(images=[{"id": 1, "file_name": "a.jpg", "height": 2, "width": 4}])
    with pytest.raises(InputError, match=r"'a\.jpg' is 2×4 there, .* 4×2 as its EXIF orientation"):
        targets(tmp_path, content, [photo], [(4, 2)])


def test_missing_targets_suggest_near_names(tmp_path):
    (tmp_path / "targets.json").write_text("[]")
    with pytest.raises(InputError, match=r"did you mean 'targets\.json'"):
        load_targets(tmp_path / "target.json", [], [])
    with pytest.raises(InputError, match="cannot be read"):
        load_targets(tmp_path, [], [])


# Masks and keypoints


def test_polygons_and_keypoints_come_along(tmp_path):
    annotation = {
        "image_id": 7,
        "category_id": 1,
        "bbox": [10, 10, 20, 10],
        "segmentation": [[10, 10, 29, 10, 29, 19, 10, 19]],
        "keypoints": [11, 12, 2, 13, 14, 1],
    }
    _, b = targets(tmp_path, coco(annotation))
    assert b["masks"].shape == (1, 50, 60)
    assert b["masks"].dtype == torch.uint8
    assert b["masks"].sum() == 200
    assert b["masks"][0, 10:20, 10:30].all()
    assert b["keypoints"].tolist() == [[[11, 12, 2], [13, 14, 1]]]


@pytest.mark.parametrize("counts", [[0, 2, 1, 3], "0213"])
def test_run_lengths_run_down_the_columns(counts):
    segmentation = {"size": [2, 3], "counts": counts}
    if isinstance(counts, str):  # the fourth is the difference to the second
        segmentation["counts"] = "0211"
    content = coco_files.read(
        {
            "images": [{"id": 1, "file_name": "a"}],
            "annotations": [
                {
                    "image_id": 1,
                    "category_id": 1,
                    "bbox": [0, 0, 1, 1],
                    "segmentation": segmentation,
                }
            ],
        }
    )
    assert content.of("a", (2, 3))["masks"][0].tolist() == [[1, 0, 1], [1, 1, 1]]


@given(
    st.integers(1, 40).flatmap(
        lambda h: st.lists(st.lists(st.booleans(), min_size=h, max_size=h), min_size=1, max_size=40)
    )
)
def test_run_lengths_are_read_as_pycocotools_reads_them(columns):
    mask_api = pytest.importorskip("pycocotools.mask")
    mask = np.asfortranarray(np.array(columns, np.uint8).T)
    text = mask_api.encode(mask)["counts"].decode()
    lengths = coco_files._decompressed(text, "it")
    assert sum(lengths) == mask.size
    decoded = np.repeat(np.arange(len(lengths)) % 2, lengths).reshape(mask.shape[::-1]).T
    assert np.array_equal(decoded, mask)
