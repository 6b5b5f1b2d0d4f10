"""Serve a recording to an editor as a debug session that also runs backwards.

Editors that speak the Debug Adapter Protocol start this themselves and talk to it over standard
input and output; with --port it waits for one of them on a port of this machine:

  tracer dap
  tracer dap --port 5678

What is stepped through stands in the editor's launch configuration: "recording" names a file;
else "pictures", "model", "weights", "minSize" and the other options of `tracer run` say what is
recorded first, and "build" that it is the construction.

VS Code needs an extension for it, which this writes, to be installed by
`code --install-extension rcnn-tracer.vsix`:

  tracer dap --vscode
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from tracer.commands.common import Progress, add_lang, add_overwrite, report, say
from tracer.errors import InputError, near

if TYPE_CHECKING:
    from tracer.dap.protocol import Channel
    from tracer.record import Trace
    from tracer.views.screen.lessons import Lessons

HELP = "serve a recording to an editor, as a debug session that also runs backwards"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="wait for one client on this port, 0 for any that is free (standard input and output)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="with --port: where it waits; others than this machine's own can then read every "
        "recording that is here (%(default)s)",
    )
    parser.add_argument(
        "--vscode",
        nargs="?",
        const="rcnn-tracer.vsix",
        metavar="FILE",
        help="write the extension for VS Code into a file (%(const)s), and serve nothing",
    )
    add_overwrite(parser)
    add_lang(parser)


def run(args: argparse.Namespace) -> int:
    """Serve one client to its end."""
    if args.vscode is not None:
        return _write_extension(args.vscode, args.overwrite)
    if args.port is None:
        _serve(_standard_streams(), args.lang)
        return 0
    from tracer.dap.server import accepted, listening

    server = listening(args.host, args.port)
    say(f"waiting for a client at {args.host}:{server.getsockname()[1]}")
    _serve(accepted(server), args.lang)
    return 0


def _write_extension(name: str, overwrite: bool) -> int:
    from tracer import __version__
    from tracer.editors.vsix import vsix
    from tracer.files import put

    path = put(name, vsix(__version__), "vsix", overwrite)
    report(path, f"the extension; code --install-extension {path} installs it")
    return 0


def _serve(client: Channel, lang: str) -> None:
    from tracer.dap.opening import Opening
    from tracer.dap.server import serve

    serve(client, lambda inbox: Opening(inbox, recorded, lessons), lang)


def lessons(trace: Trace) -> Lessons:
    """Return the tours and questions of a recording; most sessions never ask for them."""
    from tracer.views.screen.lessons import Lessons

    return Lessons(trace)


def _standard_streams() -> Channel:
    """Return the client at standard input and output; what is printed goes to stderr from here on.

    Raises:
        InputError: a person sits there.
    """
    from tracer.dap.protocol import Channel

    if sys.stdin.isatty():
        raise InputError(
            "tracer dap is started by an editor, which talks to it over standard input and output; "
            "--port N waits for one on a port, and tracer step is for people"
        )
    theirs: BinaryIO = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    ours: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Channel(theirs, ours)


# --- recording first ------------------------------------------------------------------------------


class _Options(argparse.ArgumentParser):
    """The options of `tracer run`, by the names that they have in JSON."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise InputError(message)


def recorded(options: dict[str, Any], progress: Progress) -> Trace:
    """Record what a launch configuration asks for.

    Args:
        options: its fields; those that are none of `tracer run`'s are the editor's own.
        progress: is told of each call.

    Raises:
        InputError: an option that cannot be; nothing to record.
    """
    from tracer.commands import run as command
    from tracer.commands.common import even_failed

    args = _arguments(options)
    if not args.build and not args.images:
        raise InputError(
            'the launch configuration needs "recording" (a file), "pictures" (a list of files), or '
            '"build": true'
        )
    command.check(args)
    record = command.construction if args.build else command.one_pass
    trace = even_failed(partial(record, args, progress))
    if "output" in options:
        trace.save(args.output, overwrite=args.overwrite)
    return trace


def _arguments(options: dict[str, Any]) -> argparse.Namespace:
    from tracer.commands import run as command

    parser = _Options(add_help=False, allow_abbrev=False)
    command.add_arguments(parser)
    known = {_in_json(action): action for action in parser._actions}
    words, pictures = [], []
    for name, value in options.items():
        if name == "pictures":
            pictures = _texts(name, value)
        elif name in known and known[name].option_strings:
            words += _words(name, known[name], value)
        elif close := near(name, [*known, "pictures", "recording"], limit=1):
            raise InputError(f"a launch configuration has no {name!r}{close}")
    return parser.parse_args([*words, "--", *pictures])


def _in_json(action: argparse.Action) -> str:
    """Return an option's name in JSON: ``minSize`` of ``--min-size``."""
    flag = max(action.option_strings, key=len, default=action.dest).lstrip("-")
    return re.sub("-(.)", lambda found: found[1].upper(), flag)


def _words(name: str, action: argparse.Action, value: Any) -> list[str]:
    """Return an option as words of a command line."""
    flag = max(action.option_strings, key=len)
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"{name!r} is true or false")
        return [flag] if value else []
    return [f"{flag}={text}" for text in _texts(name, value)]


def _texts(name: str, value: Any) -> list[str]:
    """Return a text or number, or a list of them, as texts."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(it, (str, int, float)) and not isinstance(it, bool) for it in values):
        raise InputError(f"{name!r} is a text, a number, or a list of them")
    return [str(it) for it in values]
