"""Errors that a user can act on: each carries one sentence saying what was found and what to do."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tracer.foreign import clean_lines

_LONG = re.compile(r"(\S{120})\S{121,}(\S{40})")  # more than a name or path that anybody reads


class TracerError(Exception):
    """Base of every error that this package raises on purpose.

    The command line prints its text as one line on stderr and exits with `exit_code`.
    """

    exit_code = 2

    def __str__(self) -> str:
        """The sentence, with nothing in it that a terminal would obey, long names cut short."""
        return _LONG.sub(r"\1…\2", clean_lines(super().__str__()))


class InputError(TracerError, TypeError, ValueError):
    """A model, picture, target or option that cannot be used as it is."""


class TraceFileError(TracerError, ValueError):
    """A trace file that is missing, damaged, foreign, or newer than this package."""


class MissingError(TracerError, LookupError):
    """A name, path or recording detail that is not there."""


class NotRecorded(MissingError):
    """A recording has less than is asked of it; another one would have more.

    Attributes:
        remedy: the options to record it with, as the reader gives them.
    """

    def __init__(self, what: str, **given: object) -> None:
        """Say what is missing, and the options that record it, see `option`."""
        self.remedy = option(**given)
        super().__init__(f"{what}: record with {self.remedy}")


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


def require_one_of(what: str, chosen: str, known: Iterable[str]) -> None:
    """Refuse a choice that there is not.

    Raises:
        InputError: names what is near, and all that there are.
    """
    names = tuple(known)
    if chosen not in names:
        raise InputError(
            f"there is no {what} {chosen!r}{near(chosen, names)} (one of {', '.join(names)})"
        )


def together(missing: Iterable[tuple[str, MissingError]]) -> list[str]:
    """Say what is missing and why, each reason once: ``fpn, rpn: record with keep="anatomy"``."""
    by_reason: dict[str, list[str]] = {}
    for name, error in missing:
        reason = f"record with {error.remedy}" if isinstance(error, NotRecorded) else str(error)
        by_reason.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


# --- options, in the words of the place where they are read ---------------------------------------

_SHELL = ContextVar("shell", default=False)


@contextmanager
def in_a_shell() -> Iterator[None]:
    """Within it, what is said is read beside a command line."""
    before = _SHELL.set(True)
    try:
        yield
    finally:
        _SHELL.reset(before)


def option(**given: object) -> str:
    """Write options the way the reader gives them: in Python, or on a command line.

    >>> option(keep=["anatomy", "backbone.fpn"], grain="op")
    'keep=["anatomy", "backbone.fpn"], grain="op"'
    >>> with in_a_shell():
    ...     option(keep=["anatomy", "backbone.fpn"], grain="op")
    '--keep anatomy --keep backbone.fpn --grain op'

    Args:
        given: values by name; None names the option alone: ``columns=``, ``--columns``.
    """
    if _SHELL.get():
        return " ".join(word for name, value in given.items() for word in _flags(name, value))
    return ", ".join(f"{name}={_literal(value)}" for name, value in given.items())


def _flags(name: str, value: object) -> Iterator[str]:
    flag = name.replace("_", "-")
    if name == "keep" and value is True:
        yield "--keep all"
    elif value is None or value is True:
        yield f"--{flag}"
    elif value is False:
        yield f"--no-{flag}"
    else:
        for each in value if isinstance(value, list) else [value]:
            yield f"--{flag} {shlex.quote(str(each))}"


def _literal(value: object) -> str:
    return "" if value is None else repr(value).replace("'", '"')
