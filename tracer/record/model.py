"""The record of one run: frozen data that everything else reads.

A `Trace` is what remains of a pass or of a construction after it ran: one tree of calls (modules,
functions, ops), the source lines between them, and a table of tensor states. It holds no live
module or tensor, and this file does not import torch. What people hold
is a `tracer.Recording`: a Trace with its reports at hand.

**One clock.** Every call start, executed line and call end takes the next *tick*, counted from 0.
Ticks order everything: a call's children and lines lie strictly between its `start` and its `end`.

**Tensor states.** A tensor that is overwritten in place has several states. A `TensorState` is what
a tensor held from one write to the next; wherever the same unwritten tensor shows up again (a
container hands on its last child's output, a result becomes an argument) the same state number
stands. Data flow follows from that: a state knows the call that produced it, and the calls that
take it as an argument are its uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import numpy as np

from tracer.errors import MissingError, NotRecorded
from tracer.foreign import clean

Scalar = None | bool | int | float | str


@dataclass(frozen=True, slots=True)
class TensorSummary:
    """What is known of a tensor's values without keeping them.

    Attributes:
        shape: sizes per axis.
        dtype: torch's name without the prefix, e.g. ``"float32"``.
        device: e.g. ``"cpu"`` or ``"cuda:0"``.
        min, max, mean, std: over the finite values; `std` is torch's (unbiased). None where there
            are none: an empty tensor, complex or meta tensors. Integers for integer and bool
            tensors' `min` and `max`. Of a parameter or buffer of the model `mean`, `std` and
            `zeros` are not taken, but where it holds NaN or infinite values.
        zeros: fraction of exact zeros, 0–1, counted over all values.
        nan, inf: how many values are NaN, and how many are plus or minus infinity.
        sampled: True where `histogram` is that of a sample: 2,048 values, one at random from each
            of as many equal parts of the tensor. A bin's share p of them has a standard error of
            at most sqrt(p (1 - p) / 2048), about one point in a hundred at worst.
        histogram: counts in equal bins from `min` to `max`, of the finite values.
    """

    shape: tuple[int, ...]
    dtype: str
    device: str
    min: float | int | None = None
    max: float | int | None = None
    mean: float | None = None
    std: float | None = None
    zeros: float | None = None
    nan: int | None = None
    inf: int | None = None
    sampled: bool = False
    histogram: tuple[int, ...] = ()

    def __repr__(self) -> str:
        """``<TensorSummary 1×3×256×320 float32, -1.865 … 2.407>``."""
        shape = "×".join(map(str, self.shape)) or "scalar"
        extent = "" if self.min is None else f", {self.min:.4g} … {self.max:.4g}"
        return f"<TensorSummary {shape} {self.dtype}{extent}>"

    @property
    def numel(self) -> int:
        """How many values the tensor has."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class Preview:
    """How to read a tensor state's small picture, ``trace.preview(id)``, uint8 [K, h, w].

    Attributes:
        channels: which channel each of the K planes shows; -1 is the mean over all channels and
            comes first. The others are the strongest, by root mean square.
        ranges: (low, high), the values that 0 and 255 stand for, per plane.
        image: which image of the batch is shown (index into the first axis), or -1 if the tensor
            has no batch axis.
        stride: every how many rows and columns of the tensor one pixel was taken.
    """

    channels: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]
    image: int = -1
    stride: int = 1


@dataclass(frozen=True, slots=True)
class TensorState:
    """What one tensor held from one write to the next.

    Attributes:
        id: index into `Trace.tensors`.
        summary: shape, dtype, device and statistics.
        producer: id of the innermost recorded call that made this state; None if it came from
            outside or from code between two recorded calls.
        previous: the state of the same tensor that this one follows, after an in-place write, or
            after several (through views of it) between which no recorded call looked at it.
        overwritten_by: id of the call whose in-place write ended this state; the last such write
            before the next state is that one's `producer`.
        base: the state of the tensor whose memory this one is a view of.
        name: dotted name if this is a parameter or buffer of the traced model, else ``""``.
        preview: how to read the small picture, if one was taken.
        kept: whether the full values are in the trace (`Trace.data`).
        fingerprint: of its bytes in row-major order, 16 hexadecimal digits, ``""`` where none was
            taken; tensors of one dtype and shape with the same are equal bit for bit. Of the
            model's parameters see `ParameterRecord`.
    """

    id: int
    summary: TensorSummary
    producer: int | None = None
    previous: int | None = None
    overwritten_by: int | None = None
    base: int | None = None
    name: str = ""
    preview: Preview | None = None
    kept: bool = False
    fingerprint: str = ""

    def __repr__(self) -> str:
        """``<TensorState 214: 1×256×64×80 float32, 0 … 9.48, kept>``."""
        summary = repr(self.summary).removeprefix("<TensorSummary ").removesuffix(">")
        return f"<TensorState {self.id}: {summary}{', kept' if self.kept else ''}>"


@dataclass(frozen=True, slots=True)
class Value:
    """One Python value as a tree whose leaves are tensor states, scalars or labelled unknowns.

    Attributes:
        kind: ``"tensor"``, ``"scalar"``, ``"sequence"`` (list, tuple, set), ``"mapping"`` (dict),
            ``"object"`` (fields of an object, e.g. an ImageList), ``"module"``, ``"arguments"``
            (the root of a call's arguments) or ``"opaque"`` (anything else).
        type: the class's name, e.g. ``"OrderedDict"``; ``"Tensor"`` or ``"Parameter"`` for tensors.
        items: children by key, index, field or argument name. For a module: its plain
            attributes (numbers, strings) and, as values of kind "module", its children.
        scalar: the value itself for kind "scalar".
        tensor: index into `Trace.tensors` for kind "tensor".
        text: for a module its dotted path (``""`` for the root); for an opaque value a short label.
        params: for a module, (parameters in it, how many of them are trainable).
        elided: how many children were left out of `items` because there were too many.
    """

    kind: str
    type: str
    items: tuple[tuple[str, Value], ...] = ()
    scalar: Scalar = None
    tensor: int | None = None
    text: str = ""
    params: tuple[int, int] | None = None
    elided: int = 0

    def __repr__(self) -> str:
        """``<Value OrderedDict of 5: 0, 1, 2, 3, pool>``, ``<Value tensor 214>``."""
        if self.tensor is not None:
            return f"<Value tensor {self.tensor}>"
        if self.kind == "scalar":
            return f"<Value {clean(repr(self.scalar), 60)}>"
        what = clean(self.type or self.kind, 40)
        if not self.items:
            return f"<Value {what} {clean(self.text, 60)}".rstrip() + ">"
        names = clean(", ".join(name for name, _ in self.items[:12]), 60)
        return f"<Value {what} of {len(self.items) + self.elided}: {names}>"

    def __post_init__(self) -> None:
        """Make every NaN the same object, see `__eq__`."""
        if self.scalar != self.scalar:
            object.__setattr__(self, "scalar", math.nan)

    def __eq__(self, other: object) -> bool:
        """Equal in every field, NaN being equal to NaN: tuples look for the same object first."""
        if not isinstance(other, Value):
            return NotImplemented
        return bool(_parts(self) == _parts(other))

    def __getitem__(self, key: str | int) -> Value:
        """Return the child named `key` (an int stands for an index).

        Raises:
            KeyError: there is no such child.
        """
        for name, value in self.items:
            if name == str(key):
                return value
        raise KeyError(key)

    def get(self, key: str | int) -> Value | None:
        """Return the child named `key`, or None."""
        return next((value for name, value in self.items if name == str(key)), None)

    def leaves(self, path: str = "") -> Iterator[tuple[str, Value]]:
        """Yield (path, leaf) for every tensor, scalar and opaque leaf, depth first.

        Paths read like Python: ``targets[0].boxes`` is written ``targets.0.boxes``. A module is
        a leaf: what is inside it is not part of the value that was passed.
        """
        open_ = [(path, self)]
        while open_:
            path, value = open_.pop()
            if value.items and value.kind != "module":
                prefix = f"{path}." if path else ""
                open_ += [(prefix + name, item) for name, item in reversed(value.items)]
            elif value.kind not in ("sequence", "mapping", "object", "arguments"):
                yield path, value

    def tensors(self) -> Iterator[int]:
        """Yield the tensor state of each tensor leaf, depth first."""
        open_ = [self]
        while open_:
            value = open_.pop()
            if value.items and value.kind != "module":
                open_ += [item for _, item in reversed(value.items)]
            elif value.tensor is not None:
                yield value.tensor


_parts = attrgetter(*Value.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Source:
    """A place in the source.

    Attributes:
        file: a key of `Trace.sources`, e.g. ``"torchvision/models/detection/rpn.py"``.
        line: 1-based line number.
    """

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The text that ran.

    Attributes:
        file: the path from the package's parent folder on, with forward slashes; for code outside
            a package its file name.
        text: the whole file.
        package: e.g. ``"torchvision 0.29.2"``; ``""`` for the user's own files.
        licence: the package's licence line, e.g. ``"BSD"``.
    """

    file: str
    text: str
    package: str = ""
    licence: str = ""

    def __repr__(self) -> str:
        """``<SourceFile torchvision/ops/poolers.py: 330 lines>``."""
        return f"<SourceFile {clean(self.file)}: {self.text.count(chr(10))} lines>"


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation of a module, a function or an op.

    Attributes:
        id: index into `Trace.calls`; calls are in order of their start.
        kind: ``"module"``, ``"function"`` or ``"op"``.
        path: a module's dotted name (``""`` for the root), a function's qualified name
            (``"RegionProposalNetwork.filter_proposals"``) or an op's name (``"interpolate"``).
        nth: which call of that kind and path, from 0.
        type: a module's class, the Python module that defines a function, or an op's namespace.
        parent: id of the enclosing call, None for the outermost.
        start, end: ticks; see the module's docstring.
        args: kind "arguments", by the parameter names of the callee, as they were when it began.
        result: what came back; None if it raised (or is still running). For a module's
            ``__init__``, the module as it left it.
        stage: name of the stage it belongs to, ``""`` if none.
        source: where the callee is defined (its ``def`` line; for a module, its forward's).
        called_from: the line that made the call.
        macs: multiply-adds that ran in it and beneath it.
        seconds: wall time in it and beneath it, recording included.
        error: ``"RuntimeError: …"`` if it ended by an exception, else ``""``.
        thread: 0 for the thread that the recording began in, 1… for others.
        uncounted: the kernels that ran in it and beneath it whose multiply-adds are many and not
            known, e.g. ``"aten::_fft_c2c"``: with any, `macs` is a lower bound.
    """

    id: int
    kind: str
    path: str
    nth: int
    type: str
    parent: int | None
    start: int
    end: int
    args: Value
    result: Value | None = None
    stage: str = ""
    source: Source | None = None
    called_from: Source | None = None
    macs: int = 0
    seconds: float = 0.0
    error: str = ""
    thread: int = 0
    uncounted: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """``rpn.head.conv#3``: the path with the call number (``(root)`` for the root module)."""
        return f"{self.path or '(root)'}#{self.nth}"

    def __repr__(self) -> str:
        """``<Call 907: module backbone.fpn#0, FeaturePyramidNetwork, ticks 2509 to 2735>``."""
        name, kind = clean(self.label, 80), clean(self.type, 60)
        failed = f", {clean(self.error, 60)}" if self.error else ""
        where = f"ticks {self.start} to {self.end}"
        return f"<Call {self.id}: {self.kind} {name}, {kind}, {where}{failed}>"


@dataclass(frozen=True, slots=True)
class Line:
    """One executed source line of a call.

    Attributes:
        tick: its place on the clock. Calls that the line made have larger ticks, up to the next
            line of the same call.
        call: the call that the line belongs to.
        line: 1-based line number in the call's source file.
        changed: the local names that running this line bound or changed, with their new values.
        deleted: the local names that it removed.
        raised: ``"ValueError: …"`` if it raised (also if the function then caught it).
    """

    tick: int
    call: int
    line: int
    changed: tuple[tuple[str, Value], ...] = ()
    deleted: tuple[str, ...] = ()
    raised: str = ""

    def __repr__(self) -> str:
        """``<Line 89 of call 0, tick 4: val>``: with the names that it changed."""
        names = clean(", ".join(name for name, _ in self.changed), 60)
        return (
            f"<Line {self.line} of call {self.call}, tick {self.tick}{': ' * bool(names)}{names}>"
        )


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the traced model, as it stood when the run ended.

    Attributes:
        path: dotted name, ``""`` for the root.
        type: what ``print`` calls it (its class's name).
        extra: its ``extra_repr()``, e.g. ``"64, 64, kernel_size=(1, 1), stride=(1, 1)"``.
        custom_repr: the whole text, where the class writes its own ``__repr__``.
        children: (name, path) in order; a child that is shared has the path it was first seen at.
        params, trainable: parameters in it and beneath it, and how many need a gradient.
        own_params, own_trainable: the same without its children. Shared parameters count once,
            where they are first seen, so that the sum over all modules is the model's total.
        settings: plain attributes that say how it computes: ``(("kernel_size", "3×3"), …)``.
        built_at: the line that created it, if its construction was recorded in this process.
        training: its train/eval mode.
        tensors: its own parameters and buffers by name, the state that each was in when the run
            began (of a construction, or of one that was made in the run: when it was first seen);
            a label for one without values, such as a parameter that is not initialised yet.
    """

    path: str
    type: str
    extra: str = ""
    custom_repr: str = ""
    children: tuple[tuple[str, str], ...] = ()
    params: int = 0
    trainable: int = 0
    own_params: int = 0
    own_trainable: int = 0
    settings: tuple[tuple[str, str], ...] = ()
    built_at: Source | None = None
    training: bool = False
    tensors: tuple[tuple[str, Value], ...] = ()

    def __repr__(self) -> str:
        """``<Module backbone: BackboneWithFPN, 26,799,296 parameters>``."""
        path, type = clean(self.path or "(root)", 80), clean(self.type, 60)
        return f"<Module {path}: {type}, {self.params:,} parameters>"


@dataclass(frozen=True, slots=True)
class ParameterRecord:
    """One parameter of the traced model.

    Attributes:
        name: dotted name.
        shape, dtype: of the parameter.
        trainable: whether it needs a gradient; False is called frozen.
        gradient: what a backward pass inside the recording left in ``.grad``, else None.
        fingerprint: of its bytes when the run ended, as of a `TensorState`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    gradient: TensorSummary | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of Faster R-CNN (or a top-level part of another model), and the calls that are it.

    Attributes:
        name: ``transform``, ``stem``, ``layer1``…``layer4`` (``body`` where the backbone is no
            ResNet), ``fpn``, ``rpn``, ``roi_heads``, ``postprocess``, ``losses`` (``anchors`` and
            ``head`` for one-stage detectors); for a construction ``weights``, ``body``, ``fpn``,
            ``rpn``, ``roi_heads``, ``transform``; for other models the top-level children's names.
        calls: ids of its outermost calls, in order.
    """

    name: str
    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a run, its model or its inputs that is wrong, or probably is.

    Attributes:
        kind: which; `tracer.rcnn.findings` has its words in each language.
        facts: the names and numbers that stand in them.
        severity: ``"error"`` where it does not run or the result is certainly wrong, ``"warning"``
            where it probably is.
        text: it all as one English sentence, without a full stop.
    """

    kind: str
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    severity: str = "error"
    text: str = ""

    def __post_init__(self) -> None:
        """Freeze the facts."""
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))


@dataclass(frozen=True, slots=True)
class Failure:
    """How a run ended that raised.

    Attributes:
        type, message: of the exception.
        call: id of the innermost recorded call that it ended.
        source: the line that raised, in the innermost recorded source file, if known.
        traceback: Python's own text.
        cause: what it probably comes from, with the numbers found; one of `Trace.findings`.
    """

    type: str
    message: str
    call: int | None
    source: Source | None = None
    traceback: str = ""
    cause: Finding | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How the recording was made.

    Attributes:
        grains: which of ``"module"``, ``"function"``, ``"line"``, ``"op"`` were recorded.
        keep: the patterns whose tensors were kept whole (``("<predicate>",)`` for a function).
        only: the patterns that narrowed what was recorded.
        packages: the packages whose functions and lines were recorded.
        previews: whether small pictures were taken.
        changes: what of the model was changed on purpose for this run, a line each.
        fingerprints: whether tensors have fingerprints.
    """

    grains: tuple[str, ...] = ("module", "function", "op")
    keep: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    previews: bool = True
    changes: tuple[str, ...] = ()
    fingerprints: bool = False


@dataclass(frozen=True, eq=False)
class Trace:
    """One recorded run; immutable.

    Attributes:
        kind: ``"pass"`` (a model ran) or ``"construction"`` (a builder ran).
        subject: the model's class or the builder's name; in brackets after it what of the model
            was changed on purpose for this run.
        settings: how it was recorded.
        environment: versions and the like: python, torch, torchvision, device, threads, mode
            (``"train"`` or ``"eval"``), title.
        calls: every call, in order of its start; ``calls[i].id == i``.
        lines: every line, in order of its tick.
        tensors: every tensor state; ``tensors[i].id == i``.
        modules: by dotted path, in ``named_modules`` order.
        parameters: in ``named_parameters`` order.
        stages: in order of their first call.
        sources: by `SourceFile.file`.
        notes: what the recording could not see or had to leave out, a sentence each.
        findings: what is wrong, or probably is, with the run, its model or its inputs.
        error: how it ended, if by an exception.
        seconds: wall time of the run, recording included.
        classes: what the detector's classes are called, by label (label 0 is the background);
            empty where that is not known. `tracer.rcnn.classes` gives them in a language.
        blobs: arrays by name: ``preview/<state>`` uint8 [K, h, w], ``data/<state>`` the full
            values (bfloat16 widened to float32). May be read from disk only when asked for.
    """

    kind: str
    subject: str
    settings: Settings
    environment: Mapping[str, str]
    calls: tuple[Call, ...]
    lines: tuple[Line, ...] = ()
    tensors: tuple[TensorState, ...] = ()
    modules: Mapping[str, Module] = field(default_factory=dict)
    parameters: tuple[ParameterRecord, ...] = ()
    stages: tuple[Stage, ...] = ()
    sources: Mapping[str, SourceFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    error: Failure | None = None
    seconds: float = 0.0
    classes: tuple[str, ...] = ()
    blobs: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        for name in ("environment", "modules", "sources"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __eq__(self, other: object) -> bool:
        """Equal records and equal arrays."""
        if not isinstance(other, Trace):
            return NotImplemented
        return self._fields() == other._fields() and _same_arrays(self.blobs, other.blobs)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """One line: kind, subject and how much there is of it."""
        return (
            f"<{type(self).__name__}: {self.kind} of {clean(self.subject)}, {len(self.calls):,} "
            f"calls, {len(self.lines):,} lines, {len(self.tensors):,} tensor states>"
        )

    def called(self, name: str = "") -> str:
        """Return a name for the recording, which says what was changed on purpose in its run.

        Args:
            name: that a view has for it; its own title or subject, if not given.
        """
        name = name or self.environment.get("title") or self.subject
        changes = "; ".join(self.settings.changes)
        return f"{name} [{changes}]" if changes and f"[{changes}]" not in name else name

    def _fields(self) -> tuple[Any, ...]:
        names = (n for n in self.__dataclass_fields__ if n != "blobs")
        return tuple(
            dict(v) if isinstance(v, Mapping) else v for v in (getattr(self, n) for n in names)
        )

    def preview(self, state: int) -> np.ndarray | None:
        """Return the small picture of a tensor state, uint8 [K, h, w], or None.

        Args:
            state: its number.
        """
        return self.blobs.get(f"preview/{state}")

    def data(self, state: int) -> np.ndarray:
        """Return the full values of a tensor state.

        Args:
            state: its number.

        Raises:
            MissingError: they were not kept; says what keeps them.
        """
        found = self.blobs.get(f"data/{state}")
        if found is None:
            raise not_kept(self, state)
        return found


def not_kept(trace: Any, state: int) -> MissingError:
    """Return the error that says how the values of a tensor state would have been kept."""
    known = trace.tensors
    if not isinstance(state, int) or not 0 <= state < len(known):
        return MissingError(f"there is no tensor state {state!r}: they have numbers, from 0")
    producer, name = known[state].producer, known[state].name
    path = trace.calls[producer].path if producer is not None else ""
    what = f"the parameter {name}" if name else f"tensor state {state}"
    keep = f"within:{path}" if path else True
    return NotRecorded(f"the values of {what} were not kept", keep=keep)


def _same_arrays(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> bool:
    """Compare by name, dtype, shape and bytes, so that NaN equals NaN."""
    if set(a) != set(b):
        return False
    pairs = ((np.asarray(a[k]), np.asarray(b[k])) for k in a)
    return all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs
    )
