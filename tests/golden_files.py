"""Whole expected texts in tests/golden: compared, or written anew on request.

    TRACER_WRITE_GOLDEN=1 python -m pytest tests/test_view_formats.py

Read what changed before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare a text with the file of that name, or write it if asked to."""
    path = FOLDER / name
    if os.environ.get("TRACER_WRITE_GOLDEN"):
        path.write_text(text + "\n", encoding="utf-8")
    assert path.is_file(), f"{path} is missing: run with TRACER_WRITE_GOLDEN=1 to write it"
    assert text + "\n" == path.read_text(encoding="utf-8")
