"""Every chapter runs from top to bottom, in both languages, without an error or a warning."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CHAPTERS = [path.name for path in NOTEBOOKS if not path.stem.endswith(".zh")]

FACTS = {  # what a chapter's cells have found out, by how many pictures it shows
    "01": (2, [r"\[pool\]", "loss_objectness", "^0.9.. (star|五角星)", "got torch.Size", "^True$"]),
    "02": (1, ["is_trained = False", "^53 .*with 53,120", "^conv1 .* 0 of ", "64, 128, 256, 512"]),
    "03": (2, ["^176 lines, 50 layers", "^C5 .* 427 col", "'C4', 811, 16", "^C3 9.%"]),
    "04": (3, ["hook has kept: 0.000", "^layer4.2 .*%", "1,180,672", r"^(1507328) \1", ": 25% of"]),
    "05": (3, ["largest difference: .*e-0[67]", "^True$", r"sum (\S+)  √\(a² \+ b²\) = ", "add#"]),
    "06": (3, ["largest difference: 0.0$", "any not zero: False", "cannot be compared with"]),
    "07": (7, ["largest difference: .*e-0[3-6]", "P6 .*the same: True", r"^kept: \[1 2\]$"]),
    "08": (5, ["assigned them: True", "torchvision's: .*e-0[5-7]", "2 is what ran: True"]),
    "09": (5, [r"loss_rpn_box_reg +(\S+)   .* = \1$", "loss_objectness': 0.[67]", "9,408.*9,408"]),
    "10": (1, ["^64 layers, 76 calls, 76 ", "^True$", r"^rpn#0 \| .* NonMax", "448 Expected: 512"]),
    "11": (3, ["got 32 ch", r"^\(3, 3, 5\)$", "^→ list index", r"^\[3, 6, 3\]$", r"-2.118 … 1136"]),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Keep the passes small: the kernels inherit it, and no cell knows."""
    monkeypatch.setenv("RCNN_TRACER_MIN_SIZE", "128")


def read(name):
    """A chapter and its Chinese twin."""
    paths = (FOLDER / name, (FOLDER / name).with_suffix(".zh.ipynb"))
    return [nbformat.read(path, as_version=4) for path in paths]


def solutions(notebook):
    """The code of the exercises' folded solutions."""
    told = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    folded = re.findall(r"<details>(.*?)</details>", told, re.S)
    return [code for text in folded for code in re.findall(r"```python\n(.*?)```", text, re.S)]


def code_of(notebook):
    """What is to be run, as new cells: the code cells, then the solutions."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [new_code_cell(source) for source in (*code, *solutions(notebook))]


def executed(cells, folder):
    """The cells after a run in one kernel, in a folder."""
    notebook = new_notebook(cells=cells)
    # nothing is left to be done in the kernel, which else takes 3 seconds to go
    options = {"timeout": 600, "kernel_name": "python3", "shutdown_kernel": "immediate"}
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **options).execute()
    return notebook.cells


def in_turn(english, chinese):
    """Two lists of equal length as one, each Chinese cell right after its English twin."""
    return [cell for pair in zip(english, chinese, strict=True) for cell in pair]


def outputs(cells):
    return [o for cell in cells if cell.cell_type == "code" for o in cell.outputs]


def shown(cells):
    """All that a reader sees: the text of every output."""
    texts = [o.get("text", "") for o in outputs(cells)]
    texts += [str(t) for o in outputs(cells) for t in o.get("data", {}).values()]
    return "\n".join(texts)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_in_both_languages_and_warns_of_nothing(name, tmp_path):
    """In one kernel: a cell's Chinese twin is its second run in a row, which readers do as well."""
    cells = executed(in_turn(*(code_of(each) for each in read(name))), tmp_path)
    for own in (cells[::2], cells[1::2]):
        assert [o for o in outputs(own) if o.get("name") == "stderr"] == []
        assert all(cell.outputs for cell in own), "a cell that shows nothing"
        pictures, facts = FACTS[name[:2]]
        assert sum("image/png" in o.get("data", {}) for o in outputs(own)) >= pictures
        for fact in facts:
            assert re.search(fact, shown(own), re.M), fact
        if name.startswith("01_"):
            look_at_the_first(own, tmp_path)


def look_at_the_first(cells, folder):
    """What the first chapter shows beside its facts, and the file that it leaves."""
    text = shown(cells)
    assert "P6" in text
    assert "Bottleneck" in text
    assert re.search(r"256×\d+×\d+", text)
    assert "relu" in text
    assert text.count("True") >= 2, "the text is torch's own, and the file holds the recording"
    assert any("image/png" in o.get("data", {}) for o in outputs(cells))
    assert (folder / "first_pass.safetensors").stat().st_size < 60e6


def test_a_twin_is_the_second_run_of_its_cell_in_the_same_kernel(tmp_path):
    count = "n = globals().get('n', 0) + 1; print(n, '{}')"
    twins = [[new_code_cell(count.format(lang)) for _ in range(2)] for lang in ("en", "zh")]
    cells = executed(in_turn(*twins), tmp_path)
    assert [o.text for o in outputs(cells)] == ["1 en\n", "2 zh\n", "3 en\n", "4 zh\n"]


def test_a_chapters_warning_and_error_are_seen(tmp_path):
    warns = [new_code_cell("import warnings; warnings.warn('old'); print(1)")]
    assert {o.name for o in outputs(executed(warns, tmp_path))} == {"stderr", "stdout"}
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        executed([new_code_cell("1 / 0")], tmp_path)


def test_every_chapter_has_facts_and_a_twin():
    chinese = sorted(path.name for path in NOTEBOOKS if path.stem.endswith(".zh"))
    assert chinese == [name.replace(".ipynb", ".zh.ipynb") for name in CHAPTERS]
    assert [name[:2] for name in CHAPTERS] == list(FACTS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_both_languages_have_the_same_code(name):
    pair = read(name)
    code = [[c.source.replace('lang="zh"', 'lang="en"') for c in code_of(n)] for n in pair]
    assert code[0] == code[1]
    kinds = [[c.cell_type for c in n.cells] for n in pair]
    assert kinds[0] == kinds[1]


def test_no_output_is_kept_in_the_repository():
    cells = {p.name: nbformat.read(p, as_version=4).cells for p in NOTEBOOKS}
    assert [name for name, own in cells.items() if outputs(own)] == []
    counted = [n for n, own in cells.items() if any(c.get("execution_count") for c in own)]
    assert counted == []
