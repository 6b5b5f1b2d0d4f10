"""Statistics of each channel of what modules give, pass after pass, by hooks alone.

No recording is made: a pass costs little more than without. What a module gave is read in its
hook, before a later one can overwrite it. A container that hands on its last child's tensor, not
written to since, costs no second reading.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracer.capture.modules import require_hookable
from tracer.capture.scripting import Hook, unscripted

ROWS = ("count", "mean", "spread", "low", "high")
"""What is read of each channel, of its finite values: `spread` is the sum of squared distances."""

COUNTS = ("zeros", "nan", "inf")
"""What is counted in a whole tensor."""

Rows = np.ndarray | Tensor
Counts = np.ndarray | Tensor

_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_LOST = 1e-2  # of the squared mean: below it, a variance from sums has too few digits


@dataclass(frozen=True, eq=False)
class Reading:
    """What one tensor of a pass held.

    Attributes:
        path: of the module.
        nth: which call of it in this pass, from 0.
        role: ``"result"``, or ``"input"`` of a batch norm.
        rows: float64 [5, C], see `ROWS`; on an accelerator they stay there until they are fetched.
        counts: float64 [3], see `COUNTS`; likewise.
    """

    path: str
    nth: int
    role: str
    rows: Rows
    counts: Counts


@dataclass(eq=False)
class Pass:
    """What was seen of one pass.

    Attributes:
        readings: of each tensor, in the order in which they were seen.
        seconds: by stage, what the hooks themselves took left out.
        held: bytes of what the modules of each stage gave.
        given: by path, the arguments and the result of the last call of each module asked for.
    """

    readings: list[Reading] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    given: dict[str, tuple[tuple[Any, ...], Any]] = field(default_factory=dict)

    def fetched(self) -> tuple[np.ndarray, np.ndarray]:
        """All readings side by side: `ROWS` as float64 [5, C], `COUNTS` as int64 [K, 3]."""
        rows = [each.rows for each in self.readings]
        counts = [each.counts for each in self.readings]
        if not rows:
            return np.zeros((len(ROWS), 0)), np.zeros((0, len(COUNTS)), np.int64)
        return _together(rows, 1), _together(counts, 0).reshape(-1, len(COUNTS)).astype(np.int64)


def _together(parts: list[Any], axis: int) -> np.ndarray:
    """Parts on the host and on devices as one array: one fetch from each device."""
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts, axis)
    tensors = [torch.as_tensor(part) for part in parts]
    devices = {each.device for each in tensors}
    if len(devices) > 1:
        tensors = [each.cpu() for each in tensors]
    found: np.ndarray = torch.cat(tensors, axis).cpu().numpy()
    return found


class ChannelWatch:
    """Hooks on every module of a model, for as many passes as are run within `installed`.

    Attributes:
        passed: what was seen since `begin`.
    """

    def __init__(
        self, model: nn.Module, stages: Mapping[str, str], asked: tuple[str, ...] = ()
    ) -> None:
        """Get ready.

        Args:
            model: whose passes are watched.
            stages: of some modules, by path, the stage that they belong to.
            asked: paths of modules whose arguments and results are handed on as they are.

        Raises:
            InputError: it cannot be hooked.
        """
        require_hookable(model)
        self.model, self.stages, self.asked = model, stages, frozenset(asked)
        self.passed = Pass()
        self._open: list[tuple[str, float, float]] = []
        self._own = 0.0
        self._nth: dict[str, int] = {}
        self._last: tuple[Tensor, int, tuple[Rows, Counts]] | None = None

    @contextmanager
    def installed(self) -> Iterator[ChannelWatch]:
        """Hook the modules; nothing is left of it after the block."""
        with unscripted(), ExitStack() as stack:
            for path, module in self.model.named_modules():
                before = module.register_forward_pre_hook(Hook(self._before(path, module)))
                stack.callback(before.remove)
                stack.callback(module.register_forward_hook(Hook(self._after(path))).remove)
            yield self

    @property
    def own_seconds(self) -> float:
        """How long the hooks took since `begin`."""
        return self._own

    def begin(self) -> None:
        """Forget the last pass."""
        self.passed = Pass()
        self._open.clear()
        self._nth.clear()
        self._last, self._own = None, 0.0

    def _before(self, path: str, module: nn.Module) -> Callable[..., None]:
        stage = self.stages.get(path)
        is_norm = "BatchNorm" in type(module).__name__

        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            start = time.perf_counter()
            if is_norm and args and isinstance(args[0], Tensor):
                self._read(path, "input", args[0], stage)
            self._own += time.perf_counter() - start
            if stage is not None:
                self._wait(module)
                self._open.append((stage, time.perf_counter(), self._own))

        return hook

    def _after(self, path: str) -> Callable[..., None]:
        stage = self.stages.get(path)

        def hook(module: nn.Module, args: tuple[Any, ...], result: Any) -> None:
            if stage is not None:
                self._wait(module)
            start = time.perf_counter()
            if stage is not None:
                name, began, own = self._open.pop()
                spent = start - began - (self._own - own)
                self.passed.seconds[name] = self.passed.seconds.get(name, 0.0) + spent
            if path in self.asked:
                self.passed.given[path] = (args, result)
            if isinstance(result, Tensor):
                self._read(path, "result", result, stage)
            self._own += time.perf_counter() - start

        return hook

    def _wait(self, module: nn.Module) -> None:
        """Let an accelerator finish, so that a stage's time is its own."""
        if self._last is not None and self._last[0].is_cuda:
            torch.cuda.synchronize(self._last[0].device)

    def _read(self, path: str, role: str, tensor: Tensor, stage: str | None) -> None:
        """Read a tensor of a module that is a stage by itself, or within the one that is open."""
        if tensor.dtype not in _FLOATS or tensor.numel() == 0:
            return
        key = f"{role}:{path}"
        nth = self._nth[key] = self._nth.get(key, -1) + 1
        values = self._known(tensor)
        if values is None:
            values = read_channels(tensor)
            within = stage or (self._open[-1][0] if self._open else "")
            self.passed.held[within] = self.passed.held.get(within, 0) + tensor.nbytes
        if not tensor.is_inference():
            self._last = (tensor, tensor._version, values)
        self.passed.readings.append(Reading(path, nth, role, *values))

    def _known(self, tensor: Tensor) -> tuple[Rows, Counts] | None:
        """What was read of the tensor a moment ago, if nothing wrote to it since."""
        if self._last is None or tensor is not self._last[0]:
            return None
        return self._last[2] if tensor._version == self._last[1] else None


def read_channels(tensor: Tensor) -> tuple[Rows, Counts]:
    """Return what is read of each channel of a tensor, and of the whole.

    The channels are the second axis of two or more; a tensor of one axis is one channel.

    Returns:
        The rows of `ROWS` for each channel, float64 [5, C], and the numbers of `COUNTS`, float64
        [3]: on the tensor's device, arrays where that is the CPU.
    """
    values = tensor.detach()
    values = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
    shape = tuple(values.shape) if values.dim() > 1 else (1, 1)
    values = values.reshape(*shape[:2], -1)
    if values.device.type == "cpu":
        return _on_cpu(values)
    return _masked(values)


def _on_cpu(values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The same by the reductions that read memory fastest, where no value forbids it.

    Args:
        values: [N, C, L].
    """
    n = values.numel() // values.shape[1]
    total, squares, low, high = _sums(values)
    if not math.isfinite(squares.sum()):
        return tuple(each.numpy() for each in _masked(values))  # type: ignore[return-value]
    mean = total / n
    spread = np.maximum(squares - total * mean, 0)
    doubtful = (spread < _LOST * n * mean * mean) & (low < high)
    if doubtful.any():
        picked = values[:, torch.from_numpy(doubtful)].double()
        mean[doubtful] = exact = picked.mean((0, 2)).numpy()
        apart = picked.sub_(torch.from_numpy(exact)[:, None])
        spread[doubtful] = apart.square_().sum((0, 2)).numpy()
    same = low == high
    if same.any():
        mean[same], spread[same] = low[same], 0
    crossing = low.min() <= 0 <= high.max()
    zeros = int(np.count_nonzero(values.numpy() == 0)) if crossing else 0
    return np.stack([np.full(len(low), float(n)), mean, spread, low, high]), np.array([zeros, 0, 0])


def _sums(values: Tensor) -> tuple[np.ndarray, ...]:
    """Sum, sum of squares, least and largest of each channel, float64 [C] each."""
    if values.shape[0] == 1:
        flat = values[0]
        norm = torch.linalg.vector_norm(flat, dim=1).numpy().astype(np.float64)
        found = (each.numpy().astype(np.float64) for each in
                 (flat.sum(1), flat.amin(1), flat.amax(1)))  # fmt: skip
        total, low, high = found
        return total, norm * norm, low, high
    # along the first axis, many neighbours at a time
    flat = values.reshape(values.shape[0], -1)
    array = flat.numpy()
    squared = torch.from_numpy(np.einsum("nc,nc->c", array, array))
    rows = flat.sum(0), squared, flat.amin(0), flat.amax(0)
    sums, squares, least, most = (each.double().view(values.shape[1:]) for each in rows)
    of_each = sums.sum(1), squares.sum(1), least.amin(1), most.amax(1)
    return tuple(each.numpy() for each in of_each)


def _masked(values: Tensor) -> tuple[Tensor, Tensor]:
    """The same of any values, without a word to the host: NaN and infinities are left out."""
    finite, axes = torch.isfinite(values), (0, 2)
    n = finite.sum(axes).double()
    some = values.where(finite, 0).double()
    mean = some.sum(axes) / n.clamp(min=1)
    spread = (some - mean[:, None]).where(finite, 0).square().sum(axes)
    low = values.where(finite, torch.inf).amin(axes).double()
    high = values.where(finite, -torch.inf).amax(axes).double()
    counts = [each.sum().double() for each in (values == 0, values.isnan(), values.isinf())]
    return torch.stack([n, mean, spread, low, high]), torch.stack(counts)
