"""Multiply-adds: torch's counter agrees, ours hold where it has no formula, the rest is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

import tracer
from tracer.capture.macs import HEAVY, OURS


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def recorded(model, *inputs, context=torch.no_grad):
    with context():
        return tracer.trace(model.eval(), *inputs, previews=False)


COUNTED = {
    "linear": (nn.Linear(8, 4), (2, 3, 8)),
    "convolution": (nn.Conv2d(3, 4, 3), (1, 3, 8, 8)),
    "transposed convolution": (nn.ConvTranspose2d(3, 4, 3), (1, 3, 8, 8)),
    "matmul": (Of(lambda x: x @ x.transpose(-1, -2)), (2, 3, 8)),
    "einsum": (Of(lambda x: torch.einsum("bij,bkj->bik", x, x)), (2, 3, 8)),
    "GRU": (nn.GRU(8, 4), (5, 2, 8)),
}


@pytest.mark.parametrize("context", [torch.no_grad, torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize("name", COUNTED)
def test_they_equal_torchs_counter_in_every_mode(name, context):
    """Under inference mode operations come whole to the dispatcher, and are taken apart.

    Torch's own counter is asked without it: that of torch 2.4 counts nothing there.
    """
    model, shape = COUNTED[name]
    x = torch.randn(shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        expected = model(x)
    trace = recorded(model, x, context=context)
    assert trace.calls[0].macs == counter.get_total_flops() // 2 > 0
    assert trace.calls[0].uncounted == ()
    with context():
        again = tracer.trace(model, x)
        assert again.calls[0].macs == trace.calls[0].macs
        found = model(x)
    pairs = zip(*(r if isinstance(r, tuple) else (r,) for r in (found, expected)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def lstm(layers, directions, steps, batch, size, hidden):
    """By hand: four gates, each a matrix times the input and one times the hidden state."""
    total, width = 0, size
    for _ in range(layers):
        total += directions * steps * batch * 4 * hidden * (width + hidden)
        width = directions * hidden
    return total


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (2, 2)])
def test_an_lstm(layers, directions, context):
    model = nn.LSTM(8, 16, layers, bidirectional=directions == 2)
    trace = recorded(model, torch.randn(5, 3, 8), context=context)
    assert trace.calls[0].macs == lstm(layers, directions, 5, 3, 8, 16)
    assert trace.calls[0].uncounted == ()


def test_an_lstm_of_packed_sequences():
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(5, 3, 8), [5, 4, 2])
    trace = recorded(nn.LSTM(8, 16), packed)
    assert trace.calls[0].macs == 11 * 4 * 16 * (8 + 16)


def test_a_deformable_convolution_counts_as_a_convolution():
    from torchvision.ops import DeformConv2d

    trace = recorded(DeformConv2d(3, 4, 3), torch.randn(1, 3, 8, 8), torch.zeros(1, 18, 6, 6))
    assert trace.calls[0].macs == 4 * 6 * 6 * 3 * 9


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x @ x[0], 64),
        (lambda x: x[0] @ x[1], 8),
        (lambda x: torch.addmv(x[0], x, x[1]), 64),
        (lambda x: torch.addbmm(x, x.expand(2, 8, 8), x.expand(2, 8, 8)), 2 * 8**3),
        (
            lambda x: nn.functional.scaled_dot_product_attention(*3 * [x.expand(1, 2, 8, 8)]),
            2 * 2 * 8**3,
        ),
    ],
)
def test_small_formulas(function, expected):
    assert recorded(Of(function), torch.randn(8, 8)).calls[0].macs == expected


UNKNOWN = {
    "aten::_fft_c2c": Of(torch.fft.fft2),
    "aten::_linalg_svd": Of(torch.linalg.svd),
    "aten::_cdist_forward": Of(lambda x: torch.cdist(x, x)),
}


@pytest.mark.parametrize("kernel", UNKNOWN)
def test_a_heavy_kernel_without_a_formula_is_named_in_its_row_and_beside_the_total(kernel):
    model = nn.Sequential(nn.Linear(8, 8), UNKNOWN[kernel])
    trace = recorded(model, torch.randn(8, 8))
    calls = {c.path: c.uncounted for c in trace.calls if c.kind == "module"}
    assert calls == {"": (kernel,), "0": (), "1": (kernel,)}
    table = trace.table()
    assert table.column("uncounted") == [kernel, None, kernel]
    assert any("lower bound" in note for note in table.notes)
    assert any("下界" in note for note in trace.table(lang="zh").notes)


def test_without_such_a_kernel_nothing_is_said():
    table = recorded(nn.Linear(8, 8), torch.randn(2, 8)).table()
    assert "uncounted" not in [column.key for column in table.columns]
    assert not any("lower bound" in note for note in table.notes)


def test_it_is_in_the_file(tmp_path):
    trace = recorded(UNKNOWN["aten::_fft_c2c"], torch.randn(8, 8))
    assert tracer.load(trace.save(tmp_path / "a.safetensors")) == trace


NEWER = {"aten::_scaled_dot_product_flash_attention_for_cpu"}
"""What torch's own counter knows from 2.15 on: older ones that we run with still need ours."""


def test_torch_has_none_of_these_formulas_itself():
    """A kernel that torch's own counter knows by now needs no place in these tables."""
    theirs = {getattr(packet, "_qualified_op_name", "") for packet in flop_registry}
    assert "aten::addmm" in theirs
    assert not theirs & (OURS.keys() | HEAVY) - NEWER
    assert not OURS.keys() & HEAVY
