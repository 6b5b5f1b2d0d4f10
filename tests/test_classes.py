"""Class names: where a recording has them from, and what they are called in a language."""

from __future__ import annotations

import json

import pytest
import torch
from handmade import tiny_pass
from torch import nn
from torchvision.models import get_model_weights

import tracer
from tracer.errors import InputError
from tracer.rcnn import models
from tracer.rcnn.classes import class_name, classes_of, names_in, texts
from tracer.rcnn.demo import CLASSES, CLASSES_ZH
from tracer.record.store import save


class Detector(nn.Module):
    """A net that tells three classes apart, as far as the recorder can see."""

    def __init__(self, classes=None):
        super().__init__()
        self.roi_heads = nn.Module()
        self.roi_heads.box_predictor = nn.Module()
        self.roi_heads.box_predictor.cls_score = nn.Linear(2, 3)
        self.classes = classes

    def forward(self, x):
        return self.roi_heads.box_predictor.cls_score(x)


X = torch.zeros(1, 2)
NAMES = ("__background__", "cat", "dog")


def test_a_trace_has_the_names_that_it_is_given():
    assert tracer.trace(Detector(), X, classes=list(NAMES)).classes == NAMES
    assert tracer.trace(Detector(), X).classes == ()
    with tracer.Recorder(nn.Linear(2, 2), classes=["a", "b"]) as recorder:
        pass
    assert recorder.trace.classes == ("a", "b")


def test_else_those_of_the_model():
    assert tracer.trace(Detector(NAMES), X).classes == NAMES
    given = ("other", "names", "here")
    assert tracer.trace(Detector(NAMES), X, classes=given).classes == given
    assert tracer.trace(Detector, NAMES, grain="function").classes == NAMES


@pytest.mark.parametrize("other", [7, NAMES[:2], {"cat": 1}, [1, 2, 3], nn.ModuleList(), "abc"])
def test_an_attribute_that_is_something_else_is_left_alone(other):
    """Above all the names from before a model got a predictor for classes of its own."""
    assert tracer.trace(Detector(other), X).classes == ()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["cat", "dog"], "2 names, the model 3 classes; label 0 is the background: put its"),
        (["a"] * 5, "5 names, the model 3 classes$"),
        ("cat", "takes a list of names by label; found 'cat'"),
        ([1, 2, 3], "a class's name is a string; found 1"),
    ],
)
def test_wrong_names_are_refused_before_the_run(given, problem):
    with pytest.raises(InputError, match=problem):
        tracer.trace(Detector(), X, classes=given)


def test_models_bring_their_names():
    assert models.build(weights="demo").classes == CLASSES
    with torch.device("meta"):
        plain = models.build("fasterrcnn_resnet50_fpn")
        models._name_classes(plain, "fasterrcnn_resnet50_fpn")
    assert plain.classes[17] == "cat"
    assert len(plain.classes) == classes_of(plain)


def test_names_make_the_round_trip(tmp_path):
    trace = tracer.trace(Detector(NAMES), X)
    path = trace.save(tmp_path / "named.safetensors")
    assert tracer.load(path).classes == NAMES


def test_a_file_from_before_there_were_names_still_loads(tmp_path, monkeypatch):
    """Nothing of the format tells apart a file without the column from one with it."""
    from tracer.record import store

    def without(*args):
        document = encode(*args)
        at = document["columns"]["Trace"].index("classes")
        del document["columns"]["Trace"][at:]
        document["root"] = document["root"][:at]
        return document

    encode = store.encode
    monkeypatch.setattr(store, "encode", without)
    path = save(tiny_pass(), tmp_path / "old.safetensors")
    assert b'"classes"' not in path.read_bytes()
    loaded = tracer.load(path)
    assert loaded == tiny_pass()
    assert loaded.classes == ()


def test_names_that_are_not_text_make_a_damaged_file(tmp_path, monkeypatch):
    from tracer.record import store

    encode = store.encode

    def spoilt(*args):
        document = encode(*args)
        document["root"] = json.loads(json.dumps(document["root"]).replace('"dog"', "3"))
        return document

    monkeypatch.setattr(store, "encode", spoilt)
    path = tracer.trace(Detector(NAMES), X).save(tmp_path / "x.safetensors")
    with pytest.raises(tracer.errors.TraceFileError, match=r"classes\[2\]: expected str"):
        tracer.load(path)


# In a language


def test_the_demo_and_coco_have_chinese_names():
    assert CLASSES_ZH == ("背景", "圆形", "矩形", "三角形", "五角星")
    coco = get_model_weights("fasterrcnn_resnet50_fpn").DEFAULT.meta["categories"]
    people = get_model_weights("keypointrcnn_resnet50_fpn").DEFAULT.meta["categories"]
    chinese = names_in(coco, "zh")
    assert all(not name.isascii() for name in chinese if name != "N/A")
    assert len({*chinese}) == len({*coco})
    assert names_in(people, "zh") == ("背景", "人")
    assert set(texts.table("names", "zh")) == {*coco, *people, *CLASSES}


def test_a_list_is_translated_whole_or_not_at_all():
    assert names_in(NAMES, "zh") == ("背景", "猫", "狗")
    assert names_in(("__background__", "cat", "gizmo"), "zh") == ("背景", "cat", "gizmo")
    assert names_in(NAMES, "en") == ("background", "cat", "dog")


@pytest.mark.parametrize(
    ("label", "lang", "name"),
    [
        (1, "en", "cat"),
        (1, "zh", "猫"),
        (3, "en", "class 3"),
        (3, "zh", "类别 3"),
        (-1, "en", None),
    ],
)
def test_a_label_without_a_name_is_a_number(label, lang, name):
    assert class_name(NAMES, label, lang) == (name or f"class {label}")
