"""Statistics of tensors, read while the pass runs.

What a write would destroy is taken at once, and no more than that. A small tensor's values are
copied; of a large one on the CPU the numbers are computed by the reductions that read memory
fastest (`amin`, `amax`, `sum` and `dot`, in chunks that a cache holds; `aminmax` takes longer than
the two that it stands for, and numpy counts zeros in a tenth of `count_nonzero`'s time), and a
sample is copied for the histogram. What can be computed from the copies is computed later for many
tensors together (`settle`, `develop`): a kernel of its own for each would cost more than all the
values. On an accelerator everything stays there until then, so that recording never waits for the
device in between.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
import torch

from tracer.capture.fingerprints import Hasher, digest, update
from tracer.capture.value_trees import has_memory
from tracer.record import Preview, TensorSummary

CHUNK = 1 << 18  # elements; 1 MB of float32, which a core's cache holds
SAMPLE = 1 << 11  # elements that the histogram of a larger tensor is taken from
FEW = 32  # elements: no more than these have no histogram
BINS = 32
BLOCK = 1 << 16  # elements; 512 kB of float64
PREVIEW_SIDE = 48  # pixels
MAP_SIDE = 340  # of a picture that is to show every cell: P2 and C2 of 800 × 1344 pixels
PREVIEW_CHANNELS = 3

_INTEGERS = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
_NARROW = frozenset({torch.float16, torch.bfloat16})
_DTYPE_NAMES = {
    value: str(value).removeprefix("torch.")
    for value in vars(torch).values()
    if isinstance(value, torch.dtype)
}
_FLOATS = frozenset({torch.float32, torch.float64}) | _NARROW
_REAL = _FLOATS | _INTEGERS

# min, max, mean, std, nan, inf, zeros
_Numbers = tuple[float | None, float | None, float | None, float | None, int, int, int]

_IN_STRATUM = np.random.default_rng(0).random(SAMPLE)  # where in its stratum each value is taken


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
        if torch._C._functorch.peek_interpreter_stack() is not None:  # in torch.vmap and its kin
            self.guards.append(torch._C._DisableFuncTorch())
        if torch._C._is_any_autocast_enabled():
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
    return _shape_only(tuple(tensor.shape), tensor.dtype, tensor.device)


@functools.lru_cache(maxsize=4096)
def _shape_only(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> TensorSummary:
    return TensorSummary(shape, _DTYPE_NAMES[dtype], str(device))


@dataclass
class Reading:
    """Statistics of one tensor, of which a part may still have to be computed.

    Attributes:
        summary: complete once `settle` saw the reading; before, shape, dtype and device.
        preview, picture: the small picture and how to read it, once `develop` did; None without.
        sample: all values of a small tensor, or `SAMPLE` of a large one (none where no histogram
            is wanted), [n]: on the host or still on the device; None once settled.
        numbers: of a large tensor: its numbers, or float64 [8] on the device: min, max, sum,
            squares, nan, inf, zeros, finite count.
        histogram: whether one is wanted.
        planes: float32 [1 + K, h, w] on the device: the channel mean, then the K channels listed
            in `channels` (int64 [K]).
        fingerprint: where one is wanted, see `tracer.capture.fingerprints`.
    """

    summary: TensorSummary
    preview: Preview | None = None
    picture: np.ndarray | None = None
    sample: np.ndarray | torch.Tensor | None = None
    numbers: _Numbers | torch.Tensor | None = None
    histogram: bool = False
    planes: torch.Tensor | None = None
    channels: torch.Tensor | None = None
    image: int = -1
    stride: int = 1
    fingerprint: str = ""


def settle(readings: Iterable[Reading]) -> None:
    """Complete the summaries of many readings: one fetch from the device, then numpy for all."""
    waiting = list({id(r): r for r in readings if r.sample is not None}.values())
    _fetch([r for r in waiting if isinstance(r.sample, torch.Tensor)])
    floats = [r for r in waiting if _values(r).dtype.kind == "f"]
    integers = [r for r in waiting if _values(r).dtype.kind != "f"]
    for group in (*_blocks(floats), *_blocks(integers)):
        small = [r for r in group if r.numbers is None]
        for reading, numbers in zip(small, _of_all([_values(r) for r in small]), strict=True):
            reading.numbers = numbers
        _complete(group)


def _blocks(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    """Split so that the values of each part fit into a cache."""
    block: list[Reading] = []
    count = 0
    for reading in readings:
        block.append(reading)
        count += _values(reading).size
        if count >= BLOCK:
            yield block
            block, count = [], 0
    if block:
        yield block


def _values(reading: Reading) -> np.ndarray:
    assert isinstance(reading.sample, np.ndarray)
    return reading.sample


def _fetch(readings: Sequence[Reading]) -> None:
    """Bring samples and numbers from their devices to the host."""
    numbers = [r for r in readings if isinstance(r.numbers, torch.Tensor)]
    if numbers:
        fetched = torch.stack([r.numbers for r in numbers if r.numbers is not None]).tolist()  # type: ignore[misc]
        for reading, eight in zip(numbers, fetched, strict=True):
            reading.numbers = _from_sums(*eight)
    by_place: dict[tuple[torch.device, torch.dtype], list[Reading]] = {}
    for reading in readings:
        assert isinstance(reading.sample, torch.Tensor)
        by_place.setdefault((reading.sample.device, reading.sample.dtype), []).append(reading)
    for group in by_place.values():
        samples = [r.sample for r in group if isinstance(r.sample, torch.Tensor)]
        together = _on_host(torch.cat(samples))
        ends = np.cumsum([len(s) for s in samples])
        for reading, part in zip(group, np.split(together, ends[:-1]), strict=True):
            reading.sample = part


def _from_sums(
    low: float, high: float, total: float, squares: float, *counts_and_n: float
) -> _Numbers:
    nan, inf, zeros, n = map(int, counts_and_n)
    if not n:
        return None, None, None, None, nan, inf, zeros
    spread = max(squares - total * total / n, 0.0)
    return low, high, total / n, math.sqrt(spread / (n - 1)) if n > 1 else None, nan, inf, zeros


def _of_all(tensors: Sequence[np.ndarray]) -> list[_Numbers]:
    """The numbers of many small tensors, each given with all its values, in double precision."""
    if not tensors:
        return []
    lengths = np.array([t.size for t in tensors])
    starts = lengths.cumsum() - lengths
    values = np.concatenate(tensors)
    exact = values.astype(np.float64)
    finite = np.isfinite(exact)
    n = np.add.reduceat(finite, starts, dtype=np.int64)
    nan = np.add.reduceat(np.isnan(exact), starts, dtype=np.int64)
    zeros = np.add.reduceat(values == 0, starts, dtype=np.int64)
    if values.dtype.kind == "f":
        low = np.minimum.reduceat(np.where(finite, exact, np.inf), starts)
        high = np.maximum.reduceat(np.where(finite, exact, -np.inf), starts)
    else:  # large integers are no doubles
        values = values.astype(np.int64)
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        mean = np.add.reduceat(np.where(finite, exact, 0), starts) / n
        if not np.isfinite(mean).all():  # sums that no double holds, or of no value
            shares = np.where(finite, exact, 0) / np.repeat(n, lengths)
            mean = np.where(np.isfinite(mean), mean, np.add.reduceat(shares, starts))
        mean = np.where(low == high, low, mean)
        apart = np.where(finite, exact - np.repeat(mean, lengths), 0)
        std = np.sqrt(np.add.reduceat(apart * apart, starts) / (n - 1))
    columns = (a.tolist() for a in (low, high, mean, std, nan, lengths - n - nan, zeros, n))
    return [
        (
            *((a, b, c) if count else (None, None, None)),
            d if count > 1 and math.isfinite(d) else None,
            e,
            f,
            g,
        )
        for a, b, c, d, e, f, g, count in zip(*columns, strict=True)
    ]


def _complete(group: Sequence[Reading]) -> None:
    """Write the summaries of readings whose numbers are known: histograms are left."""
    drawn = [i for i, r in enumerate(group) if _has_histogram(r)]
    counts = dict(zip(drawn, _histograms([group[i] for i in drawn]), strict=True))
    for i, reading in enumerate(group):
        known = reading.summary
        assert isinstance(reading.numbers, tuple)
        low, high, mean, std, nan, inf, zeros = reading.numbers
        reading.summary = TensorSummary(
            known.shape,
            known.dtype,
            known.device,
            low,
            high,
            mean,
            std,
            zeros / known.numel,
            nan,
            inf,
            i in counts and known.numel > SAMPLE,
            counts.get(i, ()),
        )
        reading.sample = reading.numbers = None


def _has_histogram(reading: Reading) -> bool:
    assert isinstance(reading.numbers, tuple)
    low, high, *_ = reading.numbers
    if not reading.histogram or low is None or high is None or _values(reading).size <= FEW:
        return False
    return math.isfinite(float(high) - float(low))


def _histograms(readings: Sequence[Reading]) -> list[tuple[int, ...]]:
    """Count each sample's finite values in equal bins from that tensor's min to its max."""
    if not readings:
        return []
    lengths = [_values(r).size for r in readings]
    numbers = np.array([r.numbers[:2] for r in readings if isinstance(r.numbers, tuple)], float)
    low, width = numbers[:, 0], numbers[:, 1] - numbers[:, 0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = np.where(width > 0, BINS / width, 0)
        first = np.where(width > 0, 0, BINS // 2)  # all values equal: the bin in the middle
        values = np.concatenate([_values(r) for r in readings]).astype(np.float64)
        place = (values - np.repeat(low, lengths)) * np.repeat(scale, lengths)
    finite = np.isfinite(values) & np.isfinite(place)
    bins = np.where(finite, place, 0).astype(np.int64).clip(0, BINS - 1)
    bins += np.repeat(np.arange(len(readings)) * BINS + first, lengths)
    counts = np.bincount(bins[finite], minlength=len(readings) * BINS)
    return [tuple(row) for row in counts.reshape(-1, BINS).tolist()]


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


def read(
    tensor: torch.Tensor,
    pictures: bool = True,
    at_once: bool | None = None,
    preview: bool = True,
    fingerprints: bool = False,
) -> Reading:
    """Take what `settle` needs of a tensor for its statistics, and the picture of a map.

    Args:
        tensor: any tensor; one whose values cannot be read (meta, sparse, complex, …) yields its
            shape, dtype and device.
        pictures: also take the histogram and the preview.
        at_once: compute on the CPU now (default for CPU tensors), else on the tensor's device.
        preview: False takes the histogram alone.
        fingerprints: also take the fingerprint, of any tensor that has memory.
    """
    reading = Reading(shape_only(tensor), histogram=pictures)
    readable = _readable(tensor)
    if not readable or tensor.numel() == 0:
        if readable:
            reading.summary = replace(reading.summary, nan=0, inf=0)
        reading.fingerprint = fingerprint(tensor) if fingerprints else ""
        return reading
    if at_once is None:
        at_once = tensor.device.type == "cpu"
    try:
        with unseen():
            _take(reading, tensor.detach(), at_once, preview, fingerprints)
    except (RuntimeError, MemoryError):  # no kernel reads it
        return Reading(reading.summary)
    return reading


def extremes(tensor: torch.Tensor) -> Reading:
    """Read no more of a tensor on the CPU than its extremes: what a weight is worth.

    All 41 million weights of a detector cost a hundredth of its pass then. One that holds NaN or
    infinite values is read in full, and so is one on an accelerator.
    """
    if tensor.device.type == "cpu" and tensor.numel() and _readable(tensor):
        with suppress(RuntimeError), unseen():  # that no kernel reads it, `read` says
            low, high = (each.item() for each in torch.aminmax(tensor.detach()))
            if math.isfinite(low) and math.isfinite(high):
                return Reading(replace(shape_only(tensor), min=low, max=high, nan=0, inf=0))
    return read(tensor, pictures=False)


def fingerprint(tensor: torch.Tensor) -> str:
    """Return the fingerprint of any tensor; ``""`` if it has no memory that kernels read."""
    if not _strided(tensor):
        return ""
    try:
        with unseen():
            return digest(tensor.detach())
    except (RuntimeError, MemoryError):
        return ""


def refine(reading: Reading, tensor: torch.Tensor) -> None:
    """Take the picture of a map anew, with all its cells."""
    with unseen():
        if reading.stride > 1 and _readable(tensor):
            _take_planes(reading, tensor.detach(), MAP_SIDE)


def _take(
    reading: Reading, plain: torch.Tensor, at_once: bool, preview: bool, fingerprints: bool
) -> None:
    flat = _flat(plain)
    small = flat.numel() <= SAMPLE
    sample = _sample(flat) if small or reading.histogram else flat[:0].clone()
    reading.sample = _on_host(sample) if at_once else sample
    hasher = Hasher() if fingerprints and at_once and not small and _in_a_row(plain) else None
    if not small:
        reading.numbers = _numbers(flat, hasher) if at_once else _numbers_there(flat)
    if fingerprints:
        reading.fingerprint = digest(plain) if hasher is None else hasher.hexdigest()
    if reading.histogram and preview:
        _take_planes(reading, plain)


def _readable(tensor: torch.Tensor) -> bool:
    """Whether values can be reduced by the plain kernels."""
    return not tensor.is_quantized and tensor.dtype in _REAL and _strided(tensor)


def _strided(tensor: torch.Tensor) -> bool:
    """Whether its bytes lie in memory as its shape and strides say."""
    return (
        tensor.layout is torch.strided
        and tensor.device.type != "meta"
        and (type(tensor).__torch_dispatch__ is torch._C._disabled_torch_dispatch_impl)
        and has_memory(tensor)
    )


def _in_a_row(plain: torch.Tensor) -> bool:
    """Whether floats lie in memory, on the host, in their order."""
    return plain.dtype in _FLOATS and plain.is_contiguous() and not plain.is_neg()


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    """The values as one axis, without a copy where memory order allows; order does not matter."""
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(-1)


def _sample(flat: torch.Tensor) -> torch.Tensor:
    """A copy of SAMPLE values, one at random from each of as many equal parts; of a smaller all.

    No shape or layout can align with places that are random within their parts. A share p of the
    values is met with a standard error of at most sqrt(p (1 - p) / SAMPLE): no more than 0.011.
    """
    if flat.numel() <= SAMPLE:
        return flat.clone()
    return flat.index_select(0, _places(flat.numel(), flat.device))


@functools.lru_cache(maxsize=256)
def _places(count: int, device: torch.device) -> torch.Tensor:
    """The same places, int64 [SAMPLE], whenever a tensor of so many values is sampled."""
    places = (np.arange(SAMPLE) + _IN_STRATUM) * (count / SAMPLE)
    return torch.from_numpy(places.astype(np.int64)).to(device)


def _on_host(values: torch.Tensor) -> np.ndarray:
    """The same as an array; numpy lacks the narrow types.

    To be given what is our own: memory that numpy has seen cannot be resized any more.
    """
    array: np.ndarray = (values.float() if values.dtype in _NARROW else values).numpy(force=True)
    return array


def _numbers(flat: torch.Tensor, hasher: Hasher | None) -> _Numbers:
    """All of a large CPU tensor's numbers, at once; the hasher gets its bytes, if there is one."""
    if flat.dtype in _INTEGERS:
        return _integer_statistics(flat)
    return _float_statistics(flat, hasher)


def _integer_statistics(flat: torch.Tensor) -> _Numbers:
    low, high = torch.aminmax(flat.to(torch.uint8) if flat.dtype is torch.bool else flat)
    return int(low), int(high), *_exact_moments(flat), 0, 0, _zeros(flat)


def _float_statistics(flat: torch.Tensor, hasher: Hasher | None) -> _Numbers:
    """The numbers of a tensor of floats, in one pass where its values allow that."""
    low, high, total, squares, zeros = _sums(flat, hasher)
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(squares)):
        return _with_gaps(flat)
    n = flat.numel()
    mean = total / n
    if n < 2:
        return low, high, mean, None, 0, 0, zeros
    variance = (squares - total * mean) / (n - 1)
    if low == high:
        return low, high, low, 0.0, 0, 0, zeros
    if variance < 1e-2 * mean * mean:  # the difference of two large numbers: digits are lost
        return low, high, *_exact_moments(flat), 0, 0, zeros
    return low, high, mean, math.sqrt(max(variance, 0.0)), 0, 0, zeros


def _sums(flat: torch.Tensor, hasher: Hasher | None) -> tuple[float, float, float, float, int]:
    """(min, max, sum, sum of squares, zeros); NaN or Inf among the values shows in them."""
    low, high, total, squares, zeros = math.inf, -math.inf, 0.0, 0.0, 0
    for chunk in flat.split(CHUNK) if flat.numel() > CHUNK else (flat,):
        if hasher is not None:
            update(hasher, chunk)
        chunk = chunk.float() if chunk.dtype in _NARROW else chunk
        least, most = chunk.amin().item(), chunk.amax().item()
        low, high = _min(low, least), _max(high, most)
        zeros += 0 if least > 0 or most < 0 else _zeros(chunk)
        total += chunk.sum().item()
        squares += torch.dot(chunk, chunk).item()
    return low, high, total, squares, zeros


def _zeros(values: torch.Tensor) -> int:
    """How many values are zero: torch is fast at making them booleans, numpy at counting these."""
    if values.device.type != "cpu":
        return int((values == 0).sum())
    chunks = values.split(CHUNK) if values.numel() > CHUNK else (values,)
    kept = (_on_host(chunk.to(torch.bool, copy=True)) for chunk in chunks)
    return values.numel() - sum(int(np.count_nonzero(chunk)) for chunk in kept)


def _min(a: float, b: float) -> float:
    return b if b < a or b != b else a


def _max(a: float, b: float) -> float:
    return b if b > a or b != b else a


def _exact_moments(flat: torch.Tensor) -> tuple[float, float | None]:
    """Mean and unbiased standard deviation in double precision, in two passes."""
    n = flat.numel()
    chunks = flat.split(CHUNK)
    mean = _sum(c.sum(dtype=torch.float64).item() for c in chunks) / n
    if not math.isfinite(mean):  # a sum that no double holds
        mean = _sum((c.double() / n).sum().item() for c in chunks)
    if n < 2:
        return mean, None
    spread = _sum(((c.double() - mean) ** 2).sum().item() for c in chunks)
    return mean, math.sqrt(spread / (n - 1)) if math.isfinite(spread) else None


def _sum(parts: Iterable[float]) -> float:
    """The exact sum of finite numbers; not finite where a double cannot hold it."""
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):
        return math.inf


def _with_gaps(flat: torch.Tensor) -> _Numbers:
    """Statistics of the finite values, where some are NaN or infinite, or squares overflow."""
    nan = int(torch.isnan(flat).sum())
    inf = int(torch.isinf(flat).sum())
    finite = flat[torch.isfinite(flat)]
    zeros = _zeros(finite)
    if finite.numel() == 0:
        return None, None, None, None, nan, inf, zeros
    low, high = torch.aminmax(finite)
    return low.item(), high.item(), *_exact_moments(finite), nan, inf, zeros


def _numbers_there(flat: torch.Tensor) -> torch.Tensor:
    """The eight numbers of `Reading.numbers`, computed on the tensor's own device."""
    values = flat if flat.dtype in _FLOATS else flat.double()
    finite = torch.isfinite(values)
    some = values.where(finite, 0)
    infinity = torch.full((), math.inf, dtype=values.dtype, device=values.device)
    low = values.where(finite, infinity).amin()
    high = values.where(finite, -infinity).amax()
    total = some.sum(dtype=torch.float64)
    n = finite.sum()
    # squares about the mean keep their digits; add back so that `_from_sums` reads plain sums
    mean = total / n.clamp(min=1)
    spread = (some.double() - mean).where(finite, 0).square().sum()
    squares = spread + n * mean * mean
    gaps = torch.isnan(values).sum(), torch.isinf(values).sum()
    parts = (low, high, total, squares, *gaps, (values == 0).sum(), n)
    return torch.stack([p.double() for p in parts])


def _take_planes(reading: Reading, tensor: torch.Tensor, side: int = PREVIEW_SIDE) -> None:
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
    reading.stride = step = -(-max(maps.shape[-2:]) // side)
    small = maps[:, ::step, ::step] if step > 1 else maps
    if maps.shape[0] <= PREVIEW_CHANNELS:
        channels = torch.arange(maps.shape[0], device=maps.device)
    else:
        coarse = maps[:, :: 3 * step, :: 3 * step].float().flatten(1)
        channels = torch.linalg.vector_norm(coarse, dim=1).topk(PREVIEW_CHANNELS).indices
    mean = small.mean(0, keepdim=True, dtype=torch.float32)
    reading.planes = torch.cat([mean, small.index_select(0, channels).float()])
    reading.channels = channels
