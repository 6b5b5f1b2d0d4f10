"""Small, fully valid Traces written down by hand, without torch.

`Draft` is the pen: it keeps the clock, the tree, the tensor states and the sums that a recorder
would keep, so that each story below reads like the run that it stands for. The numbers are real:
every summary, preview and kept array comes from an actual array.

Stories: `tiny_pass`, `failed_pass`, `repeated_pass`, `tiny_construction`, `hostile_pass`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tracer.record import (
    Call,
    Failure,
    Line,
    Module,
    ParameterRecord,
    Preview,
    Settings,
    Source,
    SourceFile,
    Stage,
    TensorState,
    TensorSummary,
    Value,
)
from tracer.record.query import problems
from tracer.recording import Recording


def check(trace: Recording) -> Recording:
    """Return the trace if it keeps every promise of the record, else fail with what it breaks."""
    found = problems(trace)
    assert not found, "\n".join(found)
    return trace


# --- values ---------------------------------------------------------------------------------------


def tensor_value(state: int, type: str = "Tensor") -> Value:
    return Value("tensor", type, tensor=state)


def scalar(value: Any) -> Value:
    return Value("scalar", type(value).__name__, scalar=value)


def sequence(*items: Value, type: str = "list") -> Value:
    return Value("sequence", type, tuple((str(i), item) for i, item in enumerate(items)))


def mapping(items: dict[str, Value], type: str = "dict") -> Value:
    return Value("mapping", type, tuple(items.items()))


def arguments(items: dict[str, Value]) -> Value:
    return Value("arguments", "arguments", tuple(items.items()))


def module_value(
    type: str, path: str, params: tuple[int, int] = (0, 0), items: dict[str, Value] | None = None
) -> Value:
    return Value("module", type, tuple((items or {}).items()), text=path, params=params)


def opaque(type: str, text: str) -> Value:
    return Value("opaque", type, text=text)


# --- tensors --------------------------------------------------------------------------------------


def summarize(array: np.ndarray, dtype: str = "", device: str = "cpu") -> TensorSummary:
    """Summarize an array the way the recorder summarizes a tensor."""
    dtype = dtype or str(array.dtype)
    shape = tuple(int(n) for n in array.shape)
    nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    finite = array[np.isfinite(array)]
    if not finite.size:
        return TensorSummary(shape, dtype, device, nan=nan, inf=inf)
    whole = array.dtype.kind in "iub"
    counts, _ = np.histogram(finite.astype(float), bins=8)
    return TensorSummary(
        shape,
        dtype,
        device,
        min=int(finite.min()) if whole else float(finite.min()),
        max=int(finite.max()) if whole else float(finite.max()),
        mean=float(finite.mean()),
        std=float(finite.astype(float).std(ddof=1)) if finite.size > 1 else None,
        zeros=float((array == 0).mean()),
        nan=nan,
        inf=inf,
        histogram=tuple(int(n) for n in counts),
    )


def picture(array: np.ndarray) -> tuple[Preview, np.ndarray]:
    """Return how to read, and the pixels of, the small picture of an [N, C, H, W] array."""
    image = array[0]
    strongest = np.argsort(-np.abs(image).mean(axis=(1, 2)), kind="stable")[:2]
    planes = [image.mean(axis=0), *(image[c] for c in strongest)]
    ranges = tuple((float(p.min()), float(p.max())) for p in planes)
    pixels = [
        np.round((p - low) / ((high - low) or 1) * 255)
        for p, (low, high) in zip(planes, ranges, strict=True)
    ]
    channels = (-1, *(int(c) for c in strongest))
    return Preview(channels, ranges, image=0), np.stack(pixels).astype(np.uint8)


# --- the pen --------------------------------------------------------------------------------------


class Draft:
    """Writes a Trace down event by event, on one clock.

    ``with draft.call(...) as call: call.result = ...`` opens and closes a call; `line`, `tensor`
    and `overwrite` belong to the innermost open one.
    """

    def __init__(self, *files: SourceFile) -> None:
        self.sources = {file.file: file for file in files}
        self.calls: list[Any] = []
        self.lines: list[Line] = []
        self.tensors: list[TensorState] = []
        self.blobs: dict[str, np.ndarray] = {}
        self.failure: Failure | None = None
        self._open: list[_OpenCall] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._clock = 0

    def tick(self) -> int:
        """Take the next tick."""
        self._clock += 1
        return self._clock - 1

    @contextmanager
    def call(
        self,
        kind: str,
        path: str,
        type: str,
        args: dict[str, Value] | None = None,
        *,
        source: Source | None = None,
        called_from: Source | None = None,
        stage: str = "",
        macs: int = 0,
    ) -> Iterator[_OpenCall]:
        """Open a call; an exception that passes through it becomes its error."""
        parent = self._open[-1] if self._open else None
        opened = _OpenCall(
            {
                "id": len(self.calls),
                "kind": kind,
                "path": path,
                "nth": self._counts[kind, path],
                "type": type,
                "parent": parent.id if parent else None,
                "start": self.tick(),
                "args": arguments(args or {}),
                "stage": stage or (parent.fields["stage"] if parent else ""),
                "source": source,
                "called_from": called_from,
            },
            macs,
        )
        self._counts[kind, path] += 1
        self.calls.append(None)
        self._open.append(opened)
        try:
            yield opened
        except Exception as error:
            opened.error = f"{error.__class__.__name__}: {error}"
            opened.result = None
            self._fail(error, opened)
            raise
        finally:
            self._close(opened)

    def line(
        self,
        number: int,
        changed: dict[str, Value] | None = None,
        deleted: tuple[str, ...] = (),
        raised: str = "",
    ) -> int:
        """Write a line of the innermost open call; return its index, for `change`."""
        changes = tuple((changed or {}).items())
        self.lines.append(Line(self.tick(), self._open[-1].id, number, changes, deleted, raised))
        return len(self.lines) - 1

    def change(self, line: int, /, raised: str = "", **changed: Value) -> None:
        """Say what running the line did, once that is known."""
        self.lines[line] = dataclasses.replace(
            self.lines[line], changed=tuple(changed.items()), raised=raised
        )

    def tensor(
        self,
        array: np.ndarray,
        *,
        outside: bool = False,
        base: int | None = None,
        name: str = "",
        preview: bool = False,
        keep: bool = False,
    ) -> int:
        """Write a tensor state, made by the innermost open call unless it comes from outside."""
        producer = None if outside or name else self._open[-1].id
        state = TensorState(
            len(self.tensors), summarize(array), producer, base=base, name=name, kept=keep
        )
        if preview:
            how, pixels = picture(array)
            state = dataclasses.replace(state, preview=how)
            self.blobs[f"preview/{state.id}"] = pixels
        if keep:
            self.blobs[f"data/{state.id}"] = array
        self.tensors.append(state)
        return state.id

    def overwrite(self, old: int, array: np.ndarray, **options: Any) -> int:
        """Write the state that an in-place write of the innermost open call turned `old` into."""
        new = self.tensor(array, **options)
        self.tensors[new] = dataclasses.replace(self.tensors[new], previous=old)
        self.tensors[old] = dataclasses.replace(self.tensors[old], overwritten_by=self._open[-1].id)
        return new

    def trace(self, kind: str, subject: str, **fields: Any) -> Recording:
        """Return the finished Trace, its stages gathered from its calls; checked."""
        trace = Recording(
            kind=kind,
            subject=subject,
            settings=fields.pop("settings", Settings(("module", "function", "line", "op"))),
            environment=fields.pop("environment", ENVIRONMENT),
            calls=tuple(self.calls),
            lines=tuple(self.lines),
            tensors=tuple(self.tensors),
            stages=_stages(self.calls),
            sources=self.sources,
            error=self.failure,
            seconds=0.25,
            blobs=self.blobs,
            **fields,
        )
        return check(trace)

    def _close(self, opened: _OpenCall) -> None:
        self._open.pop()
        end = self.tick()
        if self._open:
            self._open[-1].macs += opened.macs
        self.calls[opened.id] = Call(
            **opened.fields,
            end=end,
            result=opened.result,
            macs=opened.macs,
            seconds=(end - opened.fields["start"]) / 1024,
            error=opened.error,
        )

    def _fail(self, error: Exception, opened: _OpenCall) -> None:
        if self.failure is None:
            callers = (o.fields["called_from"] for o in [opened, *reversed(self._open)])
            self.failure = Failure(
                error.__class__.__name__,
                str(error),
                opened.id,
                next((c for c in callers if c), None),
                f"Traceback (most recent call last):\n  …\n{opened.error}\n",
            )


@dataclasses.dataclass
class _OpenCall:
    """A call that has begun and not ended."""

    fields: dict[str, Any]
    macs: int = 0
    result: Value | None = None
    error: str = ""

    @property
    def id(self) -> int:
        return self.fields["id"]


def _stages(calls: list[Call]) -> tuple[Stage, ...]:
    outermost: dict[str, list[int]] = {}
    for call in calls:
        parent = calls[call.parent].stage if call.parent is not None else ""
        if call.stage and call.stage != parent:
            outermost.setdefault(call.stage, []).append(call.id)
    return tuple(Stage(name, tuple(ids)) for name, ids in outermost.items())


ENVIRONMENT = {
    "python": "3.11.2",
    "torch": "2.9.0",
    "torchvision": "0.24.0",
    "device": "cpu",
    "threads": "1",
    "mode": "eval",
    "title": "a tiny pass",
}

# --- the stories ----------------------------------------------------------------------------------

TINY = "tiny/model.py"
TINY_TEXT = '''\
"""A model small enough to write down by hand."""

from collections import OrderedDict

from torch import nn


def normalize(image, mean=0.5):
    """Move the values from 0…1 to -1…1."""
    centred = image - mean
    return centred * 2


def make_body(width):
    layers = OrderedDict()
    layers["conv"] = nn.Conv2d(3, width, 3, padding=1, bias=False)
    layers["bn"] = nn.BatchNorm2d(width)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class TinyNet(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.body = make_body(width)
        self.head = nn.Linear(width, 2)

    def forward(self, images):
        x = normalize(images[0])
        x = x[None]
        features = self.body(x)
        pooled = features.mean(dim=(2, 3))
        scores = self.head(pooled)
        return {"features": features, "scores": scores}


def build(width=4):
    model = TinyNet(width)
    model.eval()
    return model
'''


def at(text: str, source: str = TINY_TEXT, file: str = TINY) -> Source:
    """Return the place of the first line that contains `text`."""
    return Source(file, 1 + next(i for i, line in enumerate(source.split("\n")) if text in line))


def tiny_source() -> SourceFile:
    return SourceFile(TINY, TINY_TEXT, "tiny 1.0", "BSD")


WEIGHTS = {
    "body.conv.weight": (4, 3, 3, 3),
    "body.bn.weight": (4,),
    "body.bn.bias": (4,),
    "head.weight": (2, 4),
    "head.bias": (2,),
}
"""The parameters of TinyNet; those of ``body.bn`` are frozen."""


def tiny_parameters(gradients: bool = False) -> tuple[ParameterRecord, ...]:
    rng = np.random.default_rng(1)
    records = []
    for name, shape in WEIGHTS.items():
        trainable = ".bn." not in name
        array = rng.normal(size=shape).astype(np.float32)
        gradient = summarize(array) if gradients and trainable else None
        records.append(ParameterRecord(name, shape, "float32", trainable, gradient))
    return tuple(records)


def tiny_modules() -> dict[str, Module]:
    children = (("conv", "body.conv"), ("bn", "body.bn"), ("relu", "body.relu"))
    linear = "in_features=4, out_features=2, bias=True"
    conv = "3, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False"
    modules = [
        Module("", "TinyNet", "", "", (("body", "body"), ("head", "head")), 126, 118),
        Module("body", "Sequential", "", "", children, 116, 108, built_at=at("return nn.Seq")),
        Module(
            "body.conv",
            "Conv2d",
            conv,
            params=108,
            trainable=108,
            own_params=108,
            own_trainable=108,
            settings=(("kernel_size", "3×3"), ("stride", "1"), ("padding", "1")),
            built_at=at("nn.Conv2d"),
        ),
        Module("body.bn", "BatchNorm2d", "4, eps=1e-05", params=8, own_params=8),
        Module("body.relu", "ReLU", "inplace=True"),
        Module("head", "Linear", linear, "", (), 10, 10, 10, 10),
    ]
    return {module.path: module for module in modules}


def tiny_pass(gradients: bool = False) -> Recording:
    """A whole pass: `normalize`, a Sequential with an in-place ReLU, a pooled linear head."""
    draft = Draft(tiny_source())
    tell_tiny_pass(draft)
    trace = draft.trace(
        "pass",
        "TinyNet",
        modules=tiny_modules(),
        parameters=tiny_parameters(gradients),
        notes=("Written by hand.",),
    )
    return dataclasses.replace(trace, modules=_with_weights(trace))


def _with_weights(trace: Recording) -> dict[str, Module]:
    """The modules with those of their parameters that have a state."""
    modules = dict(trace.modules)
    for state in trace.tensors:
        path, _, name = state.name.rpartition(".")
        if path in modules:
            value = tensor_value(state.id, "Parameter")
            modules[path] = dataclasses.replace(modules[path], tensors=((name, value),))
    return modules


def failed_pass() -> Recording:
    """The same pass, but the head raises in its linear."""
    draft = Draft(tiny_source())
    try:
        tell_tiny_pass(draft, fail=True)
    except RuntimeError:
        return draft.trace("pass", "TinyNet", modules=tiny_modules(), parameters=tiny_parameters())
    raise AssertionError("the story must fail")


def tell_tiny_pass(draft: Draft, fail: bool = False) -> None:
    rng = np.random.default_rng(0)
    array = rng.uniform(size=(3, 6, 8)).astype(np.float32)
    image = draft.tensor(array, outside=True)
    images = sequence(tensor_value(image))
    root = draft.call("module", "", "TinyNet", {"images": images}, source=at("def forward"))
    with root as call:
        line = draft.line(at("normalize(images").line)
        array, x = _tell_normalize(draft, array, image)
        draft.change(line, x=tensor_value(x))

        here = at("x = x[None]")
        line = draft.line(here.line)
        with _op(draft, "__getitem__", here, self=tensor_value(x), index=scalar(None)) as op:
            array = array[None]
            x = draft.tensor(array, base=x, preview=True)
            op.result = tensor_value(x)
        draft.change(line, x=tensor_value(x))

        line = draft.line(at("self.body(x)").line)
        array, features = _tell_body(draft, array, x)
        draft.change(line, features=tensor_value(features))

        here = at("features.mean")
        line = draft.line(here.line)
        dim = sequence(scalar(2), scalar(3), type="tuple")
        with _op(draft, "mean", here, self=tensor_value(features), dim=dim) as op:
            array = array.mean(axis=(2, 3))
            pooled = draft.tensor(array)
            op.result = tensor_value(pooled)
        draft.change(line, pooled=tensor_value(pooled))

        line = draft.line(at("self.head(pooled)").line)
        try:
            scores = _tell_head(draft, array, pooled, fail)
        except RuntimeError as error:
            draft.change(line, raised=f"RuntimeError: {error}")
            raise
        draft.change(line, scores=tensor_value(scores))

        draft.line(at('return {"features"').line)
        both = {"features": tensor_value(features), "scores": tensor_value(scores)}
        call.result = mapping(both)


def _op(draft: Draft, name: str, here: Source | None = None, macs: int = 0, **args: Value) -> Any:
    return draft.call("op", name, "torch", args, called_from=here, macs=macs)


def _tell_normalize(draft: Draft, array: np.ndarray, image: int) -> tuple[np.ndarray, int]:
    args = {"image": tensor_value(image), "mean": scalar(0.5)}
    source, caller = at("def normalize"), at("normalize(images")
    function = draft.call(
        "function", "normalize", "tiny.model", args, source=source, called_from=caller
    )
    with function as call:
        here = at("centred = image")
        line = draft.line(here.line)
        with _op(draft, "sub", here, self=tensor_value(image), other=scalar(0.5)) as op:
            centred = draft.tensor(array - np.float32(0.5))
            op.result = tensor_value(centred)
        draft.change(line, centred=tensor_value(centred))
        here = at("return centred")
        draft.line(here.line)
        with _op(draft, "mul", here, self=tensor_value(centred), other=scalar(2)) as op:
            array = (array - np.float32(0.5)) * np.float32(2)
            result = draft.tensor(array)
            op.result = tensor_value(result)
        call.result = tensor_value(result)
    return array, result


def _tell_body(draft: Draft, array: np.ndarray, x: int) -> tuple[np.ndarray, int]:
    rng = np.random.default_rng(2)
    caller = at("self.body(x)")
    given = {"input": tensor_value(x)}
    with draft.call(
        "module", "body", "Sequential", given, called_from=caller, stage="body"
    ) as body:
        with draft.call("module", "body.conv", "Conv2d", given) as call:
            ones = np.ones(WEIGHTS["body.conv.weight"], np.float32)
            weight = draft.tensor(ones, name="body.conv.weight")
            parameter = tensor_value(weight, "Parameter")
            with _op(draft, "conv2d", macs=5184, input=given["input"], weight=parameter) as op:
                array = rng.normal(size=(1, 4, 6, 8)).astype(np.float32)
                out = draft.tensor(array, preview=True)
                op.result = tensor_value(out)
            call.result = tensor_value(out)

        given = {"input": tensor_value(out)}
        with draft.call("module", "body.bn", "BatchNorm2d", given) as call:
            with _op(draft, "batch_norm", input=given["input"], training=scalar(False)) as op:
                array = array / np.float32(np.sqrt(1 + 1e-5))
                normed = draft.tensor(array, preview=True, keep=True)
                op.result = tensor_value(normed)
            call.result = tensor_value(normed)

        given = {"input": tensor_value(normed)}
        with draft.call("module", "body.relu", "ReLU", given) as call:
            with _op(draft, "relu_", input=given["input"]) as op:
                array = np.maximum(array, 0)
                out = draft.overwrite(normed, array, preview=True, keep=True)
                op.result = tensor_value(out)
            call.result = tensor_value(out)
        body.result = tensor_value(out)
    return array, out


def _tell_head(draft: Draft, array: np.ndarray, pooled: int, fail: bool) -> int:
    rng = np.random.default_rng(3)
    caller = at("self.head(pooled)")
    given = {"input": tensor_value(pooled)}
    with draft.call("module", "head", "Linear", given, called_from=caller, stage="head") as call:
        weight = rng.normal(size=WEIGHTS["head.weight"]).astype(np.float32)
        parameter = tensor_value(draft.tensor(weight, name="head.weight"), "Parameter")
        with _op(draft, "linear", macs=8, input=given["input"], weight=parameter) as op:
            if fail:
                raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x4 and 5x2)")
            a, b, c, d = np.moveaxis(array[:, None] * weight, -1, 0)
            scores = draft.tensor((a + b) + (c + d), keep=True)  # the same digits on every machine
            op.result = tensor_value(scores)
        call.result = tensor_value(scores)
    return scores


def repeated_pass(blocks: int = 5) -> Recording:
    """A pass over ``layer.0``…: the first block widens the channels, the others are all alike."""
    rng = np.random.default_rng(4)
    draft = Draft()
    array = rng.normal(size=(1, 2, 4, 4)).astype(np.float32)
    x = draft.tensor(array, outside=True)
    with draft.call("module", "", "Net", {"x": tensor_value(x)}) as root:
        given = {"input": tensor_value(x)}
        with draft.call("module", "layer", "Sequential", given, stage="layer") as layer:
            for i in range(blocks):
                x = _tell_block(draft, f"layer.{i}", x, rng.normal(size=(1, 8, 4, 4)))
            layer.result = tensor_value(x)
        root.result = tensor_value(x)
    return draft.trace("pass", "Net", settings=Settings(("module", "op")))


def _tell_block(draft: Draft, path: str, x: int, array: np.ndarray) -> int:
    given = {"x": tensor_value(x)}
    with draft.call("module", path, "Block", given) as block:
        with draft.call("module", f"{path}.conv", "Conv2d", given) as call:
            with _op(draft, "conv2d", macs=16, input=given["x"]) as op:
                out = draft.tensor(array.astype(np.float32))
                op.result = tensor_value(out)
            call.result = tensor_value(out)
        with draft.call("module", f"{path}.relu", "ReLU", {"input": tensor_value(out)}) as call:
            out = draft.overwrite(out, np.maximum(array, 0).astype(np.float32))
            call.result = tensor_value(out)
        block.result = tensor_value(out)
    return out


def tiny_construction() -> Recording:
    """The building of TinyNet: ``build`` → ``TinyNet.__init__`` → ``make_body``."""
    draft = Draft(tiny_source())
    with _function(draft, "build", "def build", None, width=scalar(4)) as call:
        line = draft.line(at("model = TinyNet").line)
        model = _tell_init(draft)
        draft.change(line, model=model)
        draft.line(at("model.eval()").line)
        draft.line(at("return model").line)
        call.result = model
    return draft.trace(
        "construction",
        "build",
        settings=Settings(("function", "line")),
        modules=tiny_modules(),
        parameters=tiny_parameters(),
    )


def _function(draft: Draft, name: str, text: str, caller: Source | None, **args: Value) -> Any:
    source = at(text)
    return draft.call("function", name, "tiny.model", args, source=source, called_from=caller)


def _tell_init(draft: Draft) -> Value:
    empty = module_value("TinyNet", "", (0, 0))
    caller = at("model = TinyNet")
    with _function(
        draft, "TinyNet.__init__", "def __init__", caller, self=empty, width=scalar(4)
    ) as call:
        draft.line(at("super().__init__()").line)
        line = draft.line(at("self.body = make_body").line)
        body = _tell_make_body(draft)
        half = module_value("TinyNet", "", (116, 116), {"body": body})
        draft.change(line, self=half)
        head = module_value("Linear", "head", (10, 10), {"in_features": scalar(4)})
        whole = module_value("TinyNet", "", (126, 126), {"body": body, "head": head})
        draft.line(at("self.head = nn.Linear").line, {"self": whole})
        call.result = scalar(None)
    return whole


def _tell_make_body(draft: Draft) -> Value:
    caller = at("self.body = make_body")
    with _function(draft, "make_body", "def make_body", caller, width=scalar(4)) as call:
        layers: dict[str, Value] = {}
        draft.line(at("layers = OrderedDict()").line, {"layers": mapping({}, "OrderedDict")})
        for name, text, type, params in (
            ("conv", "nn.Conv2d(", "Conv2d", 108),
            ("bn", "nn.BatchNorm2d(", "BatchNorm2d", 8),
            ("relu", "nn.ReLU(", "ReLU", 0),
        ):
            layers = {**layers, name: module_value(type, "", (params, params))}
            draft.line(at(text).line, {"layers": mapping(layers, "OrderedDict")})
        draft.line(at("return nn.Sequential").line)
        call.result = module_value("Sequential", "", (116, 116), layers)
    return call.result


HOSTILE_NAMES = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "[red]not red[/red][link=http://example.com]x[/link]",
    "\"double\" 'single' `back` \\slash",
    "two\nlines\r\n\ttabbed",
    "a|b|c & d &amp; e",
    "骨干网络.特征金字塔",
    "x" * 3000,
    "=1+1",
    "$\\alpha_{1}$ 100%",
    "\x1b[31mred\x1b[0m\u202eright-to-left\u2066",
)
"""Names that markup, terminals, spreadsheets, LaTeX or a table's columns could trip over."""


def hostile_pass() -> Recording:
    """A valid pass in which every free text is one of `HOSTILE_NAMES`."""
    names = HOSTILE_NAMES
    text = "\n".join(f"# {name!r}" for name in names) + f"\n# {names[0]}\n"
    file = f"{names[0]}.py"
    draft = Draft(SourceFile(file, text, names[1], names[2]))
    here = Source(file, 1)
    x = draft.tensor(np.array([[np.nan, np.inf], [0.0, -np.inf]], np.float32), outside=True)
    with draft.call("module", "", names[0], {names[3]: tensor_value(x)}, source=here) as root:
        for name in names:
            inner = draft.call(
                "module", name, name, {name: tensor_value(x)}, source=here, stage=name
            )
            line = draft.line(1)
            with inner as call:
                draft.line(2, {name: scalar(name)}, (name,), raised=f"ValueError: {name}")
                x = draft.tensor(np.zeros((0, 4), np.float32), name="", keep=name == names[0])
                call.result = mapping({name: tensor_value(x), "label": opaque(name, name)}, name)
            draft.change(line, **{name: call.result})
        root.result = sequence(opaque(names[4], names[5]), type=names[6])
    modules = {"": Module("", names[0], names[1], "", tuple((n, n) for n in names))}
    modules |= {n: Module(n, n, n, n, settings=((n, n),), built_at=here) for n in names}
    return draft.trace(
        "pass",
        names[0],
        environment={**ENVIRONMENT, "title": names[0], names[1]: names[2]},
        modules=modules,
        parameters=tuple(ParameterRecord(n, (0,), n, False) for n in names),
        notes=names,
        settings=Settings(("module", "line"), keep=names, only=names, packages=names),
    )
