"""The README's tour: two scripts over a real construction and a real pass, told word by word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from golden_files import check_golden

from tracer.stepper import Stepper
from tracer.views.screen import prompt as plain

TOUR = Path(__file__).parent.parent / "docs" / "tour"

VARIES = (
    (r"\.py\(\d+\)", ".py(N)"),
    (r"\.py:\d+", ".py:N"),
    (r"step \d+(, \d+)*(, …)?(/\d+)?", "step N"),
    (r"(?m)^ *\d+ ([B ](?:->|  ))", r"  N \1"),
    (r"(?m)^ *\d+$", "  N"),
    (r"(\w+)#\d+ →", r"\1#N →"),
    (r"op (\w+)#\d+", r"op \1#N"),
    (r"(?m)((?:float|int)\d+)  -?[\d.].*?((?:  written in place|  frozen)?)$", r"\1  …\2"),
    (r"\[\d+(, 4)?\] (float32|int64)", r"[N\1] \2"),
    (r"\(\d+,( 4)?\)", r"(N,\1)"),
    (r"\b(?:Dict|List|Tuple|Type)\[", lambda typed: typed[0].lower()),
)
"""What another version of torchvision, torch or the processor may change: places, values and the
spelling of types."""


def told(trace, name):
    """Return the transcript of a tour."""
    script = (TOUR / name).read_text("utf-8")
    return "\n".join(plain.scripted(Stepper(trace), script, name))


def settled(text):
    """Return a transcript without what varies."""
    for pattern, replacement in VARIES:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.fixture(scope="module")
def through_the_pass(recorded):
    return told(recorded, "pass.txt")


@pytest.fixture(scope="module")
def through_the_construction(built):
    return told(built, "build.txt")


def test_the_pass_is_told_as_before(through_the_pass):
    check_golden("tour_pass.txt", settled(through_the_pass))


def test_the_construction_is_told_as_before(through_the_construction):
    check_golden("tour_build.txt", settled(through_the_construction))


def answers(transcript, command):
    """Return what every occurrence of a command was answered."""
    parts = re.split(r"(?m)^\(tracer\) ", transcript)
    return [
        p.partition("\n")[2].split("\n# ")[0].strip() for p in parts if p.startswith(command + "\n")
    ]


def test_inplanes_grows_and_downsample_is_there_for_block_0(through_the_construction):
    shown = re.findall(r"(?m)^display self.inplanes: (\d+)$", through_the_construction)
    assert shown == ["256", "512", "1024"]
    assert answers(through_the_construction, "p stride, self.inplanes, planes") == ["(1, 64, 64)"]
    assert answers(through_the_construction, "p self.inplanes") == ["256", "2048"]


def test_the_loop_freezes_what_is_outside_of_the_parts_that_learn(through_the_construction):
    before, after = answers(through_the_construction, "p parameter.requires_grad")
    assert (before, after) == ("True", "False")


def test_the_add_writes_in_place_and_the_merges_go_up(through_the_pass):
    assert "-> out += identity" in through_the_pass
    assert answers(through_the_pass, "p overwritten(out)") == ["True", "True"]
    assert re.findall(r"(?m)^display idx: (\d)$", through_the_pass) == ["2", "1", "0"]
    assert "-> keep = box_ops.batched_nms(" in through_the_pass
    assert "RegionProposalNetwork.filter_proposals#0()" in through_the_pass


def test_the_stop_where_idx_is_1_is_the_right_one(through_the_pass):
    (said,) = answers(through_the_pass, "p idx, last_inner.shape")
    assert said.startswith("(1, (2, 256, ")
    (back,) = answers(through_the_pass, "rs 2")
    assert "get_result_from_layer_blocks#1()" in back


def test_the_tour_is_the_same_when_it_is_taken_again(recorded, through_the_pass):
    assert told(recorded, "pass.txt") == through_the_pass


@pytest.mark.parametrize("name", ["pass", "build"])
def test_the_tour_in_chinese_takes_the_same_steps(name):
    def lines(file):
        return (TOUR / file).read_text("utf-8").splitlines()

    english, chinese = lines(f"{name}.txt"), lines(f"{name}.zh.txt")
    assert [line.startswith("#") for line in english] == [line.startswith("#") for line in chinese]
    for one, other in zip(english, chinese, strict=True):
        assert (one == other) != one.startswith("#")
