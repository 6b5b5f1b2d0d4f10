"""Source files: which ones are recorded, how they are named, and their text."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import linecache
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from tracer.errors import InputError
from tracer.record import Source, SourceFile
from tracer.record.statements import Statement, statements

_OURS = str(Path(__file__).resolve().parents[1])
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


class Sources:
    """Decides which code belongs to the traced packages, and collects the text that ran.

    Args:
        packages: names of importable packages or modules to trace, e.g. ``("torchvision",)``.
        owners: classes and functions whose own package (or, outside a package, whose file) is
            traced too. torch itself never is.
    """

    def __init__(self, packages: Iterable[str], owners: Iterable[Any]) -> None:
        self.folders: list[str] = []
        self.files: set[str] = set()
        self.packages: list[str] = []
        for name in packages:
            self._add_package(name)
        for owner in owners:
            self._add_owner(owner)
        self._traced: dict[str, bool] = {}
        self._keys: dict[str, str] = {}
        self._places: dict[tuple[str, int], Source] = {}
        self._names: dict[CodeType, str] = {}
        self._indexed: set[str] = set()
        self._statements: dict[str, dict[int, Statement]] = {}
        self._codes: dict[str, list[CodeType]] = {}  # that were asked for, by file
        self._as_it_ran: dict[tuple[str, int], bool] = {}
        self._last: dict[str, int] = {}  # the last line that was named of each file
        self._firsts: dict[tuple[str, int, str], int] = {}

    def traces(self, code: CodeType) -> bool:
        """Whether functions with this code are recorded."""
        filename = code.co_filename
        found = self._traced.get(filename)
        if found is None:
            found = filename in self.files or filename.startswith(tuple(self.folders))
            found = found and not filename.startswith(_OURS)
            self._traced[filename] = found
        return found

    def is_own_call(self, code: CodeType) -> bool:
        """Whether this code is a function that a reader would call one.

        Comprehensions are part of their function; class bodies and modules run on import;
        generators are resumed many times and have no single start and end.
        """
        if code.co_name in _COMPREHENSIONS or code.co_name == "<module>":
            return False
        self._codes.setdefault(code.co_filename, []).append(code)
        generator = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
        return bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_flags & generator

    def place(self, filename: str, line: int) -> Source:
        """Name a place in a source file."""
        place = self._places.get((filename, line))
        if place is None:
            key = self._keys.get(filename)
            if key is None:
                key = self._keys[filename] = self._new_key(filename)
            place = self._places[filename, line] = Source(key, line)
            self._reached(filename, line)
        return place

    def name(self, filename: str) -> str:
        """What a source file is called in the record, or would be; it is not part of it yet."""
        return self._keys.get(filename) or self._new_key(filename)

    def _reached(self, filename: str, line: int) -> None:
        """Note that the record names a line."""
        self._last[filename] = max(line, self._last.get(filename, 0))

    def statement(self, code: CodeType, line: int) -> Statement:
        """The statement that a line of a function belongs to; the line where nothing is known."""
        found = self._statements.get(code.co_filename)
        if found is None:
            text = self._text(code.co_filename)
            found = self._statements[code.co_filename] = statements(text)
        if line not in found:
            self._reached(code.co_filename, line)
            return Statement(line)
        return found[line]

    def in_order(self, code: CodeType, names: list[str]) -> list[str]:
        """Names of a function's locals as they first stand in its source, the same everywhere."""
        if len(names) < 2:
            return names
        return sorted(names, key=lambda name: (self._first(code, name), name))

    def _first(self, code: CodeType, name: str) -> int:
        """How far behind the head of a function a name stands for the first time."""
        key = (code.co_filename, code.co_firstlineno, name)
        if key not in self._firsts:
            text = "".join(linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :])
            found = re.search(rf"\b{re.escape(name)}\b", text)
            self._firsts[key] = found.start() if found else len(text)
        return self._firsts[key]

    def calling(self, frame: FrameType | None) -> Source | None:
        """The innermost line of traced code at or above `frame`."""
        while frame is not None:
            if self.traces(frame.f_code):
                return self.place(frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        return None

    def qualified_name(self, frame: FrameType) -> str:
        """``Class.method`` or ``outer.<locals>.inner`` of the function that runs in `frame`."""
        code = frame.f_code
        if sys.version_info >= (3, 11):
            return code.co_qualname
        if code not in self._names:
            module = frame.f_globals.get("__name__", "")
            if module not in self._indexed:
                self._indexed.add(module)
                _index(sys.modules.get(module), self._names)
        return self._names.get(code, code.co_name)

    def collected(self) -> dict[str, SourceFile]:
        """The text of every file that was named, by its key."""
        return {
            key: _source_file(filename, key, self._text(filename) or "\n" * self._last[filename])
            for filename, key in self._keys.items()
        }

    def without_text(self) -> list[str]:
        """The names of files whose text is not that which ran: their lines are empty."""
        return [key for filename, key in self._keys.items() if not self._text(filename)]

    def _text(self, filename: str) -> str:
        """The text of a file as it ran; ``""`` if it is not at hand.

        It never was in a file (``python -c``), or another was saved there since: then its functions
        do not stand where those that run do.
        """
        text = "".join(linecache.getlines(filename))
        if text.count("\n") + 1 < self._last.get(filename, 0):
            return ""
        if "site-packages" in filename:
            return text
        codes = self._codes.get(filename, [])
        if (filename, len(codes)) not in self._as_it_ran:
            self._as_it_ran[filename, len(codes)] = _has(text, codes)
        return text if self._as_it_ran[filename, len(codes)] else ""

    def _new_key(self, filename: str) -> str:
        key = _key(filename)
        taken = set(self._keys.values())
        path = Path(filename)
        for parent in path.parents:
            if key not in taken or not parent.name:
                break
            key = f"{parent.name}/{key}"
        return key

    def _add_package(self, name: str) -> None:
        try:
            module = __import__(name, fromlist=["_"])
        except ImportError as error:
            raise InputError(
                f"packages= names {name!r}, which cannot be imported ({error}); "
                "give the import name of an installed package"
            ) from error
        file = getattr(module, "__file__", None)
        if file is None:
            raise InputError(f"packages= names {name!r}, which has no Python source file")
        self._add_file(file, name)

    def _add_owner(self, owner: Any) -> None:
        name = getattr(owner, "__module__", None) or ""
        if name.partition(".")[0] in ("torch", "builtins"):
            return
        try:
            file = inspect.getsourcefile(inspect.unwrap(owner)) or ""
        except (TypeError, OSError):
            # a class of a notebook or of __main__ has no file of its own: its functions have
            codes = (getattr(v, "__code__", None) for v in vars(owner).values())
            self.files.update(c.co_filename for c in codes if c is not None)
            return
        self._add_file(file, name.partition(".")[0])

    def _add_file(self, file: str, package: str) -> None:
        root = _package_root(Path(file))
        if root is None:
            self.files.add(file)
            return
        folder = f"{root}/"
        if folder not in self.folders:
            self.folders.append(folder)
            self.packages.append(package.partition(".")[0])


def _package_root(file: Path) -> Path | None:
    """The outermost folder of the package that a file lies in, or None."""
    root = None
    for folder in file.parents:
        if not (folder / "__init__.py").is_file():
            break
        root = folder
    return root


def _key(filename: str) -> str:
    root = _package_root(Path(filename))
    return Path(filename).relative_to(root.parent).as_posix() if root else Path(filename).name


def _has(text: str, codes: Iterable[CodeType]) -> bool:
    """Whether functions stand in a text; not to be said of what is no plain Python (a cell)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            within = _functions(compile(text, "", "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return all(
        (c.co_name, c.co_firstlineno, c.co_varnames[: c.co_argcount]) in within for c in codes
    )


def _functions(code: CodeType) -> set[tuple[str, int, tuple[str, ...]]]:
    """Name, first line and arguments of each function in a compiled text."""
    found = {(code.co_name, code.co_firstlineno, code.co_varnames[: code.co_argcount])}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found |= _functions(inner)
    return found


def _source_file(filename: str, key: str, text: str) -> SourceFile:
    package = key.partition("/")[0]
    if _package_root(Path(filename)) is None:
        return SourceFile(key, text)
    return SourceFile(key, text, *_package_facts(package))


@functools.lru_cache(maxsize=256)
def _package_facts(package: str) -> tuple[str, str]:
    """(name and version, licence) of an installed package; empty of one that is not installed."""
    try:
        facts = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return "", ""
    licence = next((facts[k] for k in ("License-Expression", "License") if k in facts), "")
    return f"{package} {facts['Version']}", licence.split("\n")[0][:100]


def _index(module: ModuleType | None, names: dict[CodeType, str]) -> None:
    """Collect the qualified names of a module's functions (Python 3.10 keeps them off the code)."""
    if module is None:
        return
    for value in list(vars(module).values()):
        if inspect.isclass(value) and value.__module__ == module.__name__:
            for member in vars(value).values():
                member = getattr(member, "__func__", getattr(member, "fget", member))
                _index_function(member, names)
        else:
            _index_function(value, names)


def _index_function(function: Any, names: dict[CodeType, str]) -> None:
    while function is not None:
        code = getattr(function, "__code__", None)
        if isinstance(code, CodeType):
            _index_code(code, function.__qualname__, names)
        function = getattr(function, "__wrapped__", None)


def _index_code(code: CodeType, name: str, names: dict[CodeType, str]) -> None:
    names.setdefault(code, name)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            between = (
                ".<locals>" if code.co_flags & inspect.CO_OPTIMIZED else ""
            )  # of a class: none
            _index_code(inner, f"{name}{between}.{inner.co_name}", names)
