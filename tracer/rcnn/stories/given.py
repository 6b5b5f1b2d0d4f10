"""Objects that are given beside a recording: a file of targets, for its pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tracer.errors import InputError
from tracer.rcnn.anatomy import anatomy
from tracer.rcnn.targets import read_targets
from tracer.record import Trace


def targets_of(trace: Trace, path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read the targets of a recording's pictures from a file, as `why` takes them.

    Args:
        trace: the recording of a pass.
        path: as `tracer.rcnn.targets.load_targets` takes it. Where the recording knows its
            pictures' names, those of a COCO-style file are found by them, else by their order.

    Raises:
        InputError: the file cannot be read, or is of other pictures.
        MissingError: this is no recording of a detector's pass.
    """
    parts = anatomy(trace)
    sizes = [picture.original_size for picture in parts.pictures]
    classes = len(trace.classes) or None
    return read_targets(Path(path), _names(trace, len(sizes)), sizes, classes)


def _names(trace: Trace, count: int) -> list[str] | None:
    """The pictures' names, as `tracer run` writes them down."""
    try:
        found = json.loads(trace.environment.get("pictures", "null"))
    except ValueError as error:
        raise InputError(f"the recording's names of pictures are no JSON: {error}") from error
    fits = isinstance(found, list) and len(found) == count
    return [str(name) for name in found] if fits else None
