"""Statistics of tensors against numpy's, at once and deferred to the device's end."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.capture.summaries import BINS, SAMPLE, develop, read, settle, unseen

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = [torch.int64, torch.int32, torch.uint8, torch.bool]

numbers = st.one_of(
    st.floats(-1e4, 1e4, width=32), st.sampled_from([0.0, math.nan, math.inf, -math.inf])
)


def summary(tensor, at_once):
    reading = read(tensor, at_once=at_once)
    settle([reading])
    return reading.summary


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
@given(values=st.lists(numbers, min_size=1, max_size=40))
@settings(max_examples=60)
def test_float_statistics_are_those_of_the_finite_values(values, dtype, at_once):
    tensor = torch.tensor(values, dtype=dtype)
    array = tensor.double().numpy()
    finite = array[np.isfinite(array)]
    found = summary(tensor, at_once)
    assert found.nan == np.isnan(array).sum()
    assert found.inf == np.isinf(array).sum()
    assert found.zeros == pytest.approx((array == 0).mean(), abs=1e-12)
    if not finite.size:
        assert (found.min, found.max, found.mean, found.std) == (None,) * 4
        return
    assert (found.min, found.max) == (finite.min(), finite.max())
    scale = max(1.0, np.abs(finite).max())
    assert found.mean == pytest.approx(finite.mean(), abs=1e-5 * scale)
    if finite.size > 1:
        assert found.std == pytest.approx(finite.std(ddof=1), rel=1e-3, abs=1e-4 * scale)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("dtype", INTEGERS)
@given(values=st.lists(st.integers(0, 200), min_size=1, max_size=30))
@settings(max_examples=30)
def test_integer_statistics(values, dtype, at_once):
    tensor = torch.tensor(values).to(dtype)
    array = tensor.numpy().astype(float)
    found = summary(tensor, at_once)
    assert (found.min, found.max, found.nan, found.inf) == (array.min(), array.max(), 0, 0)
    assert found.mean == pytest.approx(array.mean())
    assert (found.std is None) == (len(values) < 2)


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3, 1e6])
def test_large_tensors_far_from_zero_keep_their_digits(offset):
    tensor = torch.randn(3_000_000, generator=torch.Generator().manual_seed(0)) + offset
    exact = tensor.double()
    for at_once in (True, False):
        found = summary(tensor, at_once)
        assert found.mean == pytest.approx(exact.mean().item(), rel=1e-5, abs=1e-5)
        assert found.std == pytest.approx(exact.std().item(), rel=1e-4)


def test_squares_that_overflow_are_no_infinities():
    found = summary(torch.tensor([3e38, -3e38, 3e38] * 9), True)
    assert found.inf == 0
    assert found.std == pytest.approx(np.std([3e38, -3e38, 3e38] * 9, ddof=1), rel=1e-6)


@pytest.mark.parametrize(
    "view",
    [
        lambda t: t.permute(3, 1, 0, 2),
        lambda t: t[:, ::2, 1:, ::3],
        lambda t: t[:1].expand(5, -1, -1, -1),
        lambda t: t.to(memory_format=torch.channels_last),
        lambda t: t[0, 0, 0, 0],
    ],
)
def test_any_memory_layout_gives_the_same_numbers(view):
    tensor = view(torch.randn(2, 6, 8, 9, generator=torch.Generator().manual_seed(0)))
    found, expected = summary(tensor, True), summary(tensor.contiguous(), True)
    assert (found.min, found.max, found.shape) == (expected.min, expected.max, expected.shape)
    assert found.mean == pytest.approx(expected.mean, rel=1e-5)


def test_a_large_tensors_histogram_is_a_sample_and_says_so():
    tensor = torch.randn(200_000, generator=torch.Generator().manual_seed(0)).relu()
    found = summary(tensor, True)
    assert found.sampled
    assert sum(found.histogram) == SAMPLE
    small = summary(tensor[:1000], True)
    assert not small.sampled
    assert sum(small.histogram) == 1000


def test_the_histogram_counts_equal_bins_from_min_to_max():
    found = summary(torch.arange(BINS * 3).float(), True)
    assert found.histogram == (3,) * BINS
    deferred = summary(torch.arange(BINS * 3).float(), False)
    assert sum(deferred.histogram) == BINS * 3


LAYOUTS = {
    "contiguous": lambda t: t,
    "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "permuted": lambda t: t.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2),
    "strided": lambda t: torch.cat([t, t], dim=3)[..., : t.shape[3]],
    "expanded": lambda t: t[:1].expand_as(t),
}
PATTERNS = {
    "the first": lambda places, size, share: places < share * size,
    "the last": lambda places, size, share: places >= share * size,
    "all but every few": lambda places, size, share: places % (1 + int(1 / share)) != 0,
    "every few": lambda places, size, share: places % (1 + int(1 / share)) == 0,
}


@pytest.mark.slow
@given(
    shape=st.tuples(
        st.sampled_from([1, 2, 4]),
        st.sampled_from([1, 3, 32, 64]),
        *2 * [st.one_of(st.sampled_from([32, 64, 128, 256]), st.integers(20, 150))],
    ),
    axis=st.integers(0, 3),
    share=st.floats(0.02, 1),
    layout=st.sampled_from(list(LAYOUTS)),
    pattern=st.sampled_from(list(PATTERNS)),
)
@settings(max_examples=120)
def test_zeros_and_histogram_hold_for_every_shape_layout_and_pattern(
    shape, axis, share, layout, pattern
):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    places = torch.arange(shape[axis]).view(*(-1 if a == axis else 1 for a in range(4)))
    tensor = LAYOUTS[layout](values.where(~PATTERNS[pattern](places, shape[axis], share), 0))
    array = tensor.numpy()
    exact = np.histogram(array.astype(np.float64), BINS, (array.min(), array.max()))[0]
    for at_once in (True, False):
        found = summary(tensor, at_once)
        assert found.zeros == (array == 0).mean()
        if found.sampled:
            bins = np.array(found.histogram) / SAMPLE
            assert np.abs(bins - exact / array.size).max() < 6 * 0.5 / math.sqrt(SAMPLE)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_zeros_of_a_large_tensor_are_counted_beside_gaps_in_every_dtype(dtype, at_once):
    tensor = torch.arange(50_000).remainder(5).to(dtype)
    assert summary(tensor, at_once).zeros == 0.2
    if dtype.is_floating_point:
        tensor[1], tensor[2], tensor[5] = math.nan, math.inf, -0.0
        assert summary(tensor, at_once).zeros == 0.2


def test_sampling_leaves_the_random_state_as_it_is():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    summary(torch.ones(54_321), True)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.empty(0, 4),
        torch.ones(3, dtype=torch.complex64),
        torch.ones(2, 2).to_sparse(),
        torch.ones(2, device="meta"),
    ],
)
def test_tensors_that_cannot_be_read_have_a_shape_only(tensor):
    found = summary(tensor, None)
    assert (found.min, found.max, found.mean, found.std) == (None,) * 4


def test_previews_scale_each_plane_to_eight_bits_also_beside_nan():
    maps = torch.zeros(4, 20, 20)
    maps[0, :, :10] = 2
    maps[1] = float("nan")
    maps[2, 0, 0] = float("inf")
    reading = read(maps)
    develop([reading])
    assert reading.picture.shape == (4, 20, 20)
    assert reading.preview.channels[0] == -1
    plane = reading.preview.channels.index(0) if 0 in reading.preview.channels else None
    assert plane is None or set(np.unique(reading.picture[plane])) == {0, 255}
    assert all(math.isfinite(v) for pair in reading.preview.ranges for v in pair)


def test_reading_leaves_no_trace_in_graph_modes_or_autocast():
    tensor = torch.ones(4, requires_grad=True) * 2
    version = tensor._version
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert summary(tensor, True).std == 0
        with unseen():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert tensor._version == version
    assert tensor.grad_fn is not None
