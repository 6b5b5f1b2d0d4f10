"""Where the recorded source files are: on this disk if they have the same text there, else here."""

from __future__ import annotations

import tokenize
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from tracer.errors import MissingError
from tracer.foreign import clean
from tracer.record import SourceFile, Trace


class Sources:
    """The source files of a recording, as a client knows them."""

    def __init__(
        self, trace: Trace, folders: Iterable[Path] = (), known: Mapping[str, str] | None = None
    ) -> None:
        """Look for the files of a trace.

        Args:
            trace: the recording; of a run that is under way, so far.
            folders: where files of no package may be.
            known: paths of files by their names in the recording, where they are known.
        """
        self._folders = list(folders)
        self._known = dict(known or {})
        self._paths: dict[str, Path | None] = {}
        self._numbers: dict[str, int] = {}
        self.renew(trace.sources)

    def renew(self, files: Mapping[str, SourceFile]) -> None:
        """Take other files: of a run that is under way there may be more."""
        self._files = files
        for file in files:
            self._numbers.setdefault(file, len(self._numbers) + 1)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    # --- to the client ---

    def described(self, file: str) -> dict[str, Any]:
        """Return a file as a `Source` of the protocol."""
        path = self.path(file)
        name = clean(PurePosixPath(file).name, 200)
        if path is not None:
            return {"name": name, "path": str(path)}
        if file not in self._numbers:
            return {"name": name, "path": clean(file), "presentationHint": "deemphasize"}
        return {
            "name": name,
            "path": clean(file),
            "sourceReference": self._numbers[file],
            "origin": clean(self._files[file].package or "recorded", 200),
        }

    def path(self, file: str) -> Path | None:
        """Return the path of a file whose text on this disk is the recorded one, else None."""
        if file not in self._paths:
            source = self._files.get(file)
            found = (path for path in self._candidates(file) if source and has(path, source))
            self._paths[file] = next(found, None)
        return self._paths[file]

    def _candidates(self, file: str) -> Iterator[Path]:
        if file in self._known:
            yield Path(self._known[file])
        parts = PurePosixPath(file).parts
        if not parts or parts[0] == "/" or ".." in parts:
            return
        yield from _importable(parts)
        yield from (folder.joinpath(*parts) for folder in self._folders)

    # --- from the client ---

    def file(self, path: str, reference: int) -> str:
        """Return the recorded file that a client means.

        Args:
            path: where the client has it; ``""`` if it does not say.
            reference: the number that it was described with; 0 for none.

        Raises:
            MissingError: there is none, or it has another text there.
        """
        if reference:
            return self.numbered(reference)
        posix = path.replace("\\", "/")
        for file in self._files:
            known = self.path(file)
            if posix == file or (known is not None and _is_same(known, path)):
                return file
        return self._ending(path, posix)

    def _ending(self, path: str, posix: str) -> str:
        """Return the file whose name a path ends with; from now on it is known to be there."""
        fitting = [f for f in self._files if f"/{posix}".endswith(f"/{f}")]
        if not fitting:
            raise MissingError(f"{clean(path, 120)} did not run in this recording")
        file = max(fitting, key=len)
        there = Path(path)
        if there.is_file():
            source = self._files[file]
            if not has(there, source):
                raise MissingError(
                    f"{clean(path, 120)} has another text than the recorded {clean(file)} "
                    f"({clean(source.package) or 'a file that has changed since'}): open the "
                    "recorded one, from the call stack or the loaded sources"
                )
            self._paths[file] = there
        return file

    def numbered(self, reference: int) -> str:
        """Return the file that was described with a number.

        Raises:
            MissingError: there is none.
        """
        for file, number in self._numbers.items():
            if number == reference:
                return file
        raise MissingError(f"there is no source {reference}; there are {len(self._numbers)}")

    def text(self, file: str) -> str:
        """Return the recorded text of a file."""
        return self._files[file].text


def _importable(parts: tuple[str, ...]) -> Iterator[Path]:
    """Yield where a file of an installed package, or a module, would be. Nothing is imported."""
    first = parts[0].removesuffix(".py") if len(parts) == 1 else parts[0]
    if not first.isidentifier():
        return
    try:
        spec = find_spec(first)
    except (ImportError, ValueError, AttributeError):
        return
    if spec is not None and len(parts) == 1 and spec.origin:
        yield Path(spec.origin)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(folder, *parts[1:])


def has(path: Path, source: SourceFile) -> bool:
    """Whether a file on this disk has the recorded text, line ends apart."""
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return False
    return text.rstrip("\n") == source.text.rstrip("\n")


def _is_same(known: Path, path: str) -> bool:
    if str(known) == path:
        return True
    try:
        return known.name.casefold() == Path(path).name.casefold() and known.samefile(path)
    except (OSError, ValueError):
        return False
