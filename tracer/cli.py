"""The command line: finds the subcommand, runs it, and turns errors into a few words and a code."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn

from tracer import __version__, commands
from tracer.errors import TracerError, in_a_shell, near
from tracer.foreign import clean

INTERRUPTED = 130  # as a shell reports a program that Ctrl-C ended
UNUSABLE = 2  # a file or a stream
CLOSED_PIPE = 141  # the same for one whose reader went away

# How much of an error is printed: lines, and characters of each.
MOST_LINES = 12
LONGEST = 2000

# What stands in for a stream that is not there: writing results to it fails.
_STREAMS = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with near matches for unknown words."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        raise UsageError(f"{message} (see {self.prog} --help)")


class UsageError(TracerError):
    """A command line that cannot be understood."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    try:
        with _short_warnings(), in_a_shell():
            code = _run(arguments)
        sys.stdout.flush()
    except TracerError as error:
        if "--traceback" in arguments:
            raise
        _say(str(error))
        code = error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        code = INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        code = CLOSED_PIPE
    except OSError as error:
        if "--traceback" in arguments:
            raise
        named = f"{error.filename}: " if error.filename else ""
        where = "<stdout>: " if _stdout_fails() else named
        _say(f"{where}{error.strerror or error}")
        code = UNUSABLE
    return code


@contextlib.contextmanager
def _short_warnings() -> Iterator[None]:
    """Print warnings as errors are: one line, without the place in the program."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"tracer: {clean(str(message))}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


def _say(text: str) -> None:
    """Print an error: its lines as they are, of many the first ones."""
    lines = [clean(" ".join(line.split()), LONGEST) for line in text.splitlines() if line.strip()]
    left_out = len(lines) - MOST_LINES
    if left_out > 0:
        lines[MOST_LINES:] = [f"… {left_out} more lines (--traceback shows all)"]
    with contextlib.suppress(OSError):
        print("tracer: " + "\n  ".join(lines), file=sys.stderr)


def _open_streams() -> None:
    """Let a stream that was closed before the program began fail when it is used, not before."""
    for name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))


def _stdout_fails() -> bool:
    """Whether what was printed cannot be written; it is then given up."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_stdout()
        return True
    return False


def _drop_stdout() -> None:
    """Let the interpreter's own last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    if chosen is not None and chosen not in commands.NAMES:
        hint = near(chosen, commands.NAMES) or f" (there is {', '.join(commands.NAMES)})"
        raise UsageError(f"there is no command {chosen!r}{hint}")
    try:
        parsed = _parser(chosen).parse_args(arguments)
    except SystemExit as done:  # --help and --version print and exit
        return int(done.code or 0)
    found: int = parsed.run(parsed)
    return found


def _parser(chosen: str | None) -> Parser:
    """Build the parser, with the arguments of the chosen command only: others stay unloaded."""
    parser = Parser(prog="tracer", description="Step through torchvision's Faster R-CNN.")
    parser.add_argument("--version", action="version", version=f"tracer {__version__}")
    _add_traceback(parser, default=False)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name in commands.NAMES if chosen is None else [chosen]:
        command = commands.load(name)
        sub = subparsers.add_parser(
            name,
            help=command.HELP,
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            command.add_arguments(sub)
            _add_traceback(sub, default=argparse.SUPPRESS)
            sub.set_defaults(run=command.run)
    return parser


def _add_traceback(parser: argparse.ArgumentParser, default: bool | str) -> None:
    parser.add_argument(
        "--traceback",
        action="store_true",
        default=default,
        help="show where in the program an error comes from",
    )


if __name__ == "__main__":
    sys.exit(main())
