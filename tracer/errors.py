"""Errors that a user can act on: each carries one sentence saying what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tracer.foreign import clean_lines


class TracerError(Exception):
    """Base of every error that this package raises on purpose.

    The command line prints its text as one line on stderr and exits with `exit_code`.
    """

    exit_code = 2

    def __str__(self) -> str:
        """The sentence, with nothing in it that a terminal would obey."""
        return clean_lines(super().__str__())


class InputError(TracerError, TypeError, ValueError):
    """A model, picture, target or option that cannot be used as it is."""


class TraceFileError(TracerError, ValueError):
    """A trace file that is missing, damaged, foreign, or newer than this package."""


class MissingError(TracerError, LookupError):
    """A name, path or recording detail that is not there."""


class WeightsError(TracerError, RuntimeError):
    """Weights that cannot be found, downloaded or loaded into the model."""


class RunLeft(BaseException):
    """Raised to leave a run that is still under way: a wish of the reader, and no error.

    No ``except Exception`` of the run may catch it. The recording ends there without an error; its
    notes have this text.
    """


def near(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return ``"; did you mean 'a' or 'b'?"`` for the known names closest to `name`, or ``""``."""
    matches = difflib.get_close_matches(name, [str(k) for k in known], n=limit, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(m) for m in matches)}?" if matches else ""
