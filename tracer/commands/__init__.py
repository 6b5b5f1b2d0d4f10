"""The subcommands, one module each, loaded only when they are asked for.

A command module is light to import and has ``HELP`` (one line), ``add_arguments(parser)`` and
``run(args) -> int`` (the exit code); its docstring is what its ``--help`` opens with.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Protocol, cast

NAMES = (
    *("run", "show", "step", "dap", "page", "slides", "figures"),
    *("explain", "why", "tour", "guess", "doctor", "diff", "survey"),
    *("lecture", "demo", "demo-data", "notebooks", "train-demo", "eval-demo"),
)


class Command(Protocol):
    """What a command module offers."""

    HELP: str
    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and return the exit code."""


def load(name: str) -> Command:
    """Import one command."""
    module = name.replace("-", "_")
    return cast(Command, importlib.import_module(f"{__name__}.{module}"))
