"""Statistics of tensors, read while the pass runs.

On the CPU they are computed at once, by the reductions that read memory fastest: `aminmax`, `sum`
and `dot`, in chunks that a cache holds. On an accelerator they are computed there and fetched
together at the end (`Reading.finish`), so that recording never waits for the device in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
import torch

from tracer.record import Preview, TensorSummary

CHUNK = 1 << 20  # elements; 4 MB of float32
SAMPLE = 1 << 11  # elements that `zeros` and `histogram` of a larger tensor are taken from
FEW = 32  # elements: a tensor of no more is read without kernels, and has no histogram
BINS = 32
PREVIEW_SIDE = 48  # pixels
PREVIEW_CHANNELS = 3

_INTEGERS = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
_NARROW = frozenset({torch.float16, torch.bfloat16})
_DTYPE_NAMES = {
    value: str(value).removeprefix("torch.")
    for value in vars(torch).values()
    if isinstance(value, torch.dtype)
}
_FLOATS = frozenset({torch.float32, torch.float64}) | _NARROW


class unseen:
    """Run tensor code that no mode, graph or autocast of the traced program notices."""

    __slots__ = ("guards",)

    def __enter__(self) -> None:
        """Switch everything off, for this thread."""
        self.guards = [
            torch._C.DisableTorchFunction(),
            torch._C._DisableTorchDispatch(),
            torch._C._AutoDispatchBelowAutograd(),
        ]
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            self.guards += [torch.autocast(d, enabled=False) for d in ("cpu", "cuda")]
        for guard in self.guards:
            guard.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put back what was there."""
        for guard in reversed(self.guards):
            guard.__exit__(kind, error, trace)


def shape_only(tensor: torch.Tensor) -> TensorSummary:
    """Summarise without reading a value: shape, dtype, device."""
    return TensorSummary(tuple(tensor.shape), _DTYPE_NAMES[tensor.dtype], str(tensor.device))


@dataclass
class Reading:
    """Statistics of one tensor that may still be on its device.

    Attributes:
        summary: complete once `finish` ran.
        preview, picture: the small picture and how to read it, once `finish` ran; None without.
        numbers: float64 [8] on the device: min, max, sum, squares, nan, inf, zeros, finite count.
        planes: float32 [1 + K, h, w] on the device: the channel mean, then the K channels listed
            in `channels` (int64 [K]).
        counts: histogram [BINS] on the device.
    """

    summary: TensorSummary
    preview: Preview | None = None
    picture: np.ndarray | None = None
    numbers: torch.Tensor | None = None
    planes: torch.Tensor | None = None
    channels: torch.Tensor | None = None
    counts: torch.Tensor | None = None
    image: int = -1
    stride: int = 1

    def finish(self) -> Reading:
        """Fetch what is still on the device, but for the picture (see `develop`)."""
        if self.numbers is not None:
            low, high, total, squares, nan, inf, zeros, n = self.numbers.tolist()
            spread = squares - total * total / n if n else 0.0
            self.summary = replace(
                self.summary,
                min=low if n else None,
                max=high if n else None,
                mean=total / n if n else None,
                std=math.sqrt(max(spread, 0.0) / (n - 1)) if n > 1 else None,
                zeros=zeros / self.summary.numel,
                nan=int(nan),
                inf=int(inf),
                sampled=self.counts is not None and self.summary.numel > SAMPLE,
                histogram=tuple(self.counts.tolist()) if self.counts is not None else (),
            )
            self.numbers = self.counts = None
        return self


def develop(readings: Iterable[Reading]) -> None:
    """Turn the planes of many readings into 8-bit pictures: all of one size together."""
    sizes: dict[tuple[int, ...], list[Reading]] = {}
    for reading in readings:
        if reading.planes is not None:
            sizes.setdefault(tuple(reading.planes.shape), []).append(reading)
    for group in sizes.values():
        planes = torch.stack([r.planes for r in group if r.planes is not None]).cpu().numpy()
        channels = torch.stack([r.channels for r in group if r.channels is not None]).tolist()
        pictures, low, high = _eight_bit(planes)
        for i, reading in enumerate(group):
            ranges = tuple(zip(low[i].tolist(), high[i].tolist(), strict=True))
            reading.preview = Preview((-1, *channels[i]), ranges, reading.image, reading.stride)
            reading.picture = pictures[i]
            reading.planes = reading.channels = None


def _eight_bit(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale float32 [B, K, h, w] plane by plane to uint8; return it with low and high [B, K]."""
    low, high = planes.min(axis=(2, 3)), planes.max(axis=(2, 3))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        gaps = np.where(np.isfinite(planes), planes, np.nan)
        some = np.isfinite(planes).any(axis=(2, 3), keepdims=True)
        gaps = np.where(some, gaps, 0)
        low, high = np.nanmin(gaps, axis=(2, 3)), np.nanmax(gaps, axis=(2, 3))
    width = np.where(high > low, high - low, 1).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (planes - low[..., None, None]) * (255 / width)[..., None, None]
    return np.nan_to_num(scaled, nan=0).clip(0, 255).astype(np.uint8), low, high


def read(tensor: torch.Tensor, pictures: bool = True, at_once: bool | None = None) -> Reading:
    """Take a tensor's statistics, and its small picture if it is a map.

    Args:
        tensor: any tensor; one whose values cannot be read (meta, sparse, complex, …) yields its
            shape, dtype and device.
        pictures: also take the histogram and the preview.
        at_once: compute on the CPU now (default for CPU tensors), else on the tensor's device.
    """
    if not _readable(tensor) or tensor.numel() == 0:
        reading = Reading(shape_only(tensor))
        if tensor.numel() == 0 and tensor.dtype in _FLOATS | _INTEGERS:
            reading.summary = replace(reading.summary, nan=0, inf=0)
        return reading
    if at_once is None:
        at_once = tensor.device.type == "cpu"
    with unseen():
        plain = tensor.detach()
        if at_once and plain.numel() <= FEW:
            return Reading(_summary_of_few(plain))
        flat = _flat(plain)
        if at_once:
            reading = Reading(_summary_now(tensor, flat, pictures))
        else:
            reading = Reading(shape_only(tensor))
            reading.numbers = _numbers(flat)
            reading.counts = _histogram_there(_sample(flat)) if pictures else None
        if pictures:
            _take_planes(reading, plain)
    return reading


def _readable(tensor: torch.Tensor) -> bool:
    """Whether values can be reduced by the plain kernels."""
    return (
        tensor.layout is torch.strided
        and tensor.device.type != "meta"
        and not tensor.is_quantized
        and tensor.dtype in _FLOATS | _INTEGERS
        and (type(tensor).__torch_dispatch__ is torch._C._disabled_torch_dispatch_impl)
    )


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    """The values as one axis, without a copy where memory order allows; order does not matter."""
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(-1)


def _sample(flat: torch.Tensor) -> torch.Tensor:
    """At most SAMPLE values: 64 runs, evenly spread (all of a smaller tensor)."""
    if flat.numel() <= SAMPLE:
        return flat
    runs = flat[: flat.numel() // 64 * 64].view(64, -1)
    return runs[:, : SAMPLE // 64].reshape(-1)


# min, max, mean, std, nan, inf
_Numbers = tuple[float | None, float | None, float | None, float | None, int, int]


def _summary_now(tensor: torch.Tensor, flat: torch.Tensor, histogram: bool) -> TensorSummary:
    """All of a CPU tensor's numbers, at once."""
    sample = _sample(flat)
    integers = flat.dtype in _INTEGERS
    numbers = _integer_statistics(flat) if integers else _float_statistics(flat)
    low, high, mean, std, nan, inf = numbers
    counts: tuple[int, ...] = ()
    if histogram and low is not None and high is not None and sample.numel() > 1:
        counts = _histogram(sample, float(low), float(high), gaps=bool(nan or inf))
    return TensorSummary(
        tuple(tensor.shape),
        _DTYPE_NAMES[tensor.dtype],
        str(tensor.device),
        low,
        high,
        mean,
        std,
        1 - int(torch.count_nonzero(sample)) / sample.numel(),
        nan,
        inf,
        sample.numel() < flat.numel(),
        counts,
    )


def _summary_of_few(tensor: torch.Tensor) -> TensorSummary:
    """The same of a handful of values, in plain Python: one fetch instead of ten kernels."""
    values = tensor.flatten().tolist()
    finite = [v for v in values if math.isfinite(v)]
    nan = sum(v != v for v in values)
    low = high = mean = std = None
    if finite:
        low, high = min(finite), max(finite)
        mean = math.fsum(finite) / len(finite)
    if len(finite) > 1 and mean is not None:
        std = math.sqrt(math.fsum((v - mean) ** 2 for v in finite) / (len(finite) - 1))
    if tensor.dtype is torch.bool:
        low, high = int(low or 0), int(high or 0)
    return TensorSummary(
        tuple(tensor.shape),
        _DTYPE_NAMES[tensor.dtype],
        str(tensor.device),
        low,
        high,
        mean,
        std,
        sum(v == 0 for v in values) / len(values),
        nan,
        len(values) - len(finite) - nan,
    )


def _histogram(sample: torch.Tensor, low: float, high: float, gaps: bool) -> tuple[int, ...]:
    if not math.isfinite(high - low):
        return ()
    sample = sample.float() if sample.dtype != torch.float64 else sample
    if gaps:
        sample = sample[torch.isfinite(sample)]
    return tuple(map(int, torch.histc(sample, BINS, low, high).tolist()))


def _integer_statistics(flat: torch.Tensor) -> _Numbers:
    low, high = torch.aminmax(flat.to(torch.uint8) if flat.dtype is torch.bool else flat)
    return int(low), int(high), *_exact_moments(flat), 0, 0


def _float_statistics(flat: torch.Tensor) -> _Numbers:
    """The numbers of a tensor of floats, in one pass where its values allow that."""
    low, high, total, squares = _sums(flat)
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(squares)):
        return _with_gaps(flat)
    n = flat.numel()
    mean = total / n
    if n < 2:
        return low, high, mean, None, 0, 0
    variance = (squares - total * mean) / (n - 1)
    if low == high:
        return low, high, low, 0.0, 0, 0
    if variance < 1e-2 * mean * mean:  # the difference of two large numbers: digits are lost
        return low, high, *_exact_moments(flat), 0, 0
    return low, high, mean, math.sqrt(max(variance, 0.0)), 0, 0


def _sums(flat: torch.Tensor) -> tuple[float, float, float, float]:
    """(min, max, sum, sum of squares); NaN or Inf among the values shows in them."""
    low, high, total, squares = math.inf, -math.inf, 0.0, 0.0
    for chunk in flat.split(CHUNK) if flat.numel() > CHUNK else (flat,):
        chunk = chunk.float() if chunk.dtype in _NARROW else chunk
        a, b = torch.aminmax(chunk)
        low, high = _min(low, a.item()), _max(high, b.item())
        total += chunk.sum().item()
        squares += torch.dot(chunk, chunk).item()
    return low, high, total, squares


def _min(a: float, b: float) -> float:
    return b if b < a or b != b else a


def _max(a: float, b: float) -> float:
    return b if b > a or b != b else a


def _exact_moments(flat: torch.Tensor) -> tuple[float, float | None]:
    """Mean and unbiased standard deviation in double precision, in two passes."""
    n = flat.numel()
    chunks = flat.split(CHUNK)
    mean = math.fsum(c.sum(dtype=torch.float64).item() for c in chunks) / n
    if n < 2:
        return mean, None
    spread = math.fsum(((c.double() - mean) ** 2).sum().item() for c in chunks)
    return mean, math.sqrt(spread / (n - 1))


def _with_gaps(flat: torch.Tensor) -> _Numbers:
    """Statistics of the finite values, where some are NaN or infinite, or squares overflow."""
    nan = int(torch.isnan(flat).sum())
    inf = int(torch.isinf(flat).sum())
    finite = flat[torch.isfinite(flat)]
    if finite.numel() == 0:
        return None, None, None, None, nan, inf
    low, high = torch.aminmax(finite)
    return low.item(), high.item(), *_exact_moments(finite), nan, inf


def _numbers(flat: torch.Tensor) -> torch.Tensor:
    """The eight numbers of `Reading.numbers`, computed on the tensor's own device."""
    values = flat if flat.dtype in _FLOATS else flat.double()
    finite = torch.isfinite(values)
    some = values.where(finite, 0)
    infinity = torch.full((), math.inf, dtype=values.dtype, device=values.device)
    low = values.where(finite, infinity).amin()
    high = values.where(finite, -infinity).amax()
    total = some.sum(dtype=torch.float64)
    n = finite.sum()
    # squares about the mean keep their digits; add back so that `finish` reads plain sums
    mean = total / n.clamp(min=1)
    spread = (some.double() - mean).where(finite, 0).square().sum()
    squares = spread + n * mean * mean
    zeros = (values == 0).sum()
    parts = (low, high, total, squares, torch.isnan(values).sum(), torch.isinf(values).sum())
    return torch.stack([p.double() for p in (*parts, zeros, n)])


def _histogram_there(sample: torch.Tensor) -> torch.Tensor:
    """A histogram between the sample's own extremes, without a wait for the device."""
    values = sample.float()
    finite = torch.isfinite(values)
    infinity = torch.full((), math.inf, device=values.device)
    low = values.where(finite, infinity).amin()
    high = values.where(finite, -infinity).amax()
    width = (high - low).where(high > low, torch.ones_like(high))
    bins = ((values - low) * (BINS / width)).nan_to_num(0, 0, 0).long().clamp_(0, BINS - 1)
    counts = torch.zeros(BINS, dtype=torch.int64, device=values.device)
    return counts.scatter_add_(0, bins, finite.long())


def _take_planes(reading: Reading, tensor: torch.Tensor) -> None:
    """Take the channel mean and the strongest channels of a map, small.

    Which channels are strongest is judged on every third row and column of what is shown.
    A map is [N, C, H, W] (its first image is taken) or [C, H, W], at least 2 pixels high and wide
    (8 without a batch axis, so that a table of boxes is no map).
    """
    least = {4: 2, 3: 8}.get(tensor.dim())
    if least is None or tensor.dtype not in _FLOATS or min(tensor.shape[-2:]) < least:
        return
    reading.image = 0 if tensor.dim() == 4 else -1
    maps = tensor[0] if tensor.dim() == 4 else tensor
    reading.stride = step = -(-max(maps.shape[-2:]) // PREVIEW_SIDE)
    small = maps[:, ::step, ::step]
    if maps.shape[0] <= PREVIEW_CHANNELS:
        channels = torch.arange(maps.shape[0], device=maps.device)
    else:
        coarse = maps[:, :: 3 * step, :: 3 * step].float().flatten(1)
        channels = torch.linalg.vector_norm(coarse, dim=1).topk(PREVIEW_CHANNELS).indices
    mean = small.mean(0, keepdim=True, dtype=torch.float32)
    reading.planes = torch.cat([mean, small[channels].float()])
    reading.channels = channels
