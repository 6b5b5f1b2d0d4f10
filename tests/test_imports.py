"""Who may import whom, and that heavy libraries stay at the edge.

A new part of the package needs a row in `MAY_IMPORT`; a part that loads torch or another heavy
library as it is imported needs one in `HEAVY`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "tracer"

SPOKEN = {"tracer.languages", "tracer.numbers"}
BASE = {"tracer.record", "tracer.errors", "tracer.files", "tracer.foreign"} | SPOKEN

ROOMS = ("kit", "reports", "figures", "page", "screen", "slides", "explorers", "survey")
VIEWS = {f"tracer.views.{room}" for room in ROOMS}

# part → the other parts that its files may import, anywhere in them. A part is a file or a folder;
# the longest name that fits a file counts. `tracer` itself gives the version and the public names.
MAY_IMPORT: dict[str, set[str]] = {
    "tracer.record": {"tracer.errors", "tracer.files", "tracer.foreign"},
    "tracer.recording": {"tracer.foreign", "tracer.record"} | VIEWS,
    "tracer.errors": {"tracer.foreign"},
    "tracer.foreign": set(),
    "tracer.files": {"tracer.errors"},
    "tracer.languages": {"tracer.errors"},
    "tracer.numbers": {"tracer.foreign"},
    "tracer.domain": {"tracer.record"},
    "tracer.capture": BASE - SPOKEN
    | {"tracer.capture.domains", "tracer.domain", "tracer.recording"},
    "tracer.capture.domains": {"tracer.domain", "tracer.rcnn.domain"},
    "tracer.rcnn": BASE,
    "tracer.rcnn.domain": {"tracer.domain", "tracer.rcnn", "tracer.record"},
    "tracer.stepper": BASE,
    "tracer.dap": BASE | {"tracer", "tracer.stepper"},
    "tracer.tours": BASE | {"tracer.rcnn", "tracer.stepper"},
    "tracer.surveys": BASE - SPOKEN
    | {"tracer", "tracer.capture", "tracer.rcnn", "tracer.recording"},
    "tracer.views.kit": BASE | {"tracer.rcnn"},
    "tracer.views.reports": BASE
    | {"tracer.rcnn", "tracer.surveys", "tracer.views.kit", "tracer.views.page"},
    "tracer.views.figures": BASE | {"tracer.rcnn", "tracer.surveys", "tracer.views.kit"},
    "tracer.views.survey": BASE
    | {"tracer.surveys", "tracer.views.figures", "tracer.views.kit", "tracer.views.reports"},
    "tracer.views.page": BASE
    | {"tracer.rcnn", "tracer.stepper", "tracer.tours", "tracer.views.kit"},
    "tracer.views.screen": BASE
    | {"tracer.rcnn", "tracer.stepper", "tracer.tours", "tracer.views.kit"},
    "tracer.views.slides": BASE
    | {"tracer.rcnn", "tracer.stepper", "tracer.tours"}
    | {"tracer.views.figures", "tracer.views.kit", "tracer.views.page", "tracer.views.reports"},
    "tracer.views.explorers": BASE
    | {"tracer.rcnn", "tracer.stepper"}
    | {"tracer.views.figures", "tracer.views.kit", "tracer.views.page", "tracer.views.reports"},
    "tracer.views": set(),
    "tracer.debugger": {
        *("tracer.capture", "tracer.capture.domains", "tracer.errors"),
        *("tracer.dap", "tracer.record", "tracer.recording"),
        *("tracer.stepper", "tracer.views.screen"),
    },
    "tracer.checkup": BASE - SPOKEN | {"tracer.capture", "tracer.rcnn", "tracer.views.reports"},
    "tracer.commands": BASE
    | {"tracer", "tracer.capture", "tracer.rcnn", "tracer.recording", "tracer.stepper"}
    | {"tracer.dap", "tracer.editors", "tracer.surveys", "tracer.tours"}
    | VIEWS,
    "tracer.cli": {"tracer", "tracer.commands", "tracer.errors", "tracer.foreign"},
    "tracer.testing": {"tracer.errors", "tracer.numbers", "tracer.record", "tracer.recording"}
    | VIEWS,
    "tracer.editors": {"tracer.languages"},
    "tracer.pytest_plugin": {"tracer.errors", "tracer.recording", "tracer.testing"},
    "tracer.__main__": {"tracer.cli"},
    "tracer": {
        *("tracer.capture", "tracer.checkup", "tracer.record", "tracer.recording"),
        "tracer.surveys",
    },
}

TORCH = {"torch", "torchvision"}
HEAVY_LIBRARIES = TORCH | {
    *("matplotlib", "ipywidgets", "IPython", "pandas", "onnx", "onnxruntime"),
    *("dask", "distributed", "pyarrow", "pycocotools", "scipy"),
}

# part → the heavy libraries that it may load as it is imported.
HEAVY: dict[str, set[str]] = {
    "tracer.capture": TORCH,
    "tracer.checkup": TORCH,
    "tracer.rcnn.inputs": TORCH,
    "tracer.rcnn.probe": TORCH,
    **dict.fromkeys(
        (
            f"tracer.surveys.{name}"
            for name in ("cluster", "funnel", "gather", "odd", "parts", "pictures", "run")
        ),
        TORCH,
    ),
    "tracer.rcnn.models": TORCH,
    "tracer.rcnn.checkpoint": TORCH,
    "tracer.rcnn.pictures": TORCH,
    "tracer.rcnn.targets": TORCH,
    "tracer.rcnn.onnx": TORCH | {"onnx", "onnxruntime"},
    "tracer.rcnn.onnx_parting": TORCH | {"onnx", "onnxruntime"},
    "tracer.rcnn.demo": TORCH,
    "tracer.views.figures": {"matplotlib"},
    "tracer.views.kit.fonts": {"matplotlib"},
    "tracer.views.explorers": {"matplotlib"},
    "tracer.views.slides.interactive": {"matplotlib"},
    "tracer.views.slides.learning": {"matplotlib"},
    "tracer.views.slides.moving": {"matplotlib"},
    "tracer.views.slides.illustrations": {"matplotlib"},
    "tracer.views.slides.parting": {"matplotlib"},
}


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def part_of(module: str, table: dict[str, set[str]]) -> str | None:
    """Return the longest part that a module belongs to; `tracer` is only the package's own file."""
    fitting = [p for p in table if module == p or (module.startswith(p + ".") and p != "tracer")]
    return max(fitting, key=len, default=None)


def imports(tree: ast.AST, within_functions: bool) -> Iterator[str]:
    """Yield the dotted names that a file imports at run time."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from _from(node)
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from imports(ast.Module(node.orelse, []), within_functions)
        elif isinstance(node, ast.expr):
            continue  # no expression imports
        elif within_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports(node, within_functions)


def _from(node: ast.ImportFrom) -> Iterator[str]:
    """``from tracer import commands`` imports the module `tracer.commands`."""
    base = node.module or ""
    for alias in node.names:
        name = f"{base}.{alias.name}"
        yield name if name in MODULES else base


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def wrong_way(module: str, tree: ast.AST) -> list[str]:
    """Return what a module imports of ours and may not, a sentence each."""
    part = part_of(module, MAY_IMPORT)
    if part is None:
        return [f"{module} needs a row in MAY_IMPORT"]
    allowed = MAY_IMPORT[part] | {part}
    names = (n for n in imports(tree, within_functions=True) if f"{n}.".startswith("tracer."))
    return [f"{module} imports {n}" for n in names if part_of(n, MAY_IMPORT) not in allowed]


def too_heavy(module: str, tree: ast.AST) -> list[str]:
    """Return the heavy libraries that a module loads as it is imported and may not."""
    part = part_of(module, HEAVY)
    banned = HEAVY_LIBRARIES - (HEAVY[part] if part else set())
    names = imports(tree, within_functions=False)
    return [f"{module} imports {name}" for name in names if name.partition(".")[0] in banned]


def test_the_tables_name_what_is_there():
    parts = {*MAY_IMPORT, *HEAVY}
    assert not [p for p in parts if not any(f"{m}.".startswith(f"{p}.") for m in MODULES)]


def drawn(tree: str) -> Iterator[str]:
    """Yield the Python files and the folders that an indented tree names, as paths."""
    above: list[str] = []
    for line in tree.splitlines():
        name = line.split()[0]
        del above[(len(line) - len(line.lstrip())) // 2 :]
        above.append(name)
        if name.endswith((".py", "/")):
            yield "".join(above)


def test_the_architecture_names_every_file():
    tree = (PACKAGE.parent / "docs" / "architecture.md").read_text("utf-8").split("```\n")[1]
    named = list(drawn(tree))
    files = {p.relative_to(PACKAGE.parent).as_posix() for p in MODULES.values()}
    folders = {n for n in named if (PACKAGE.parent / n).is_dir()}
    told = {n for n in named if n not in folders} | {f"{n}__init__.py" for n in folders}
    assert len(named) == len(set(named))
    assert files - told == set(), "files without a line in docs/architecture.md"
    assert {t for t in told - files if not t.endswith("/__init__.py")} == set(), (
        "lines without a file"
    )


def test_directions():
    assert [said for module in MODULES for said in wrong_way(module, tree_of(module))] == []


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that import each other, directly or through others."""
    below = {module: _reached(module, graph) for module in graph}
    together = {frozenset(m for m in below[n] if n in below[m]) for n in graph if n in below[n]}
    return [set(circle) for circle in together]


def _reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    """Return what a module imports, and what that imports in its turn."""
    found: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += graph[module]
    return found


def test_no_import_circle():
    """Neither as modules are imported nor within functions; a module is a file here."""
    graph = {m: {*imports(tree_of(m), within_functions=True)} & {*MODULES} - {m} for m in MODULES}
    assert sum(map(len, graph.values())) > len(graph)
    assert circles(graph) == []


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e"}}
    assert sorted(map(sorted, circles(graph))) == [["a", "b", "c"], ["e"]]


def test_heavy_libraries_stay_at_the_edge():
    assert [said for module in MODULES for said in too_heavy(module, tree_of(module))] == []


LIGHT = [m for m in MODULES if part_of(m, HEAVY) is None and m != "tracer.__main__"]


def test_light_modules_load_no_heavy_library():
    """In a fresh process, whatever they import in their turn."""
    script = f"""
import importlib, sys
for module in {LIGHT!r}:
    importlib.import_module(module)
    loaded = {HEAVY_LIBRARIES!r} & set(sys.modules)
    if loaded:
        sys.exit(f"{{module}} loads {{', '.join(sorted(loaded))}}")
print(len(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0
    assert {"tracer.record", "tracer.record.query", "tracer.record.store"} <= set(LIGHT)


def test_every_offender_is_named():
    """Of two wrong imports in a file both; each in the way it is wrong."""
    tree = ast.parse("import torch, tracer.views\nfrom tracer import capture, record\nimport numpy")
    said = [
        "tracer.record.store imports tracer.views",
        "tracer.record.store imports tracer.capture",
    ]
    assert wrong_way("tracer.record.store", tree) == said
    assert wrong_way("tracer.new", tree) == ["tracer.new needs a row in MAY_IMPORT"]
    assert wrong_way("tracer.capture", ast.parse("import tracer.capture.keep, tracer.record")) == []
    assert too_heavy("tracer.record.store", tree) == ["tracer.record.store imports torch"]
    assert too_heavy("tracer.capture", tree) == []


def test_the_check_sees_what_it_should():
    """An import in a function, in a class, behind an `if`; not one for the type checker."""
    source = """
import torch.nn
from tracer import commands
if TYPE_CHECKING:
    import pandas
else:
    import onnx
def f():
    from tracer.record.store import save
class C:
    import matplotlib.pyplot
"""
    light = {"torch.nn", "tracer.commands", "onnx", "matplotlib.pyplot"}
    assert set(imports(ast.parse(source), within_functions=False)) == light
    assert set(imports(ast.parse(source), within_functions=True)) == {*light, "tracer.record.store"}
