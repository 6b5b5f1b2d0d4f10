"""Finding things in a Trace: the calls of one pass of a detector, and their values as arrays."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracer.errors import MissingError, NotRecorded, TracerError
from tracer.record import Call, TensorState, TensorSummary, Trace, Value

_MISFITS = (AssertionError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError)
_ONE_STAGE = ("RetinaNet", "FCOS", "SSD")


def kept_by(*more: str) -> str | list[str]:
    """Return what ``keep=`` is given for the values of the anatomy, and for those of patterns."""
    return ["anatomy", *more] if more else "anatomy"


@dataclass(frozen=True, eq=False)
class Pass:
    """The calls of one pass of a torchvision detector.

    Attributes:
        trace: the recording.
        model: the call of the detector.
        prefix: the detector's dotted path with a dot behind, ``""`` if it is the root.
        transform: the call of its transform.
    """

    trace: Trace
    model: Call
    prefix: str
    transform: Call
    _by_name: dict[tuple[str, str], list[Call]] = field(repr=False)

    @property
    def training(self) -> bool:
        """Whether losses were computed: the RPN (or head) ran in training mode with targets."""
        module = self.trace.modules.get(self.prefix.removesuffix("."))
        mode = self.trace.environment.get("mode", "")
        return mode == "train" if mode else bool(module and module.training)

    @property
    def one_stage(self) -> bool:
        """Whether this is a detector without proposals and RoI heads."""
        return self.model.type.startswith(_ONE_STAGE)

    def module(self, path: str) -> Call | None:
        """Return the first call of a part of the detector (``"rpn.head"``), or None."""
        return next(iter(self.modules(path)), None)

    def modules(self, path: str) -> tuple[Call, ...]:
        """Return all calls of a part of the detector."""
        return self.named("module", self.prefix + path)

    def named(self, kind: str, path: str, within: Call | None = None) -> tuple[Call, ...]:
        """Return the calls of a kind and path, in order, of the pass or within one of its calls."""
        found = self._by_name.get((kind, path), [])
        if within is None:
            return tuple(found)
        start = bisect_left(found, within.start, key=lambda call: call.start)
        end = bisect_right(found, within.end, key=lambda call: call.start)
        return tuple(found[start:end])

    def function(self, path: str, within: Call | None = None) -> Call | None:
        """Return the first call of a function, or None."""
        return next(iter(self.named("function", path, within)), None)

    def methods(self, name: str, within: Call | None) -> list[Call]:
        """Return the calls, within a call, of functions of a name and methods of any class."""
        if within is None:
            return []
        paths = [p for kind, p in self._by_name if kind == "function" and _last(p) == name]
        found = [call for path in paths for call in self.named("function", path, within)]
        return sorted(found, key=lambda call: call.start)

    def need_module(self, path: str, what: str) -> Call:
        """Return the first call of a part of the detector.

        Raises:
            MissingError: it did not run; says whether the model has it at all.
        """
        call = self.module(path)
        if call is not None and call.result is not None:
            return call
        raise MissingError(self._no_module(path, what, call))

    def _no_module(self, path: str, what: str, call: Call | None) -> str:
        name = self.model.type
        if self.one_stage and path.split(".")[0] in ("rpn", "roi_heads"):
            return (
                f"{name} is a one-stage detector: it has no {what}; its head scores every place of "
                "every level at once (pictures, backbone, pyramid and detections are there)"
            )
        if call is not None:
            return f"the recorded pass ended inside {self.prefix}{path}, before there were {what}"
        if self.prefix + path in self.trace.modules:
            return f"the recorded pass did not get as far as {self.prefix}{path}: no {what}"
        return f"{name} has no module {self.prefix}{path}: no {what}"

    def need_function(self, path: str, what: str, within: Call | None = None) -> Call:
        """Return the first call of a function.

        Raises:
            MissingError: it was not recorded, or did not run.
        """
        call = self.function(path, within)
        if call is not None and call.result is not None:
            return call
        if "function" not in self.trace.settings.grains:
            raise NotRecorded(
                f"{what} are not in the trace, for functions were not recorded", grain="op"
            )
        raise MissingError(f"there are no {what} in this pass: {path} did not run to its end")

    # --- values ---

    def array(self, value: Value | int | None, what: str, *keep: str) -> np.ndarray:
        """Return a tensor's full values.

        Args:
            value: a tensor's value or its state's number.
            what: what it is, for the error.
            keep: patterns that keep it, beside those of the anatomy.

        Raises:
            MissingError: it was not kept.
        """
        found = self.maybe(value)
        if found is None:
            raise NotRecorded(f"the values of {what} are not in the trace", keep=kept_by(*keep))
        return found

    def maybe(self, value: Value | int | None) -> np.ndarray | None:
        """Return a tensor's full values, or None if they were not kept; an empty one has none."""
        state = value.tensor if isinstance(value, Value) else value
        if state is None:
            return None
        summary = self.trace.tensors[state].summary
        if summary.numel == 0:
            plain_dtype = {"bfloat16": "float32"}.get(summary.dtype, summary.dtype)
            return np.empty(summary.shape, plain_dtype)
        return self.trace.data(state) if self.trace.tensors[state].kept else None

    def arrays(self, value: Value | None, what: str) -> list[np.ndarray]:
        """Return the full values of each tensor in a sequence.

        Raises:
            MissingError: one was not kept.
        """
        items = () if value is None else value.items
        return [self.array(item, what) for _, item in items]

    def summaries(self, value: Value | None) -> list[TensorSummary]:
        """Return the summaries of the tensors in a value."""
        states = value.tensors() if value is not None else ()
        return [self.trace.tensors[state].summary for state in states]

    def shapes(self, value: Value | None) -> list[tuple[int, ...]]:
        """Return the shapes of the tensors in a value."""
        return [summary.shape for summary in self.summaries(value)]

    def lengths(self, value: Value | None) -> tuple[int, ...]:
        """Return the length of each tensor in a value: boxes per image, or per level."""
        return tuple(shape[0] for shape in self.shapes(value) if shape)

    def state(self, value: Value) -> TensorState:
        """Return the state of a tensor's value."""
        assert value.tensor is not None
        return self.trace.tensors[value.tensor]

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return a tensor's shape."""
        return self.state(value).summary.shape


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Read or draw what a recording holds; also decorates a function that does.

    What was kept may contradict the record or itself: a shape, a type, a number that is none.

    Args:
        what: is read, for the error.

    Raises:
        MissingError: instead of whatever reading it ran into.
    """
    try:
        yield
    except TracerError:
        raise
    except _MISFITS as error:
        found = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise MissingError(
            f"{what} cannot be read: what the recording holds of it does not fit together ({found})"
        ) from error


def plain(value: Value | None) -> Any:
    """Return a value of scalars and sequences as Python numbers and tuples."""
    if value is None:
        return None
    if value.kind == "sequence":
        return tuple(plain(item) for _, item in value.items)
    return value.scalar


def numbers(call: Call) -> list[float]:
    """Return the numbers among a call's own arguments, in order."""
    scalars = (value.scalar for _, value in call.args.items if value.kind == "scalar")
    return [s for s in scalars if isinstance(s, (int, float)) and not isinstance(s, bool)]


def find_pass(trace: Trace, nth: int = 0) -> Pass:
    """Find a pass of a torchvision detector.

    Args:
        trace: a recording.
        nth: which pass, if several were recorded.

    Raises:
        MissingError: there is none, or not so many.
    """
    found = passes(trace)
    if not found:
        raise MissingError(_no_pass(trace))
    if not 0 <= nth < len(found):
        raise MissingError(f"the trace has {len(found)} passes of a detector, there is no #{nth}")
    transform = found[nth]
    around = None if transform.parent is None else trace.calls[transform.parent]
    model = transform if around is None else around
    inside = _inside(trace, model)
    by_name: dict[tuple[str, str], list[Call]] = {}
    for call in inside:
        by_name.setdefault((call.kind, call.path), []).append(call)
    return Pass(trace, model, transform.path.removesuffix("transform"), transform, by_name)


def passes(trace: Trace) -> tuple[Call, ...]:
    """Return the call of the transform of every pass of a torchvision detector."""
    return tuple(call for call in trace.calls if batch_of(call) is not None)


def batch_of(call: Call) -> Value | None:
    """Return the padded batch if this is the call of a detector's transform, else None."""
    if call.kind != "module" or _last(call.path) != "transform" or call.result is None:
        return None
    images = call.result.get(0)
    if images is None or images.get("image_sizes") is None:
        return None
    tensors = images.get("tensors")
    return tensors if tensors is not None and tensors.tensor is not None else None


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _inside(trace: Trace, model: Call) -> Iterable[Call]:
    for call in trace.calls[model.id :]:
        if call.start > model.end:
            return
        if call.thread == model.thread:
            yield call


def _no_pass(trace: Trace) -> str:
    if trace.kind == "construction":
        return "this is the recording of a construction: record a pass, tracer.trace(model, images)"
    if trace.error is not None:
        return f"the recorded pass of {trace.subject} failed before its images were a batch"
    return (
        f"the trace of {trace.subject} holds no pass of a torchvision detector: "
        "no module named transform turned images into a batch"
    )
