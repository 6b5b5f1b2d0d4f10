"""Libraries that only slides need, loaded when they are first used."""

from __future__ import annotations

import importlib
from typing import Any

from tracer.errors import MissingError


def library(module: str, package: str, what: str) -> Any:
    """Import a library that only slides need.

    Raises:
        MissingError: it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingError(
            f"{what} needs {package}: pip install 'rcnn-tracer[slides]' ({error})"
        ) from error
