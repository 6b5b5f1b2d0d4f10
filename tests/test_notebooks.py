"""Every notebook runs from top to bottom, in a kernel, without an error or a warning."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

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


def solutions(notebook):
    """The code of the exercises' folded solutions."""
    told = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    folded = re.findall(r"<details>(.*?)</details>", told, re.S)
    return [code for text in folded for code in re.findall(r"```python\n(.*?)```", text, re.S)]


class Again(NotebookClient):
    """Runs a chapter's cells twice in a row, as readers do; what is kept is the second output."""

    async def async_execute_cell(self, cell, *args, **kwargs):
        if not cell.metadata.get("solution"):
            await super().async_execute_cell(cell, *args, **kwargs)
        return await super().async_execute_cell(cell, *args, **kwargs)


def executed(path, tmp_path):
    """The notebook after a run in an empty folder; the English ones' cells run twice each."""
    shutil.copy(path, tmp_path)
    notebook = nbformat.read(tmp_path / path.name, as_version=4)
    if path.name[:2] in FACTS:
        notebook.cells += [
            nbformat.v4.new_code_cell(code, metadata={"solution": True})
            for code in solutions(notebook)
        ]
    runs = NotebookClient if path.stem.endswith(".zh") else Again
    options = {"timeout": 600, "kernel_name": "python3"}
    runs(notebook, resources={"metadata": {"path": str(tmp_path)}}, **options).execute()
    return notebook


def outputs(notebook):
    return [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]


def shown(notebook):
    """All that a reader sees: the text of every output."""
    texts = [o.get("text", "") for o in outputs(notebook)]
    texts += [str(t) for o in outputs(notebook) for t in o.get("data", {}).values()]
    return "\n".join(texts)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_runs_and_warns_of_nothing(path, tmp_path):
    notebook = executed(path, tmp_path)
    assert [o for o in outputs(notebook) if o.get("name") == "stderr"] == []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code), "a cell that shows nothing"
    text = shown(notebook)
    if path.name.startswith("01_"):
        assert "P6" in text
        assert "Bottleneck" in text
        assert re.search(r"256×\d+×\d+", text)
        assert "relu" in text
        assert text.count("True") >= 2, "the text is torch's own, and the file holds the recording"
        assert any("image/png" in o.get("data", {}) for o in outputs(notebook))
        assert (tmp_path / "first_pass.safetensors").stat().st_size < 60e6
    pictures, facts = FACTS.get(path.name[:2], (0, []))
    assert sum("image/png" in o.get("data", {}) for o in outputs(notebook)) >= pictures
    for fact in facts:
        assert re.search(fact, text, re.M), fact


def test_a_cell_is_run_twice_in_a_row_and_a_solution_once():
    count = "n = globals().get('n', 0) + 1; print(n)"
    cells = [nbformat.v4.new_code_cell(count), nbformat.v4.new_code_cell(count)]
    cells[1].metadata["solution"] = True
    notebook = nbformat.v4.new_notebook(cells=cells)
    Again(notebook, kernel_name="python3").execute()
    assert [output.text for output in outputs(notebook)] == ["2\n", "3\n"]


def test_notebooks_come_in_both_languages_with_the_same_code():
    english = [p for p in NOTEBOOKS if not p.stem.endswith(".zh")]
    assert english
    for path in english:
        pair = [nbformat.read(p, as_version=4) for p in (path, path.with_suffix(".zh.ipynb"))]
        code = [
            [c.source.replace('lang="zh"', 'lang="en"') for c in n.cells if c.cell_type == "code"]
            for n in pair
        ]
        assert code[0] == code[1]
        worked = [[code.replace('lang="zh"', 'lang="en"') for code in solutions(n)] for n in pair]
        assert worked[0] == worked[1]
        kinds = [[c.cell_type for c in n.cells] for n in pair]
        assert kinds[0] == kinds[1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_no_output_is_kept_in_the_repository(path):
    notebook = nbformat.read(path, as_version=4)
    assert outputs(notebook) == []
    assert all(cell.execution_count is None for cell in notebook.cells if "outputs" in cell)
