"""Every chapter runs from top to bottom, in both languages, without an error or a warning."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from warm_kernels import kernels

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CHAPTERS = [path.name for path in NOTEBOOKS if not path.stem.endswith(".zh")]

FACTS = {  # what a chapter's cells have found out, by how many pictures it shows
    "01": (
        1,
        [r"\[pool\]", "P6", "loss_objectness", "^0.9.. (star|五角星)", "got torch.Size", "^True$"],
    ),
    "02": (
        1,
        ["is_trained = False", "^53 .*53,120", r"^conv1 .*[ 中] 0 (of|个)", "64, 128, 256, 512"],
    ),
    "03": (
        2,
        [
            r"^176 \S+ 50 ",
            r"^C5 .* 427 .* 256.0 = \D+8 ",
            "'C4', 811, 16",
            "^C3 9.%",
            "^True$",
        ],
    ),
    "04": (
        3,
        ["(kept: |留下的是：)0.000", "^layer4.2 .*%", "1,180,672", r"^(1507328) \1", "(: |：)25% "],
    ),
    "05": (
        3,
        ["(difference:|误差：).*e-0[67]", "^True$", r"(sum|相加) (\S+)  √\(a² \+ b²\) = ", "add#"],
    ),
    "06": (3, ["(difference:|误差：) 0.0$", "(zero:|值：) False", "cannot be compared with"]),
    "07": (
        9,
        [
            "400 / 2000 = 0.2 = 0.2",
            "0.6896",
            "(difference: |误差：).*e-0[3-6]",
            "P6 .*(same:|相同：) True",
            r"(kept:|保留：) \[1 2\]$",
        ],
    ),
    "08": (
        5,
        ["(them:|一致：) True", "(torchvision's: |误差：).*e-0[5-7]", "2(：| is what ran:) True"],
    ),
    "09": (5, [r"loss_rpn_box_reg +(\S+)   .* = \1$", "loss_objectness': 0.[67]", "9,408.*9,408"]),
    "10": (1, ["^64 .*76 .*76 ", "^True$", r"^rpn#0 \| .* NonMax", "448 Expected: 512"]),
    "11": (
        3,
        [
            "got 32 ch",
            r"^\(3, 3, 5\)$",
            "^→ list index",
            r"^\[3, 6, 3\]$",
            r"-2.118 … 1,136",
            "  maps-channels$",
            "  pool-names$",
            "  anchors-objects$",
            r"^decode 512\.0$",
        ],
    ),
    "12": (
        4,
        [
            "^stack expects each tensor",
            "Nothing was found that is wrong|没有发现问题",
            "^rpn .* 593,935 ",
            r"AP50 0\.[6-9]",
            "rpn.head.conv",
            "has label 0|的标签是 0",
            "Target 2 is out of bounds",
        ],
    ),
    "13": (
        1,
        [
            "^True$",
            "^without P6 ",
            "^no lateral C3 ",
            r"inner_blocks\.1 = zero\]$",
            r"backbone\.fpn\.inner_blocks\.1",
            "what_if",
        ],
    ),
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with kernels(tmp_path_factory.mktemp("jupyter")) as name:
        yield name


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


def same(english, chinese):
    """Whether two syntax trees are equal, but for texts that are written in Chinese."""
    if isinstance(english, ast.AST) and re.search("[\u3000-\u9fff\uff00-\uffef]", told_by(chinese)):
        return holes(english) == holes(chinese)
    if isinstance(english, list):
        return len(english) == len(chinese) and all(map(same, english, chinese))
    if isinstance(english, ast.AST):
        return type(english) is type(chinese) and all(
            same(getattr(english, field, None), getattr(chinese, field, None))
            for field in english._fields
        )
    return english == chinese or (english, chinese) == ("en", "zh")


def told_by(tree):
    """A text in a program, as it is written there; none for anything else."""
    literal = isinstance(tree, ast.JoinedStr) or isinstance(getattr(tree, "value", None), str)
    return ast.unparse(tree) if literal else ""


def holes(text):
    """The values that are set into a text."""
    assert told_by(text)
    inner = [part.value for part in ast.walk(text) if isinstance(part, ast.FormattedValue)]
    return sorted(ast.unparse(value) for value in inner if not told_by(value))


def executed(cells, folder, kernel):
    """The cells after a run in one kernel, in a folder."""
    notebook = new_notebook(cells=cells)
    # nothing is left to be done in the kernel, which else takes 3 seconds to go
    options = {"timeout": 600, "kernel_name": kernel, "shutdown_kernel": "immediate"}
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
def test_a_chapter_runs_in_both_languages_and_warns_of_nothing(name, tmp_path, kernel):
    """In one kernel: a cell's Chinese twin is its second run in a row, which readers do as well."""
    cells = executed(in_turn(*(code_of(each) for each in read(name))), tmp_path, kernel)
    for own in (cells[::2], cells[1::2]):
        assert [o for o in outputs(own) if o.get("name") == "stderr"] == []
        assert all(cell.outputs for cell in own), "a cell that shows nothing"
        pictures, facts = FACTS[name[:2]]
        assert sum("image/png" in o.get("data", {}) for o in outputs(own)) >= pictures
        for fact in facts:
            assert re.search(fact, shown(own), re.M), fact


def test_a_twin_is_the_second_run_of_its_cell_in_the_same_kernel(tmp_path, kernel):
    count = "n = globals().get('n', 0) + 1; print(n, '{}')"
    twins = [[new_code_cell(count.format(lang)) for _ in range(2)] for lang in ("en", "zh")]
    cells = executed(in_turn(*twins), tmp_path, kernel)
    assert [o.text for o in outputs(cells)] == ["1 en\n", "2 zh\n", "3 en\n", "4 zh\n"]


def test_a_chapters_warning_and_error_are_seen(tmp_path, kernel):
    warns = [new_code_cell("import warnings; warnings.warn('old'); print(1)")]
    assert {o.name for o in outputs(executed(warns, tmp_path, kernel))} == {"stderr", "stdout"}
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        executed([new_code_cell("1 / 0")], tmp_path, kernel)


def test_every_chapter_has_facts_and_a_twin():
    chinese = sorted(path.name for path in NOTEBOOKS if path.stem.endswith(".zh"))
    assert chinese == [name.replace(".ipynb", ".zh.ipynb") for name in CHAPTERS]
    assert [name[:2] for name in CHAPTERS] == list(FACTS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_both_languages_have_the_same_code(name):
    pair = read(name)
    cells = zip(*map(code_of, pair), strict=True)
    apart = [
        one for one, other in cells if not same(ast.parse(one.source), ast.parse(other.source))
    ]
    assert apart == []
    kinds = [[c.cell_type for c in n.cells] for n in pair]
    assert kinds[0] == kinds[1]


def test_no_output_is_kept_in_the_repository():
    cells = {p.name: nbformat.read(p, as_version=4).cells for p in NOTEBOOKS}
    assert [name for name, own in cells.items() if outputs(own)] == []
    counted = [n for n, own in cells.items() if any(c.get("execution_count") for c in own)]
    assert counted == []
