"""Which tensor is which: the table of tensor states while the run goes on.

A state's number stands for what a tensor held from one write to the next (see `tracer.record`).
Python's `id()` is reused and inference tensors have no version counter, so identity is tracked:
by a weak reference to the tensor object, by the memory it occupies, and by the writes that the
dispatcher reports (`TensorStates.wrote`); a version counter, where there is one, is the second
witness.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch

from tracer.capture import process
from tracer.capture.keep import Store
from tracer.capture.summaries import (
    Reading,
    develop,
    extremes,
    fingerprint,
    read,
    refine,
    settle,
    shape_only,
    unseen,
)
from tracer.capture.value_trees import extent, is_parameter
from tracer.record import TensorState

BATCH = 4096  # readings that may wait to be completed: tens of megabytes

# producer, previous, base, name: see `TensorState`
_Origin = tuple[int | None, int | None, int | None, str]


class _Seen(weakref.ref[torch.Tensor]):
    """One live tensor object and the state that it is in; a weak reference to the tensor."""

    __slots__ = ("dtype", "excused", "extent", "key", "place", "state", "version", "writer")
    __eq__ = object.__eq__  # of references: whether the tensors are equal, value by value
    __hash__ = object.__hash__

    def __init__(self, tensor: torch.Tensor, forget: Callable[[_Seen], None]) -> None:
        super().__init__(tensor, forget)  # type: ignore[call-arg]
        self.key = id(tensor)
        self.dtype = tensor.dtype
        self.place = _place(tensor)
        self.extent = extent(tensor)
        self.version = version(tensor)
        self.state = -1
        self.writer: int | None = None
        self.excused = False

    @property
    def storage(self) -> int:
        """The memory block that it was seen in; 0 for none."""
        return self.place[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that it was seen in."""
        return self.place[1]


_Place = tuple[int, tuple[int, ...], tuple[int, ...], int]


def _place(tensor: torch.Tensor) -> _Place:
    """Its memory block, shape, strides and offset: ``x.data = other`` gives it other ones."""
    if tensor.layout is not torch.strided:
        return (0, tensor.shape, (), 0)
    return (_storage(tensor), tensor.shape, tensor.stride(), int(tensor.storage_offset()))


def _is_rewritten(seen: _Seen, tensor: torch.Tensor) -> bool:
    """Whether the tensor was written to since it was seen, or was given other memory.

    The views of one tensor share its version counter: a write into another part of it, which the
    dispatcher reported, moves the counter too and is excused.
    """
    if seen.writer is not None or seen.place != _place(tensor):
        return True
    now = version(tensor)
    if seen.version == now:
        return False
    if seen.excused:
        seen.version, seen.excused = now, False
        return False
    return True


def version(tensor: torch.Tensor) -> int:
    """The autograd version counter; -1 for an inference tensor, which has none."""
    return -1 if tensor.is_inference() else tensor._version


def _storage(tensor: torch.Tensor) -> int:
    """A number for the memory block, valid while a tensor on it is alive; 0 where there is none."""
    try:
        found: int = tensor.untyped_storage()._cdata
        return found
    except (NotImplementedError, RuntimeError):
        return 0


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


class TensorStates:
    """Numbers tensor states, summarises each once, and keeps the data that was asked for.

    Args:
        names: dotted name by `id` of each parameter and buffer of the traced model.
        pictures: whether to take previews and histograms.
        store: where kept data goes.
        fingerprints: whether to take them, see `tracer.capture.fingerprints`.
    """

    def __init__(
        self, names: Mapping[int, str], pictures: bool, store: Store, fingerprints: bool = False
    ) -> None:
        self.names = names
        self.pictures = pictures
        self.store = store
        self.fingerprints = fingerprints
        self.origins: list[_Origin] = []
        self.readings: list[Reading] = []
        self.reshaped: dict[int, tuple[int, ...]] = {}  # views that share another state's reading
        self.reordered: dict[int, str] = {}  # fingerprints of views that have its values otherwise
        self.ended: dict[int, int] = {}  # state -> the call that overwrote it
        self.kept: set[int] = set()
        self.blank: set[int] = set()
        self._by_id: dict[int, _Seen] = {}
        self._by_storage: dict[int, dict[int, _Seen]] = {}  # the inner by `id` of the tensor

    def see(
        self,
        tensor: torch.Tensor,
        producer: int | None = None,
        keep: bool = False,
        blank: bool = False,
        drawn: bool = False,
    ) -> int:
        """Return the number of the state that `tensor` is in now; a new one if it was not seen so.

        Args:
            tensor: a live tensor.
            producer: the call that made it, if it is new.
            keep: keep its full values.
            blank: it was just allocated, so that its values mean nothing.
            drawn: let its small picture show every cell.
        """
        seen = self._by_id.get(id(tensor))
        if seen is None or seen() is not tensor:
            state = self._first_sight(tensor, producer, blank)
        elif _is_rewritten(seen, tensor):
            state = self._rewritten(seen, tensor, producer)
        else:
            state = seen.state
        if blank:
            self.blank.add(state)
        if drawn and self.pictures and state not in self.blank:
            refine(self.readings[state], tensor)
        if keep and state not in self.kept and state not in self.blank:
            with unseen():
                if self.store.put(f"data/{state}", tensor):
                    self.kept.add(state)
        return state

    def wrote(self, tensor: torch.Tensor, call: int | None) -> None:
        """Note that `call` is writing into `tensor`'s memory: what is seen there has ended."""
        touched, storage = extent(tensor), _storage(tensor)
        for seen in self._in(storage):
            other = seen()
            if other is None or _storage(other) != storage:
                continue  # it has other memory by now
            if _overlap(seen.extent, touched):
                seen.writer = -1 if call is None else call
                if call is not None:
                    self.ended.setdefault(seen.state, call)
            else:
                seen.excused = True

    def close(self) -> None:
        """The run is over: forget the tensors, whose weak references hold this table."""
        self._by_id.clear()
        self._by_storage.clear()

    def frozen(self) -> tuple[TensorState, ...]:
        """The table so far, with everything fetched from the device."""
        self._settle(self.readings)
        return tuple(self._row(number) for number in range(len(self.origins)))

    def _row(self, number: int) -> TensorState:
        producer, previous, base, name = self.origins[number]
        reading = self.readings[number]
        shape = self.reshaped.get(number)
        return TensorState(
            number,
            reading.summary if shape is None else replace(reading.summary, shape=shape),
            producer,
            previous,
            self.ended.get(number),
            base,
            name,
            reading.preview if shape is None else None,
            number in self.kept,
            self.reordered.get(number, reading.fingerprint),
        )

    def state(self, number: int) -> TensorState:
        """One row of that table, without its picture."""
        settle([self.readings[number]])
        return self._row(number)

    def pictures_taken(self) -> Iterator[tuple[str, np.ndarray]]:
        """(blob name, uint8 [K, h, w]) of every preview; after `frozen`."""
        for i, reading in enumerate(self.readings):
            if reading.picture is not None and i not in self.reshaped:
                yield f"preview/{i}", reading.picture

    def _first_sight(self, tensor: torch.Tensor, producer: int | None, blank: bool) -> int:
        seen = _Seen(tensor, self._forget)
        relative = self._relative(seen)
        reading = Reading(shape_only(tensor)) if blank else None
        reshaped, reordered = False, ""
        if relative is not None and self._same_values(relative, seen):
            reading = self.readings[relative.state]
            reshaped = relative.state in self.reshaped or seen.shape != relative.shape
            if _in_one_order(relative, seen):
                reordered = self.reordered.get(relative.state, "")
            elif self.fingerprints:
                reordered = fingerprint(tensor)
        base = relative.state if relative is not None else None
        seen.state = self._add(tensor, producer, reading, base=base)
        if reshaped:
            self.reshaped[seen.state] = tuple(seen.shape)
        if reordered:
            self.reordered[seen.state] = reordered
        self._remember(seen)
        return seen.state

    def _rewritten(self, seen: _Seen, tensor: torch.Tensor, producer: int | None) -> int:
        """The tensor was written to, or given other memory: a new state follows the old one."""
        if seen.writer is not None and seen.writer >= 0:
            producer = seen.writer
        elif producer is not None:
            self.ended.setdefault(seen.state, producer)
        self._forget(seen)
        again = _Seen(tensor, self._forget)
        again.state = self._add(tensor, producer, None, previous=seen.state)
        self._remember(again)
        return again.state

    def _remember(self, seen: _Seen) -> None:
        self._by_id[seen.key] = seen
        if seen.storage:
            self._by_storage.setdefault(seen.storage, {})[seen.key] = seen

    def _in(self, storage: int) -> tuple[_Seen, ...]:
        """What was seen in a memory block, the first first."""
        return tuple(self._by_storage.get(storage, {}).values())

    def _add(
        self,
        tensor: torch.Tensor,
        producer: int | None,
        reading: Reading | None,
        previous: int | None = None,
        base: int | None = None,
    ) -> int:
        name = self.names.get(id(tensor), "")
        if reading is None:
            reading = self._read(tensor, bool(name))
        number = len(self.origins)
        self.readings.append(reading)
        self.origins.append((producer, previous, base, name))
        if len(self.readings) % BATCH == 0:
            self._settle(self.readings[-BATCH:])
        return number

    def _read(self, tensor: torch.Tensor, named: bool) -> Reading:
        """Read a tensor; of weights and buffers no more than their extremes.

        Reading all of 41 million weights would cost as much as a stage of the pass, and they do not
        change in it; their fingerprints are taken when it is over.
        """
        if not named and not is_parameter(tensor):
            return read(tensor, self.pictures, fingerprints=self.fingerprints)
        reading = extremes(tensor)
        if self.fingerprints and not is_parameter(tensor):
            reading.fingerprint = fingerprint(tensor)
        return reading

    def _settle(self, readings: list[Reading]) -> None:
        settle(readings)
        develop(readings)

    def _relative(self, seen: _Seen) -> _Seen | None:
        """The first live tensor whose memory the new one looks into."""
        for other in self._in(seen.storage):
            tensor = other()
            if tensor is None or not _overlap(other.extent, seen.extent):
                continue
            if not _is_rewritten(other, tensor):
                return other
            self._rewritten(other, tensor, None)
            now = self._by_id[other.key]
            if now.storage == seen.storage and _overlap(now.extent, seen.extent):
                return now
        return None

    def _same_values(self, other: _Seen, seen: _Seen) -> bool:
        """Whether two views hold the same values: the same memory, all of it, as the same type."""
        return (
            other.extent == seen.extent
            and other.dtype == seen.dtype
            and _count(other.shape) == _count(seen.shape)
            and _is_dense(other)
            and _is_dense(seen)
        )

    @process.undisturbed  # an interrupt that a weak reference's callback raised would be lost
    def _forget(self, seen: _Seen) -> None:
        """A tensor object died, or is in another state: its number is never handed out again."""
        if self._by_id.get(seen.key) is seen:
            del self._by_id[seen.key]
        others = self._by_storage.get(seen.storage)
        if others is not None and others.get(seen.key) is seen:
            del others[seen.key]
            if not others:
                del self._by_storage[seen.storage]


def _count(shape: tuple[int, ...]) -> int:
    n = 1
    for size in shape:
        n *= size
    return n


def _in_one_order(a: _Seen, b: _Seen) -> bool:
    """Whether two dense views of the same memory go through it in the same order."""
    return a.place[1:3] == b.place[1:3] or (_is_row_major(a) and _is_row_major(b))


def _is_row_major(seen: _Seen) -> bool:
    _, shape, strides, _ = seen.place
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True


def _is_dense(seen: _Seen) -> bool:
    """Whether every byte of the extent belongs to exactly one value."""
    start, stop = seen.extent
    return stop - start == _count(seen.shape) * seen.dtype.itemsize
