"""Golden files: what agrees passes, what differs says where, and the recording is kept."""

from __future__ import annotations

import re
from pathlib import Path

import handmade
import pytest
import torch
from torch import nn

import tracer
from tracer.errors import InputError, TraceFileError
from tracer.testing import assert_same, contract, write_golden

pytest_plugins = ["pytester"]

MODEL = """
import pytest, torch, tracer
from torch import nn

@pytest.mark.parametrize("kind", ["csv", "safetensors"])
def test_model(golden, kind):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, {width}), nn.ReLU())
    golden(tracer.trace(model, torch.ones(2, 4)), f"golden/model.{{kind}}")
"""


def net(width: int = 3, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, width), nn.ReLU())


def recorded(**options: int) -> tracer.Recording:
    return tracer.trace(net(**options), torch.ones(2, 4))


@pytest.fixture(params=["csv", "safetensors"])
def golden_file(request, tmp_path) -> Path:
    return write_golden(recorded(), tmp_path / f"a.{request.param}")


def test_what_agrees_passes(golden_file):
    assert_same(recorded(), golden_file)


def test_another_width_is_told(golden_file):
    with pytest.raises(AssertionError, match=r"2×3(.|\n)*2×5"):
        assert_same(recorded(width=5), golden_file)


def test_other_weights_are_told_by_a_recording_alone(golden_file):
    other = recorded(seed=1)
    if golden_file.suffix == ".csv":
        assert_same(other, golden_file)
        return
    with pytest.raises(AssertionError, match=r"A and B part at linear#0, in 0#0"):
        assert_same(other, golden_file)
    assert_same(other, golden_file, tolerance=1000.0)


def test_a_contract_is_a_line_for_each_call_of_a_module():
    lines = contract(recorded()).splitlines()
    assert lines[0] == "call,type,settings,input,output,params,macs"
    assert lines[2] == "0,Linear,,2×4,2×3,15,24"
    assert len(lines) == 4


def test_a_contract_on_disk_is_a_text_file(tmp_path):
    text = write_golden(recorded(), tmp_path / "a.csv").read_text("utf-8")
    assert text == contract(recorded()) + "\n"


def test_numbers_of_a_failure_are_written_for_readers(tmp_path):
    golden = write_golden(recorded(), tmp_path / "a.safetensors")
    with pytest.raises(AssertionError) as failed:
        assert_same(recorded(seed=1), golden)
    assert not re.search(r"\d\.\d{6}", str(failed.value)), failed.value


def test_a_golden_recording_may_be_given_itself():
    assert_same(handmade.tiny_pass(), handmade.tiny_pass())


def test_a_file_of_another_kind_is_refused(tmp_path):
    for act in (assert_same, write_golden):
        with pytest.raises(InputError, match=r"ends in \.safetensors or \.csv"):
            act(recorded(), tmp_path / "a.txt")
    with pytest.raises(TraceFileError, match="cannot read the contract"):
        assert_same(recorded(), tmp_path / "none.csv")


@pytest.mark.slow
def test_the_fixture_compares_updates_and_keeps(pytester):
    def run(*options: str, width: int = 3) -> pytest.RunResult:
        pytester.makepyfile(test_it=MODEL.format(width=width))
        plugin = ["-p", "tracer.pytest_plugin"] if not installed() else []
        # In a process of its own: one within this forgets the modules that it was first to load.
        return pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", *options)

    missing = run()
    missing.assert_outcomes(failed=2)
    missing.stdout.fnmatch_lines(["*run pytest with --golden-update*"])
    run("--golden-update").assert_outcomes(passed=2)
    run().assert_outcomes(passed=2)
    other = run(width=5)
    other.assert_outcomes(failed=2)
    said = "the recording is kept in "
    kept = {line.removeprefix(said) for line in other.outlines if line.startswith(said)}
    assert len(kept) == 2
    assert all(tracer.load(file).calls[0].path == "" for file in kept)
    assert "During handling of the above exception" not in other.stdout.str()


def installed() -> bool:
    from importlib.metadata import entry_points

    return any(each.value == "tracer.pytest_plugin" for each in entry_points(group="pytest11"))


@pytest.mark.slow
def test_the_fixture_says_what_is_wrong_with_a_file_in_a_sentence(pytester):
    pytester.makepyfile(
        test_it="""
import pytest, torch, tracer

@pytest.mark.parametrize("name", ["a.json", "b.csv"])
def test_model(golden, name):
    golden(tracer.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), name)
"""
    )
    (pytester.path / "b.csv").write_bytes(b"\xff\xfe")
    plugin = ["-p", "tracer.pytest_plugin"] if not installed() else []
    found = pytester.runpytest_subprocess(*plugin, "-p", "no:cacheprovider")
    found.assert_outcomes(failed=2)
    found.stdout.fnmatch_lines(
        ["a golden file ends in .safetensors or .csv; found *", "cannot read the contract *"]
    )
    assert "Traceback" not in found.stdout.str()
    assert "pytest_plugin.py" not in found.stdout.str()


def test_the_plugin_is_declared():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    assert '[project.entry-points.pytest11]\ntracer = "tracer.pytest_plugin"' in text
