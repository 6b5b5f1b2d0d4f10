"""Which tensors are kept whole, and where their values wait until the run is over."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from tracer.capture import spill
from tracer.capture.value_trees import has_memory
from tracer.errors import InputError, near, option

Keep = None | bool | str | Iterable[str] | Callable[[str, str, str], bool]

_NUMPY = frozenset(
    {
        torch.bool,
        torch.uint8,
        torch.uint16,
        torch.uint32,
        torch.uint64,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.float32,
        torch.float64,
        torch.complex64,
        torch.complex128,
    }
)

ROLES = ("args", "within", "result")
MAP = "map"
"""The prefix of what is kept as a small picture that shows every cell."""

_LIMIT = re.compile(r"<(\d+(?:\.\d+)?)(kB|MB|GB)$")
_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


class KeepRule:
    """Decides, for a call and a role, whether its tensors are kept whole.

    A pattern is ``PATH`` (the results of matching calls), ``args:PATH`` (their arguments) or
    ``within:PATH`` (everything in and beneath them: arguments, results, locals). PATH may have the
    wildcards of `fnmatch`. With ``<20MB`` behind it (or ``kB``, ``GB``; a MB is 1,000,000 bytes)
    it keeps only tensors of fewer bytes: ``"backbone.fpn.layer_blocks.*<20MB"`` leaves the finest
    level of a large image out and keeps all levels of a small one. ``map:PATH`` keeps no values but
    a finer small picture of a result: of its first image each cell, up to `summaries.MAP_SIDE`.

    A predicate is called as ``keep(path, kind, role)`` with kind
    ``"module"``, ``"function"`` or ``"op"`` and role ``"args"``, ``"result"`` or ``"locals"``.

    Args:
        keep: a pattern or several, names of presets among them; True; or a predicate.
        presets: names that stand for several patterns.

    Attributes:
        nothing: whether nothing is ever kept.
        own: the patterns that are of no preset, and the path in each.
        presets: the paths of each preset that was asked for.

    Raises:
        InputError: a prefix or a limit that is not known, or another type.
    """

    def __init__(self, keep: Keep, presets: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.predicate = keep if callable(keep) else None
        asked = () if callable(keep) else _asked(keep)
        self.patterns = _patterns(asked, presets or {})
        known = presets or {}
        self.presets = {n: tuple(map(_path, known[n])) for n in asked if n in known}
        common = {pattern for preset in known.values() for pattern in preset}
        self.own = [(p, _path(p)) for p in self.patterns if p not in common]
        self._by_role: dict[str, list[tuple[str, float]]] = {role: [] for role in (*ROLES, MAP)}
        for pattern in self.patterns:
            whole, limit = _without_limit(pattern)
            role, _, path = whole.rpartition(":")
            self._by_role[role or "result"].append((path, limit))
        self._cache: dict[tuple[str, str], float] = {}
        self.nothing = keep is None or keep is False

    @property
    def described(self) -> tuple[str, ...]:
        """The patterns, for the record."""
        return ("<predicate>",) if self.predicate else self.patterns

    def wants(self, path: str, kind: str, role: str, within: float) -> float:
        """Below how many bytes tensors in this `role` of this call are kept; 0 for none.

        Args:
            path: of the call.
            kind: of the call.
            role: ``"args"``, ``"result"`` or ``"locals"``.
            within: what `opens` said of this call and those around it, at most.
        """
        if self.predicate is not None:
            return math.inf if self.predicate(path, kind, role) else 0.0
        return within if role == "locals" else max(within, self._limit(role, path))

    def draws(self, path: str, role: str) -> bool:
        """Whether a call's result is kept as a picture of all its cells."""
        return role == "result" and self._limit(MAP, path) > 0

    def opens(self, path: str) -> float:
        """Below how many bytes tensors in and beneath a call of this path are kept; 0 for none."""
        return self._limit("within", path)

    def _limit(self, role: str, path: str) -> float:
        patterns = self._by_role[role]
        if not patterns:
            return 0.0
        key = (role, path)
        if key not in self._cache:
            fitting = (limit for p, limit in patterns if fnmatch.fnmatchcase(path, p))
            self._cache[key] = max(fitting, default=0.0)
        return self._cache[key]


def _path(pattern: str) -> str:
    return _without_limit(pattern)[0].rpartition(":")[2]


def _without_limit(pattern: str) -> tuple[str, float]:
    """Split the limit in bytes off a pattern; infinite without one.

    Raises:
        InputError: what looks like a limit is none.
    """
    found = _LIMIT.search(pattern)
    if found is None:
        if re.search(r"<\s*\d", pattern):
            raise InputError(
                f"keep pattern {pattern!r} has a limit that is not understood: write it like <20MB "
                "(kB, MB or GB) at the end"
            )
        return pattern, math.inf
    return pattern[: found.start()], float(found[1]) * _UNITS[found[2]]


def below(tensor: torch.Tensor, limit: float) -> bool:
    """Whether a tensor has fewer bytes than a limit."""
    return limit > 0 and (limit == math.inf or tensor.numel() * tensor.element_size() < limit)


def _asked(keep: bool | str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the patterns and presets that were asked for."""
    if keep is None or keep is False:
        return ()
    if keep is True:
        return ("*", "args:*", "within:*")
    if isinstance(keep, str):
        return tuple(part.strip() for part in keep.split(",") if part.strip())
    if not isinstance(keep, Iterable):
        raise InputError(
            f"{option(keep=None)} takes patterns, a preset, True or a function; "
            f"found {type(keep).__name__}"
        )
    return tuple(keep)


def _patterns(asked: Iterable[str], presets: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found: list[str] = []
    for pattern in asked:
        if not isinstance(pattern, str):
            raise InputError(f"a keep pattern is a string; found {type(pattern).__name__}")
        prefix, colon, _ = pattern.rpartition(":")
        if colon and prefix not in (*ROLES, MAP):
            known = [f"{r}:" for r in (*ROLES[:2], MAP)]
            raise InputError(
                f"keep pattern {pattern!r} has the unknown prefix {prefix + ':'!r}"
                f"{near(prefix + ':', known)} (known: {', '.join(known)})"
            )
        found += presets.get(pattern, (pattern,))
    return tuple(dict.fromkeys(found))


class Store:
    """Kept values by blob name: in memory up to a budget, past it in a temporary folder.

    Args:
        budget: bytes that may stay in memory.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = 0
        self.spilled = 0
        self._arrays: dict[str, np.ndarray | _OnDisk] = {}
        self._folder: Path | None = None

    def put(self, name: str, tensor: torch.Tensor) -> bool:
        """Copy a tensor's values now, if it has any; types that numpy lacks are widened.

        Returns:
            Whether they were kept: not those of a tensor that no kernel reads.
        """
        plain = tensor.detach()
        if plain.layout is not torch.strided or plain.device.type == "meta" or plain.is_quantized:
            return False
        if not has_memory(plain):
            return False
        try:
            array = _copied(plain)
        except (RuntimeError, MemoryError):
            return False
        if self.used + array.nbytes <= self.budget:
            self.used += array.nbytes
            self._arrays[name] = array
        else:
            self._arrays[name] = self._spill(name, array)
        return True

    def get(self, name: str) -> np.ndarray | None:
        """Return what was put under a name; None if nothing was."""
        array = self._arrays.get(name)
        return array.read() if isinstance(array, _OnDisk) else array

    def blobs(self, pictures: Iterable[tuple[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
        """Everything put so far and the pictures, as one mapping."""
        return Blobs({**self._arrays, **dict(pictures)}, self)

    def _spill(self, name: str, array: np.ndarray) -> _OnDisk:
        if self._folder is None:
            self._folder = spill.folder(self)
        path = self._folder / name.replace("/", "-")
        array.tofile(path)
        self.spilled += array.nbytes
        return _OnDisk(path, array.dtype, array.shape)


def _copied(plain: torch.Tensor) -> np.ndarray:
    if plain.dtype not in _NUMPY:
        plain = plain.to(torch.complex64 if plain.dtype.is_complex else torch.float32)
    copy = torch.empty(plain.shape, dtype=plain.dtype)
    copy.copy_(plain.resolve_conj().resolve_neg())
    found: np.ndarray = copy.numpy()
    return found


class _OnDisk:
    """Where an array lies that did not fit into the memory budget."""

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self.path, self.dtype, self.shape = path, dtype, shape

    def read(self) -> np.ndarray:
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)
        return np.memmap(self.path, dtype=self.dtype, mode="r", shape=self.shape)


class Blobs(Mapping[str, np.ndarray]):
    """Arrays by name; what is on disk is mapped into memory only when asked for.

    It holds the store, so that the temporary folder lives as long as the recording.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray | _OnDisk], store: Store) -> None:
        self._arrays = dict(arrays)
        self._store = store

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one array."""
        array = self._arrays[name]
        return array.read() if isinstance(array, _OnDisk) else array

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """How many arrays there are."""
        return len(self._arrays)
