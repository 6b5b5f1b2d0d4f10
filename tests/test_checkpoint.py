"""Checkpoints of every kind: read where that is safe, else named for what they are."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models import resnet18

from tracer.errors import WeightsError
from tracer.rcnn import checkpoint, fit, models
from tracer.record.store import FORMAT

pytestmark = pytest.mark.slow

SMALL = "fasterrcnn_mobilenet_v3_large_320_fpn"
HAS_STAND_INS = hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint")


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class _RunsCode:
    def __reduce__(self):
        return (os.mkdir, ("ran",))


class _RunsEval:
    def __reduce__(self):
        return (eval, ("__import__('os').mkdir('ran')",))


@pytest.fixture(scope="module")
def tiny():
    return Tiny()


def as_torchvisions_reference_training_saves(model):
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.ones(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [8, 11])
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "args": argparse.Namespace(lr=0.1, data_path=Path("coco"), device="cuda"),
        "epoch": 25,
    }


def prefixed(model, prefix):
    return {f"{prefix}{name}": value for name, value in model.state_dict().items()}


READ = {
    "bare": lambda m: m.state_dict(),
    "reference training": as_torchvisions_reference_training_saves,
    "numpy numbers": lambda m: {"model": m.state_dict(), "best": np.float64(0.4), "a": np.ones(3)},
    "DataParallel": lambda m: {"state_dict": prefixed(m, "module.")},
    "compiled": lambda m: prefixed(m, "_orig_mod."),
    "compiled within": lambda m: {
        n.replace("body.", "body._orig_mod."): v for n, v in prefixed(m, "module.").items()
    },
    "Lightning": lambda m: {
        "epoch": 3, "pytorch-lightning_version": "2.0", "callbacks": {"best": torch.ones(1)},
        "state_dict": prefixed(m, "model.") | {"loss.weight": torch.ones(3)},
        "hyper_parameters": {"args": argparse.Namespace(lr=1)},
    },
    "EMA alone": lambda m: {"model_ema": AveragedModel(m).state_dict()},
    "EMA beside": lambda m: {"model_ema": {"x": torch.ones(1)}, "model": m.state_dict()},
    "a dictionary in another": lambda m: {"model": {"state_dict": m.state_dict(), "step": 1}},
    "an epoch among the weights": lambda m: {**m.state_dict(), "epoch": 3},
    "a whole model": lambda m: m,
    "a whole model in a dictionary": lambda m: {"model": m, "epoch": 1},
}  # fmt: skip


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_weights_are_found_wherever_a_trainer_put_them(tiny, tmp_path, make):
    if not HAS_STAND_INS and make not in list(READ.values())[:1]:
        pytest.skip("this torch cannot say what a file names before it is loaded")
    path = tmp_path / "a.pth"
    torch.save(make(tiny), path)
    found = Tiny()
    checkpoint.load(found, checkpoint.read(path), "a.pth")
    assert all(torch.equal(v, tiny.state_dict()[n]) for n, v in found.state_dict().items())


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pth"])
def test_safetensors_are_known_by_their_content(tiny, tmp_path, suffix):
    save_file(tiny.state_dict(), tmp_path / f"a{suffix}")
    assert checkpoint.read(tmp_path / f"a{suffix}").keys() == tiny.state_dict().keys()


def test_the_older_format_of_torch_is_read(tiny, tmp_path):
    path = tmp_path / "old.pth"
    torch.save(tiny.state_dict(), path, _use_new_zipfile_serialization=False)
    assert checkpoint.read(path).keys() == tiny.state_dict().keys()


@pytest.mark.parametrize("evil", [_RunsCode, _RunsEval])
def test_code_in_a_checkpoint_is_not_run(tmp_path, monkeypatch, evil):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": evil()}, "evil.pth")
    with pytest.raises(WeightsError, match=r"holds (more than|no) weights"):
        checkpoint.read("evil.pth")
    torch.save({"model": {"a": torch.ones(1)}, "args": evil()}, "evil.pth")
    with contextlib.suppress(WeightsError):  # torch itself blocks some modules
        assert checkpoint.read("evil.pth").keys() == {"a"}
    assert not Path("ran").exists()


def test_a_whole_model_is_read_without_its_class(tiny, tmp_path, monkeypatch):
    torch.save(tiny, tmp_path / "whole.pth")

    def fail(self, state):
        raise AssertionError("code of the file's classes ran")

    monkeypatch.setattr(nn.Module, "__setstate__", fail)
    if HAS_STAND_INS:
        assert checkpoint.read(tmp_path / "whole.pth").keys() == tiny.state_dict().keys()


# Files that are something else


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def saved(content, **options):
    out = io.BytesIO()
    torch.save(content, out, **options)
    return out.getvalue()


def scripted():
    out = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), out)
    return out.getvalue()


def arrays():
    out = io.BytesIO()
    np.savez(out, a=np.ones(3))
    return out.getvalue()


WEIGHTS = {"a": torch.ones(1000)}
ELSE = {
    "empty": (lambda: b"", "it is empty"),
    "spaces": (lambda: b"  \n ", "of no kind that is known"),
    "a page": (lambda: b"\n<!DOCTYPE html><html>404", "a page of the web .*: download the file"),
    "XML": (lambda: b"<?xml version='1.0'?><Error/>", "a page of the web"),
    "Git LFS": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 1\n",
        "git lfs pull"),
    "text": (lambda: b"hello, world\nsecond", "text that begins with 'hello, world'"),
    "JSON": (lambda: json.dumps({"weight_map": {}}).encode(), "text that begins with"),
    "gzip": (lambda: b"\x1f\x8b\x08" + bytes(50), "compressed by gzip: unpack"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5, as Keras"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(50), r"a picture \(PNG\)"),
    "ONNX": (lambda: b"\x08\x07\x12\x07pytorch" + bytes(50), "ONNX: its weights have lost"),
    "a recording": (
        lambda: save_safetensors({"a": torch.ones(1)}, {"format": FORMAT}), "a recording, which"),
    "npz": (arrays, r"arrays of numpy \(npz\)"),
    "a zip": (lambda: zipped(**{"a.txt": "1", "b.txt": "2"}), "archive of 'a.txt' and 1 more"),
    "an empty zip": (lambda: zipped(), "an empty zip"),
    "TorchScript": (scripted, "a model of TorchScript, whose code would run"),
    "a plain pickle": (lambda: pickle.dumps({"a": 1}, 4), "a pickle that torch.save did not write"),
    "zeros": (lambda: bytes(64), "of no kind that is known"),
    "noise": (lambda: bytes(range(255, 100, -1)), "of no kind that is known"),
    "a zip cut short": (lambda: saved(WEIGHTS)[:2000], "cut short: what is there is 2,000 bytes"),
    "the start of a zip": (lambda: b"PK\x03\x04", "cut short"),
    "the start of a pickle": (lambda: b"\x80\x02", "a pickle that torch.save did not write"),
    "an old one cut short": (
        lambda: saved(WEIGHTS, _use_new_zipfile_serialization=False)[:300], "cannot be read"),
    "an optimizer's": (
        lambda: saved(torch.optim.SGD([torch.ones(1)], 0.1).state_dict()), "an optimizer's dict"),
    "nothing": (lambda: saved({}), "holds no weights"),
    "numbers": (lambda: saved({"a": 1, "epoch": 2}), "holds no weights: .*; it has 'a', 'epoch'"),
    "lists": (lambda: saved({"model": {"a": [1]}}), "holds no weights"),
    "tensors in a list": (lambda: saved([torch.ones(1)]), "holds no weights"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), ELSE.values(), ids=ELSE)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, make, message, suffix):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(make())
    with pytest.raises(WeightsError, match=message) as caught:
        checkpoint.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_safetensors_cut_short_are_one_sentence(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        checkpoint.read(path)


# Weights that do not fit


@pytest.fixture(scope="module")
def outlines():
    """Detectors without memory, by what is special of them."""
    with torch.device("meta"):
        return {
            "usual": models.build(SMALL, num_classes=5),
            "classes": models.build(SMALL, num_classes=9),
            "resnet18": models.build("fasterrcnn_resnet18_fpn", num_classes=5),
            "resnet50": models.build("fasterrcnn_resnet50_fpn", num_classes=5),
            "mask": models.build("maskrcnn_resnet50_fpn", num_classes=5),
            "retina": models.build("retinanet_resnet50_fpn", num_classes=5),
            "ssd": models.build("ssd300_vgg16", num_classes=5),
        }


def found(outlines, there, here):
    weights = there if isinstance(there, dict) else outlines[there].state_dict()
    own = outlines[here].state_dict()
    missing = [name for name in own if name not in weights]
    return fit.causes(weights, own, missing, [name for name in weights if name not in own])


@pytest.mark.parametrize(
    ("there", "here", "kinds"),
    [
        ("usual", "usual", []),
        ("classes", "usual", ["weights-classes"]),
        ("resnet18", "resnet50", ["weights-resnet"]),
        ("resnet50", "usual", ["weights-backbone", "weights-anchors"]),
        ("mask", "resnet50", ["weights-detector"]),
        ("retina", "resnet50", ["weights-detector"]),
        ("ssd", "retina", ["weights-detector", "weights-backbone"]),
    ],
)
def test_what_does_not_fit_is_grouped_into_causes(outlines, there, here, kinds):
    causes = found(outlines, there, here)
    assert [each.kind for each in causes][: len(kinds)] == kinds
    assert bool(causes) == bool(kinds)
    for each in causes:
        for lang in ("en", "zh"):
            assert "{" not in each.sentence(lang) + each.why(lang)


def test_the_causes_have_the_numbers(outlines):
    (classes,) = found(outlines, "classes", "usual")
    assert classes.facts == {"layer": "roi_heads.box_predictor.cls_score", "there": 9, "here": 5}
    resnet = found(outlines, "resnet18", "resnet50")[0]
    assert (resnet.facts["there"], resnet.facts["here"]) == ("resnet18", "resnet50")
    detector = found(outlines, "mask", "resnet50")[0]
    assert (detector.facts["there"], detector.facts["here"]) == ("Mask R-CNN", "Faster R-CNN")


def test_a_classifiers_weights_are_named(outlines):
    with torch.device("meta"):
        weights = dict(resnet18().state_dict())
    (cause,) = found(outlines, weights, "resnet18")
    assert cause.kind == "weights-backbone-only"


def test_a_class_count_that_contradicts_the_file_is_an_error(tmp_path):
    path = tmp_path / "a.pth"
    torch.save(models.build(SMALL, num_classes=5).state_dict(), path)
    message = r"a\.pth' does not fit the model: it has another number of classes: .* 5 rows .* 9 in"
    with pytest.raises(WeightsError, match=message) as caught:
        models.build(SMALL, path, num_classes=9)
    assert "\n" not in str(caught.value)


def test_a_prefix_does_not_hide_the_class_count(tmp_path):
    path = tmp_path / "a.ckpt.pth"
    weights = {f"model.{n}": v for n, v in models.build(SMALL, num_classes=5).state_dict().items()}
    torch.save({"state_dict": weights}, path)
    assert models.build(SMALL, path).roi_heads.box_predictor.cls_score.out_features == 5


def test_weights_with_nan_are_named_as_they_are_loaded(tmp_path):
    path = tmp_path / "nan.pth"
    weights = models.build(SMALL, num_classes=5).state_dict()
    weights["backbone.fpn.inner_blocks.0.0.bias"][3] = torch.nan
    torch.save(weights, path)
    with pytest.warns(UserWarning, match=r"1 of its tensors hold NaN .* backbone\.fpn\.inner"):
        models.build(SMALL, path)
    assert checkpoint.spoiled({"a": torch.ones(2), "b": torch.ones(1, dtype=torch.int64)}) == ()
