"""Dataclasses to plain JSON and back, by their type hints alone.

The document is ``{"columns": …, "tables": …, "root": …}``. A dataclass becomes a row, a list of its
fields in the order that ``columns`` names, without the last ones where they have their defaults.
Instances of the *shared* classes are written once, into a table of their class; where they occur
stands their row's number. A row refers to earlier rows only, so that no document, whoever wrote
it, can contain a cycle, and nested values need no nested JSON.

Numbers that JSON or its readers would spoil are written as ``{"float": "nan"}``, ``"inf"`` or
``"-inf"``, and beyond 2**53 as ``{"int": "0x20000000000001"}``. A float that is whole may be
written as ``{"float": "8.0"}``, for readers who know one kind of numbers.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

SCALARS = (type(None), bool, int, float, str)
EXACT = 2**53
"""The whole numbers up to here are the same in every JSON reader."""
MAX_BITS = 14_000
"""Longer whole numbers cannot be shown: Python refuses to write more than 4300 digits."""

Convert = Callable[[Any], Any]


class Misfit(Exception):
    """Data that does not have the type it should; `str` says where and what it is."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = ""

    def within(self, place: str) -> Misfit:
        """Return this error, seen from one level further out."""
        self.where = place + self.where
        return self

    def __str__(self) -> str:
        return f"{self.where.lstrip('.')}: {self.problem}" if self.where else self.problem


def encode(root: Any, shared: tuple[type, ...], omit: frozenset[str]) -> dict[str, Any]:
    """Turn a dataclass into JSON data.

    Args:
        root: an instance of a dataclass whose hints name scalars, dataclasses, and tuples,
            string-keyed mappings and optionals of these.
        shared: the classes that get a table; one may refer to itself and to those before it.
        omit: names of fields of the root that stay out.

    Raises:
        Misfit: a field holds something else than its hint says.
    """
    writer = _Writer(shared)
    row = writer.row(_declared(type(root)), omit)(root)
    return {
        "columns": {cls.__name__: list(names) for cls, names in writer.columns.items()},
        "tables": {cls.__name__: rows for cls, rows in writer.tables.items()},
        "root": row,
    }


@cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of a class's fields; to read them out of its annotations takes a while."""
    return get_type_hints(cls)


def _declared(cls: type) -> type:
    """Return the dataclass that a class with more methods, and no more fields, stands for."""
    return next((c for c in cls.__mro__ if "__dataclass_fields__" in vars(c)), cls)


def decode(document: Any, root: type, shared: tuple[type, ...], omit: frozenset[str]) -> Any:
    """Turn what `encode` made into the keyword arguments for the root's class.

    Raises:
        Misfit: the document is not one that `encode` could have made.
    """
    parts = _known_keys(document, ("columns", "tables", "root"))
    reader = _Reader(parts["columns"], shared)
    tables = _known_keys(parts["tables"], tuple(cls.__name__ for cls in shared))
    for cls in shared:
        reader.read_table(cls, tables[cls.__name__])
    return reader.fields(root, omit)(parts["root"])


def _known_keys(data: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if type(data) is not dict or set(data) != set(keys):
        raise Misfit(f"expected the entries {', '.join(keys)}, found {_found(data)}")
    return data


def _found(data: Any) -> str:
    """Say what untrusted data is, shortly and printably."""
    if not isinstance(data, SCALARS):
        return f"a {type(data).__name__}"
    if isinstance(data, int) and _is_huge(data, MAX_BITS):
        return f"a whole number of {data.bit_length()} bits"
    text = repr(data)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _is_huge(value: Any, bits: int) -> bool:
    return isinstance(value, int) and value.bit_length() > bits


class _Converters(ABC):
    """Makes the function that converts what a type hint describes, once per hint."""

    def __init__(self) -> None:
        self._made: dict[Any, Convert] = {}

    def of(self, hint: Any) -> Convert:
        """Return the function for a hint."""
        if hint not in self._made:
            self._made[hint] = self._make(hint)
        return self._made[hint]

    def _make(self, hint: Any) -> Convert:
        origin, args = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return self._union(hint, args)
        if origin is tuple and args[-1] is Ellipsis:
            return self.sequence(self.of(args[0]))
        if origin is tuple:
            return self.fixed(tuple(self.of(arg) for arg in args))
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self.mapping(self.of(args[1]))
        if dataclasses.is_dataclass(hint):
            return self.dataclass(hint)
        if hint in SCALARS:
            return self.scalar((hint,))
        raise TypeError(f"no encoding for a field of type {hint}")

    def _union(self, hint: Any, members: tuple[Any, ...]) -> Convert:
        others = [member for member in members if member not in SCALARS]
        if not others:
            return self.scalar(members)
        if len(others) > 1 or set(members) - set(others) != {type(None)}:
            raise TypeError(f"no encoding for a field of type {hint}")
        convert = self.of(others[0])
        return lambda data: None if data is None else convert(data)

    @abstractmethod
    def dataclass(self, cls: Any) -> Convert:
        """Return the function for an instance of a dataclass."""

    @abstractmethod
    def sequence(self, convert: Convert) -> Convert:
        """Return the function for a tuple of any length, given that for its items."""

    @abstractmethod
    def fixed(self, converts: tuple[Convert, ...]) -> Convert:
        """Return the function for a tuple, given those for each of its items."""

    @abstractmethod
    def mapping(self, convert: Convert) -> Convert:
        """Return the function for a mapping with strings as keys, given that for its values."""

    @abstractmethod
    def scalar(self, allowed: tuple[type, ...]) -> Convert:
        """Return the function for a scalar of the allowed types."""


class _Writer(_Converters):
    """Makes the functions that write; collects the tables."""

    def __init__(self, shared: tuple[type, ...]) -> None:
        super().__init__()
        self.columns: dict[type, tuple[str, ...]] = {}
        self.tables: dict[type, list[Any]] = {cls: [] for cls in shared}

    def dataclass(self, cls: type) -> Convert:
        if cls in self.tables:
            return self.share(cls)
        return self.row(cls)

    def share(self, cls: type) -> Convert:
        rows = self.tables[cls]
        by_identity: dict[int, int] = {}
        by_text: dict[str, int] = {}
        write: list[Convert] = []  # made on the first use: the class may contain itself

        def convert(value: Any) -> int:
            known = by_identity.get(id(value))
            if known is not None:
                return known
            if not write:
                write.append(self.row(cls))
            row = write[0](value)
            # By text, not by equality: 0.0 equals -0.0, and True equals 1.
            number = by_text.setdefault(repr(row), len(rows))
            if number == len(rows):
                rows.append(row)
            by_identity[id(value)] = number
            return number

        return convert

    def row(self, cls: type, omit: frozenset[str] = frozenset()) -> Convert:
        hints = _hints(cls)
        fields = [f for f in dataclasses.fields(cls) if f.name not in omit]
        self.columns[cls] = tuple(f.name for f in fields)
        columns = [(f.name, self.of(hints[f.name]), f.default) for f in fields]

        def convert(value: Any) -> list[Any]:
            if type(value) is not cls and _declared(type(value)) is not cls:
                raise Misfit(f"expected a {cls.__name__}, found {_found(value)}")
            row: list[Any] = []
            length = 0
            for name, write, default in columns:
                item = getattr(value, name)
                try:
                    row.append(write(item))
                except Misfit as misfit:
                    raise misfit.within(f".{name}") from None
                if item is not default:
                    length = len(row)
            return row[:length]

        return convert

    def sequence(self, write: Convert) -> Convert:
        def convert(items: Any) -> list[Any]:
            if not isinstance(items, tuple):
                raise Misfit(f"expected a tuple, found {_found(items)}")
            return _each(items, write)

        return convert

    def fixed(self, writes: tuple[Convert, ...]) -> Convert:
        def convert(items: Any) -> list[Any]:
            if not isinstance(items, tuple) or len(items) != len(writes):
                raise Misfit(f"expected a tuple of {len(writes)}, found {_found(items)}")
            return [write(item) for write, item in zip(writes, items, strict=True)]

        return convert

    def mapping(self, write: Convert) -> Convert:
        def convert(items: Any) -> dict[str, Any]:
            if not isinstance(items, Mapping) or not all(isinstance(k, str) for k in items):
                raise Misfit(f"expected a mapping with strings as keys, found {_found(items)}")
            return dict(zip(items, _each(tuple(items.values()), write), strict=True))

        return convert

    def scalar(self, allowed: tuple[type, ...]) -> Convert:
        check = _checker(allowed)
        plain = frozenset(allowed) - {int, float}
        whole = int in allowed or float in allowed

        def convert(value: Any) -> Any:
            kind = type(value)
            if kind in plain or (kind is int and whole and -EXACT <= value <= EXACT):
                return value
            check(value)
            if isinstance(value, float) and not math.isfinite(value):
                return {"float": repr(float(value))}
            if isinstance(value, int) and not -EXACT <= value <= EXACT:
                return {"int": hex(value)}
            return value

        return convert


class _Reader(_Converters):
    """Makes the functions that read; holds the tables as far as they are read."""

    def __init__(self, columns: Any, shared: tuple[type, ...]) -> None:
        if type(columns) is not dict:
            raise Misfit(f"expected the columns of each class, found {_found(columns)}").within(
                "columns"
            )
        super().__init__()
        self.columns = columns
        self.tables: dict[type, list[Any]] = {cls: [] for cls in shared}

    def read_table(self, cls: type, data: Any) -> None:
        if type(data) is not list:
            raise Misfit(f"expected a list, found {_found(data)}").within(f"tables.{cls.__name__}")
        if not data:
            return
        read, rows = self.instance(cls), self.tables[cls]
        for number, row in enumerate(data):
            try:
                rows.append(read(row))
            except Misfit as misfit:
                raise misfit.within(f"{cls.__name__} {number}") from None

    def dataclass(self, cls: type) -> Convert:
        if cls not in self.tables:
            return self.instance(cls)
        rows = self.tables[cls]

        def convert(number: Any) -> Any:
            if type(number) is not int or not 0 <= number < len(rows):
                raise Misfit(f"expected the number of a {cls.__name__}, found {_found(number)}")
            return rows[number]

        return convert

    def instance(self, cls: type) -> Convert:
        fields = self.fields(cls)
        return lambda data: cls(**fields(data))

    def fields(self, cls: type, omit: frozenset[str] = frozenset()) -> Convert:
        hints = _hints(cls)
        known = {f.name: f for f in dataclasses.fields(cls) if f.name not in omit}
        names = self.columns.get(cls.__name__)
        if type(names) is not list or not all(type(n) is str and n in known for n in names):
            raise Misfit(f"does not name fields of {cls.__name__}").within(
                f"columns.{cls.__name__}"
            )
        columns = [(name, self.of(hints[name])) for name in names]
        required = [name for name, f in known.items() if _is_required(f)]

        def convert(row: Any) -> dict[str, Any]:
            if type(row) is not list or len(row) > len(columns):
                raise Misfit(f"expected a row of a {cls.__name__}, found {_found(row)}")
            found = {}
            for (name, read), item in zip(columns, row, strict=False):
                try:
                    found[name] = read(item)
                except Misfit as misfit:
                    raise misfit.within(f".{name}") from None
            missing = [name for name in required if name not in found]
            if missing:
                raise Misfit(f"a {cls.__name__} without {', '.join(missing)}")
            return found

        return convert

    def sequence(self, read: Convert) -> Convert:
        def convert(data: Any) -> tuple[Any, ...]:
            if type(data) is not list:
                raise Misfit(f"expected a list, found {_found(data)}")
            return tuple(_each(data, read))

        return convert

    def fixed(self, reads: tuple[Convert, ...]) -> Convert:
        def convert(data: Any) -> tuple[Any, ...]:
            if type(data) is not list or len(data) != len(reads):
                raise Misfit(f"expected a list of {len(reads)}, found {_found(data)}")
            return tuple(read(item) for read, item in zip(reads, data, strict=True))

        return convert

    def mapping(self, read: Convert) -> Convert:
        def convert(data: Any) -> dict[str, Any]:
            if type(data) is not dict:
                raise Misfit(f"expected an object, found {_found(data)}")
            return dict(zip(data, _each(list(data.values()), read), strict=True))

        return convert

    def scalar(self, allowed: tuple[type, ...]) -> Convert:
        check = _checker(allowed)
        plain = frozenset(allowed) - {int}
        whole = int in allowed or float in allowed

        def convert(data: Any) -> Any:
            if type(data) in plain or (whole and type(data) is int and -EXACT <= data <= EXACT):
                return data
            value = _special(data) if type(data) is dict else data
            check(value)
            return value

        return convert


def _each(items: Any, convert: Convert) -> list[Any]:
    done: list[Any] = []
    try:
        for item in items:
            done.append(convert(item))
    except Misfit as misfit:
        raise misfit.within(f"[{len(done)}]") from None
    return done


def _checker(allowed: tuple[type, ...]) -> Callable[[Any], None]:
    """Return the function that raises for anything but a scalar of the allowed types.

    Whole numbers may stand for floats, and have 64 bits where they count or refer to something.
    A float may be any number of 64 bits, signed or not.
    """
    accepted = (*allowed, int) if float in allowed else allowed
    bits = MAX_BITS if str in allowed else 64 if float in allowed else 63
    expected = " or ".join("null" if t is type(None) else t.__name__ for t in allowed)

    def check(value: Any) -> None:
        fits = type(value) in accepted or (
            isinstance(value, accepted) and not isinstance(value, bool)  # bool is an int's subclass
        )
        if not fits or _is_huge(value, bits):
            raise Misfit(f"expected {expected}, found {_found(value)}")

    return check


def _is_required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


_WHOLE = re.compile(r"-?0x[0-9a-f]+")
_FLOAT = re.compile(r"nan|-?inf|-?[0-9]{1,17}(\.[0-9]{1,17})?(e\+[0-9]{1,3})?")


def _special(data: dict[str, Any]) -> Any:
    """Read a number that is written in words; anything else comes back as it is."""
    text = data.get("float")
    if len(data) == 1 and isinstance(text, str) and _FLOAT.fullmatch(text):
        return float(text)
    text = data.get("int")
    if len(data) == 1 and isinstance(text, str) and _WHOLE.fullmatch(text):
        return int(text, 16)
    return data
