"""Hold a model to a recording of it, in tests of one's own.

>>> from tracer.testing import assert_same
>>> assert_same(tracer.trace(model, images), "golden/shapes.csv")

A golden file is a recording (``.safetensors``: values, settings, control flow) or a contract
(``.csv``: the calls of modules, with their shapes, parameters and multiply-adds, a line each, made
to be read in a version control's diff). With pytest the fixture `golden` finds such files beside
the test and writes them anew with ``--golden-update``; it comes with the package.
"""

from __future__ import annotations

import csv
import os
from difflib import SequenceMatcher
from io import StringIO
from itertools import islice
from pathlib import Path

from tracer.errors import InputError, TraceFileError
from tracer.numbers import shown
from tracer.record import Trace
from tracer.recording import Recording, compare, load

MOST = 8
"""So many differences are told."""


def contract(trace: Trace) -> str:
    """Return a recording's contract, as CSV: a line for each call of a module.

    It holds shapes and counts alone, so that it changes with the model and the sizes of its inputs,
    not with weights or machines; how many boxes a detector finds is among the shapes.
    """
    from tracer.views.reports.table import contract as table

    return table(trace).to("csv")


def assert_same(
    trace: Trace, golden: str | os.PathLike[str] | Trace, *, tolerance: float = 0.0
) -> None:
    """Raise unless a recording agrees with a golden one.

    Args:
        trace: the recording.
        golden: the other one, or its file; or a contract's.
        tolerance: of values, as `tracer.compare` takes it; a contract has none.

    Raises:
        AssertionError: names the first call that parts, and what differs.
        InputError, TraceFileError: the golden file is of another kind, missing or damaged.
    """
    if isinstance(golden, Trace):
        _assert_recording(trace, golden, tolerance)
        return
    path = Path(golden)
    require_golden(path)
    if path.suffix == ".safetensors":
        _assert_recording(trace, load(path), tolerance)
    else:
        _assert_contract(trace, path)


def require_golden(path: Path) -> None:
    """Refuse a file of another kind.

    Raises:
        InputError: its name ends otherwise.
    """
    if path.suffix not in (".safetensors", ".csv"):
        raise InputError(f"a golden file ends in .safetensors or .csv; found {str(path)!r}")


def _assert_recording(trace: Trace, golden: Trace, tolerance: float) -> None:
    compared = compare(golden, trace, tolerance=tolerance)
    if compared.same:
        return
    report = compared.report()
    kinds = [column.kind for column in report.columns]
    rows = (
        " | ".join(shown(cell, kind) for cell, kind in zip(row.cells, kinds, strict=True) if cell)
        for row in report.rows[:MOST]
    )
    raise AssertionError("\n  ".join([f"{report.title} (A is the golden one)", *rows]))


def _assert_contract(trace: Trace, path: Path) -> None:
    try:
        golden = _calls(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TraceFileError(f"cannot read the contract {str(path)!r}: {error}") from error
    found = _calls(contract(trace))
    parts = SequenceMatcher(None, golden, found, autojunk=False).get_opcodes()
    told = [
        line
        for tag, a, b, c, d in parts
        if tag != "equal"
        for line in (*(f"- {x}" for x in golden[a:b]), *(f"+ {x}" for x in found[c:d]))
    ]
    if told:
        shown = "\n  ".join(islice(told, MOST))
        more = f"\n  … {len(told) - MOST} more lines" if len(told) > MOST else ""
        raise AssertionError(
            f"the calls are not those of {path} (-: as it has them, +: as they are):\n  "
            f"{golden[0] if golden else ''}\n  {shown}{more}"
        )


def _calls(contract: str) -> list[str]:
    """Return the lines of a contract, without what was changed on purpose: it is no call's."""
    lines = contract.splitlines()
    if not lines or not lines[0].endswith(",changes"):
        return lines
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerows(row[:-1] for row in csv.reader(lines))
    return out.getvalue().splitlines()


def write_golden(trace: Trace, path: str | os.PathLike[str]) -> Path:
    """Write a recording as a golden file: a recording or a contract, as the name ends.

    Raises:
        InputError, TraceFileError: it ends otherwise, or cannot be written.
    """
    path = Path(path)
    require_golden(path)
    if path.suffix == ".csv":
        path.write_text(contract(trace) + "\n", "utf-8")
        return path
    return Recording.of(trace).save(path)
