"""Copy the notebooks out, to be run and changed; with --start, open them in JupyterLab.

  tracer notebooks
  tracer notebooks my-notebooks --lang zh --start

A copy that you have changed, if only by running it, stays as it is unless --force is given. One
that you have not is brought up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tracer.commands.common import add_lang
from tracer.errors import InputError, MissingError
from tracer.files import output_folder, put
from tracer.foreign import write_lines

HELP = "copy the notebooks out, and open them"

FOLDER = "tracer-notebooks"
NOTE = ".tracer-notebooks.json"
"""In the folder: by file name, the SHA-256 of what was copied, by which a change is seen."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", default=FOLDER, help="where to (%(default)s)"
    )
    add_lang(parser, "all")
    parser.add_argument("--force", action="store_true", help="overwrite changed copies too")
    parser.add_argument("--start", action="store_true", help="open the first one in JupyterLab")


def run(args: argparse.Namespace) -> int:
    """Copy, say what was done, and start JupyterLab if asked to."""
    folder, found = Path(args.folder), in_language(shipped(), args.lang)
    copied, kept = copy(found, folder, args.force)
    write_lines(f"{folder}: {len(found)} notebooks, {len(copied)} copied")
    if kept:
        names = ", ".join(kept)
        write_lines(
            f"kept as they are, for you have changed them: {names} (--force overwrites them)"
        )
    first = folder / found[0].name
    if args.start:
        return start(first)
    write_lines(f"open them with: jupyter lab {first}")
    return 0


# --- which ----------------------------------------------------------------------------------------


def shipped() -> tuple[Path, ...]:
    """Return the notebooks: within the installed package, or beside it in a checkout.

    Raises:
        MissingError: there are none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        found = tuple(sorted(folder.glob("[0-9][0-9]_*.ipynb")))
        if found:
            return found
    raise MissingError(
        "this installation has no notebooks: install the package from its wheel, or take them from "
        "the folder notebooks of its repository"
    )


def in_language(notebooks: Iterable[Path], lang: str) -> tuple[Path, ...]:
    """Return those in a language, ``"all"`` for every one."""
    wanted = {"en": (False,), "zh": (True,), "all": (False, True)}[lang]
    return tuple(path for path in notebooks if path.stem.endswith(".zh") in wanted)


# --- copying --------------------------------------------------------------------------------------


def copy(
    notebooks: Iterable[Path], folder: Path, force: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy notebooks into a folder, but over no copy that was changed.

    Returns:
        The names of those that were written, and of the changed ones that were kept.

    Raises:
        InputError: the folder is the notebooks' own, or cannot be written.
    """
    notebooks = tuple(notebooks)
    if any(folder.resolve() == path.parent.resolve() for path in notebooks):
        raise InputError(f"{str(folder)!r} holds the notebooks themselves: name another folder")
    try:
        output_folder(folder)
        noted = _noted(folder)
        written, kept = [], []
        for source in notebooks:
            target, content = folder / source.name, source.read_bytes()
            if target.exists() and target.read_bytes() == content:
                noted[target.name] = digest(content)
            elif target.exists() and not force and _changed(target, noted):
                kept.append(target.name)
            else:
                put(target, content, "text", overwrite=True)
                noted[target.name] = digest(content)
                written.append(target.name)
        put(folder / NOTE, json.dumps(noted, indent=1) + "\n", "text", overwrite=True)
    except OSError as error:
        raise InputError(f"{str(folder)!r} cannot be written: {error.strerror}") from error
    return tuple(written), tuple(kept)


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _changed(target: Path, noted: dict[str, str]) -> bool:
    """Whether a file is other than what was copied there; unknown ones are the reader's."""
    return noted.get(target.name) != digest(target.read_bytes())


def _noted(folder: Path) -> dict[str, str]:
    """What was copied before; nothing if that is not known any more."""
    try:
        found = json.loads((folder / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {str(name): str(value) for name, value in entries}


# --- JupyterLab -----------------------------------------------------------------------------------


def start(notebook: Path) -> int:
    """Open a notebook in JupyterLab, and return its exit code once it is closed.

    Raises:
        MissingError: JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingError(
            "JupyterLab is not installed: pip install 'rcnn-tracer[notebooks]', then: "
            f"jupyter lab {notebook}"
        )
    return subprocess.call([sys.executable, "-m", "jupyterlab", str(notebook)])
