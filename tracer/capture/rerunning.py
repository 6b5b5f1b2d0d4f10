"""`rerun`: run the end of a pass again, from what a recording kept of its beginning."""

from __future__ import annotations

import importlib
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import numpy as np
import torch
from torch import nn

from tracer.capture.interventions import Change, Intervention, interventions
from tracer.capture.tracing import trace as record
from tracer.errors import InputError, MissingError, NotRecorded, near
from tracer.record import Call, Trace, Value
from tracer.record.query import ancestors, roots
from tracer.recording import Recording

_CONTAINERS: Mapping[str, Callable[[list[tuple[str, Any]]], Any]] = {
    "list": lambda items: [item for _, item in items],
    "tuple": lambda items: tuple(item for _, item in items),
    "dict": dict,
    "OrderedDict": OrderedDict,
}


def rerun(
    recording: Trace,
    model: nn.Module,
    *,
    start: str,
    change: Mapping[str, Change] | None = None,
    **options: Any,
) -> Recording:
    """Run a pass again from one of its modules on; what comes before is taken from the recording.

    Where nothing is changed the result is bit for bit that of the whole pass: of the same weights,
    on a machine that computes alike, in training with the random state that it had at `start` (the
    transform draws one number for every image to choose a size, before anything else does).

    Args:
        recording: a pass of this model. It must have kept the inputs, and the results of the
            modules before `start`: for ``"rpn"`` ``keep=["args:transform", "transform",
            "backbone"]``.
        model: in the mode that it was recorded in.
        start: path of a module: the first call of it is run, and all that follows.
        change: what is changed on purpose, as `tracer.trace` takes it.
        **options: further ones of `tracer.trace`.

    Raises:
        InputError: no such module, one that the recording saw no call of, a recording of another
            model, mode or of a construction.
        MissingError: the recording did not keep what is needed; says what to keep.
    """
    began = _start(recording, model, start)
    values = _Values(recording, model)
    root = roots(recording)[0]
    before = list(_before(recording, began))
    stand_ins = _stand_ins(model, before, values)
    told = f"before {start}: from a recording"
    arguments = {name: values.live(value, "the inputs", "args:transform")
                 for name, value in root.args.items}  # fmt: skip
    asked = interventions(model, change or {}, _unseen(recording, began, before))
    # Under a key that is no place: `start` itself may be changed, too.
    changes = {told: Intervention(start, told, stand_ins), **{each.place: each for each in asked}}
    return record(model, *arguments.values(), change=changes, **options)


def _start(recording: Trace, model: nn.Module, start: str) -> Call:
    """Return the call to begin with, once model and recording are seen to belong together."""
    paths = dict(model.named_modules())
    if recording.kind != "pass" or not recording.calls or recording.calls[0].kind != "module":
        raise InputError("rerun takes the recording of a pass of a model")
    if not start:
        raise InputError("rerun: with start='' nothing is taken from the recording; use trace")
    if start not in paths:
        raise InputError(f"rerun: the model has no module {start!r}{near(start, paths)}")
    mode = "train" if model.training else "eval"
    if recording.environment.get("mode") != mode:
        raise InputError(
            f"rerun: the model is in {mode} mode, the recording in "
            f"{recording.environment.get('mode', 'another')} mode"
        )
    calls = [c for c in recording.calls if c.kind == "module" and c.path == start]
    if not calls:
        raise InputError(f"rerun: the recording has no call of {start!r}")
    unknown = {c.path for c in recording.calls if c.kind == "module"} - set(paths)
    if unknown:
        raise InputError(f"rerun: the recording is of another model: it has {min(unknown)!r}")
    return calls[0]


def _before(recording: Trace, start: Call) -> Iterator[Call]:
    """Yield the modules that had ended before a call began, the outermost of each."""
    around = {call.id for call in ancestors(recording, start)}
    for call in recording.calls[: start.id]:
        if call.kind != "module" or call.id in around:
            continue
        outer = next((c for c in ancestors(recording, call) if c.kind == "module"), None)
        if outer is not None and outer.id in around:
            yield call


def _unseen(recording: Trace, start: Call, before: list[Call]) -> Counter[str]:
    """Count by path the calls that were made within modules that now stand in: they do not run."""
    here = {call.id for call in (*before, *ancestors(recording, start))}
    calls = recording.calls[: start.id]
    return Counter(c.path for c in calls if c.kind == "module" and c.id not in here)


def _stand_ins(
    model: nn.Module, before: list[Call], values: _Values
) -> Callable[[ExitStack, AbstractContextManager[None]], None]:
    """Return what lets modules give what the recording has, until a stack is closed."""
    results: dict[str, deque[Any]] = {}
    for call in before:
        if call.result is None:
            raise InputError(f"rerun: {call.label} had no result in the recording: it failed")
        found = values.live(call.result, f"the result of {call.label}", call.path)
        results.setdefault(call.path, deque()).append(found)

    def install(stack: ExitStack, at_work: AbstractContextManager[None]) -> None:
        for path, found in results.items():
            stack.enter_context(_standing_in(model.get_submodule(path), found))

    return install


class _standing_in(AbstractContextManager[None]):
    """A module gives results in order instead of computing them; its own hooks are at rest."""

    def __init__(self, module: nn.Module, results: deque[Any]) -> None:
        self.module, self.results = module, results
        self.before: dict[str, Any] = {}

    def __enter__(self) -> None:
        """Put the results in the place of forward and of the hooks around it."""
        own = vars(self.module)
        self.before = {name: own.get(name) for name in ("forward", *_HOOKS)}
        own.update(forward=self._give, **{name: OrderedDict() for name in _HOOKS})

    def __exit__(self, *error: object) -> None:
        """Put back what was there."""
        self._put(self.before)

    def _put(self, values: Mapping[str, Any]) -> None:
        own = vars(self.module)
        own.update({name: value for name, value in values.items() if value is not None})
        if values["forward"] is None:
            del own["forward"]

    def _give(self, *args: Any, **keywords: Any) -> Any:
        if self.results:
            return self.results.popleft()
        # A module that is called again after the start, ReLU of a block: it runs as it is, its own
        # hooks with it; those of the recorder are around this call.
        here = {name: vars(self.module)[name] for name in self.before}
        self._put(self.before)
        try:
            return self.module(*args, **keywords)
        finally:
            self._put(here)


_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


class _Values:
    """Recorded values as live ones; a tensor state becomes one tensor, wherever it stands."""

    def __init__(self, recording: Trace, model: nn.Module) -> None:
        self._recording = recording
        self._device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self._tensors: dict[int, torch.Tensor] = {}

    def live(self, value: Value, what: str, keep: str) -> Any:
        """Return the value.

        Args:
            value: as recorded.
            what: it is, for an error.
            keep: the pattern by which it would have been kept.

        Raises:
            MissingError: a tensor in it was not kept, or something is not recorded whole.
        """
        if value.kind == "tensor":
            return self._tensor(value, what, keep)
        if value.kind == "scalar":
            return value.scalar
        if value.elided or value.kind not in ("sequence", "mapping", "object"):
            raise MissingError(f"rerun: {what} holds a {value.type}, which is not recorded whole")
        items = [(name, self.live(item, what, keep)) for name, item in value.items]
        if value.type in _CONTAINERS:
            return _CONTAINERS[value.type](items)
        if value.type == "ImageList":
            made = importlib.import_module("torchvision.models.detection.image_list")
            return made.ImageList(**dict(items))
        raise MissingError(f"rerun: {what} holds a {value.type}, which is not recorded whole")

    def _tensor(self, value: Value, what: str, keep: str) -> torch.Tensor:
        assert value.tensor is not None
        if value.tensor not in self._tensors:
            data = self._recording.blobs.get(f"data/{value.tensor}")
            if data is None:
                raise NotRecorded(f"rerun: the recording did not keep {what}", keep=keep)
            summary = self._recording.tensors[value.tensor].summary
            tensor = torch.from_numpy(np.array(data)).reshape(summary.shape)
            dtype = getattr(torch, summary.dtype)
            device = torch.device("cpu") if summary.device == "cpu" else self._device
            self._tensors[value.tensor] = tensor.to(device, dtype)
        return self._tensors[value.tensor]
