"""The README in both languages: its code runs, its commands exist, and both say the same."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import torch

from tracer import cli, commands

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
READMES = ["README.md", "README.zh.md"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(name), re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]


def without_comments(code: str) -> str:
    return re.sub(r" *#.*", "", code)


@pytest.mark.parametrize("name", READMES)
def test_the_python_runs(name, capsys):
    torch.manual_seed(0)
    scope: dict = {}
    code = blocks(name, "python")
    assert len(code) == 2
    for block in code:
        exec(compile(block.replace("min_size=320", "min_size=64"), name, "exec"), scope)
    shape, lowest = re.match(r"(\(.*\)) (\S+)", capsys.readouterr().out).groups()
    assert shape.startswith("(1, 64, ")
    assert float(lowest) < 0
    assert scope["p2"].shape[1] == 256
    assert len(scope["detections"]) == 1
    assert scope["trace"].calls[0].type == "FasterRCNN"


@pytest.mark.parametrize("name", READMES)
def test_the_commands_exist(name):
    lines = [line for block in blocks(name, "sh") for line in block.splitlines()]
    wanted = [shlex.split(line)[1:] for line in lines if line.startswith("tracer ")]
    assert {words[0] for words in wanted} >= {"run", "show", "step"}
    for words in wanted:
        assert words[0] in commands.NAMES
        assert cli._parser(words[0]).parse_args(words).run


@pytest.mark.parametrize("name", READMES)
def test_make_has_the_targets(name):
    makefile = text_of("Makefile")
    targets = re.findall(r"(?:^|`|=\S+ )make (\w+)", text_of(name), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)\)", text_of(name))
    assert len(links) >= 5
    for link in links:
        assert (ROOT / link).exists(), link


def test_both_languages_have_the_same_parts():
    for language in ("python", "sh"):
        english, chinese = (
            [without_comments(block) for block in blocks(name, language)] for name in READMES
        )
        assert english == chinese
    english, chinese = (
        [line.split(" ")[0] for line in text_of(name).splitlines() if line[:1] in ("#", "|")]
        for name in READMES
    )
    assert english == chinese


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder with the pass that ``make demo`` records."""
    from tracer.commands import demo as command
    from tracer.rcnn import models

    args = cli._parser("demo").parse_args(["demo"])
    model = models.build(command.MODEL, "demo", seed=args.seed).eval()
    folder = tmp_path_factory.mktemp("demo")
    command._pass(model, command._subject(args)).save(folder / "pass.safetensors")
    return folder


def without_numbers(text: str) -> str:
    """A text as each machine has it: last digits are its own, and so are widths of columns."""
    return re.sub("[0-9, ]+", " ", text)


@pytest.mark.parametrize("name", READMES)
def test_what_is_shown_is_what_is_printed(name, demo):
    path = ROOT / "tools" / "readme_samples.py"
    found = importlib.util.spec_from_file_location("readme_samples", path)
    found.loader.exec_module(samples := importlib.util.module_from_spec(found))
    text = text_of(name)
    assert len(samples.SAMPLE.findall(text)) == 2
    printed = samples.set_samples(text, samples.printed_on(demo))
    assert without_numbers(printed) == without_numbers(text), "run tools/readme_samples.py"
