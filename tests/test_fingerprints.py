"""Fingerprints: equal bytes have the same, others another; recordings are compared by them."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import tracer
from tracer import cli
from tracer.capture.summaries import CHUNK, SAMPLE, fingerprint
from tracer.errors import TraceFileError
from tracer.record.checks import problems
from tracer.record.comparison import LEAST, compare

DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32),
    *(torch.int64, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.complex64, torch.complex128, torch.float8_e4m3fn),
]


def bits(*values: int) -> torch.Tensor:
    """Floats of given bits."""
    return torch.tensor(values, dtype=torch.int64).to(torch.int32).view(torch.float32)


# --- one tensor -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 3, 7, 5)])
def test_it_is_the_hash_of_the_bytes(dtype, shape):
    torch.manual_seed(0)
    raw = torch.randint(0, 2, (math.prod(shape) * dtype.itemsize,), dtype=torch.uint8)
    values = raw.view(dtype).reshape(shape)
    assert fingerprint(values) == xxhash.xxh3_64_hexdigest(raw.numpy().tobytes())


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=50)
def test_so_it_is_of_any_bytes(raw):
    values = torch.frombuffer(bytearray(raw), dtype=torch.uint8) if raw else torch.empty(0).byte()
    assert fingerprint(values) == xxhash.xxh3_64_hexdigest(raw)


@pytest.mark.parametrize("size", [4, 9, 70])
def test_strides_do_not_matter(size):
    values = torch.rand(2, 6, size, size)
    expected = fingerprint(values)
    assert fingerprint(values.contiguous(memory_format=torch.channels_last)) == expected
    assert fingerprint(values.transpose(1, 3).contiguous().transpose(1, 3)) == expected
    assert fingerprint(torch.cat([values, values], 3)[..., :size]) == expected


def test_conjugates_and_negatives_are_read_as_they_stand():
    values = torch.rand(4, dtype=torch.complex64)
    assert fingerprint(values.conj()) == fingerprint(values.conj().resolve_conj())
    assert fingerprint(values.conj().imag) == fingerprint(-values.imag)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.tensor([0.0, 1.0]), torch.tensor([-0.0, 1.0])),
        (torch.zeros(8), -torch.zeros(8)),
        (bits(0x7FC00000), bits(0x7FC00001)),
        (torch.tensor([1.0, 2.0]), torch.tensor([2.0, 1.0])),
        (torch.tensor([[1, 0], [0, 1]]), torch.tensor([[0, 1], [1, 0]])),
        (torch.eye(64), torch.eye(64).flip(0)),
        (torch.zeros(4), torch.zeros(5)),
        (torch.full((6,), 3.0), torch.full((6,), 5.0)),
        (torch.tensor([1.0, -1.0]), torch.tensor([-1.0, 1.0])),
    ],
)
def test_other_bits_or_another_order_have_another(a, b):
    assert fingerprint(a) != fingerprint(b)


@pytest.mark.filterwarnings("ignore:.*quantize")
def test_of_quantised_values_scale_and_zero_point_count():
    values = torch.linspace(-1, 1, 12).reshape(3, 4)
    made = [torch.quantize_per_tensor(values, *q, torch.qint8) for q in ((0.1, 0), (0.1, 1))]
    other = torch._make_per_tensor_quantized_tensor(made[0].int_repr(), 0.2, 0)
    channels = torch.quantize_per_channel(
        values, torch.full((3,), 0.1), torch.zeros(3), 0, torch.qint8
    )
    found = [fingerprint(each) for each in (*made, other, channels)]
    assert all(found)
    assert len(set(found)) == 4


def test_what_has_no_memory_has_none():
    freed = torch.ones(2, 2)
    freed.untyped_storage().resize_(0)
    for values in (torch.empty(3, device="meta"), torch.eye(3).to_sparse(), freed):
        assert fingerprint(values) == ""


# --- in a recording -------------------------------------------------------------------------------


class Net(nn.Module):
    """Views in other orders, writes in place, a buffer, and tensors of all sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.conv(x)))
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)
        return self.head(rows).view(-1, 4)


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def recorded(model: nn.Module, side: int = 12, **options: Any) -> tracer.Recording:
    torch.manual_seed(1)
    with torch.no_grad():
        given = torch.rand(2, 3, side, side)
        return tracer.trace(model, given, **{"fingerprints": True, **options})


@pytest.mark.parametrize("side", [6, 40, 160])
@pytest.mark.parametrize("last", [False, True])
def test_every_state_has_that_of_its_values(side, last):
    """Small, large and chunked tensors; the values that were kept are the witness."""
    model = net().to(memory_format=torch.channels_last if last else torch.contiguous_format)
    trace = recorded(model, side, keep=True)
    assert not problems(trace)
    sizes = {state.summary.numel for state in trace.tensors}
    assert side < 160 or (max(sizes) > CHUNK and min(sizes) < SAMPLE)
    kept = [state for state in trace.tensors if state.kept and not state.name]
    assert len(kept) >= 8
    for state in kept:
        assert state.fingerprint == xxhash.xxh3_64_hexdigest(trace.data(state.id).tobytes()), state
    weights = {name: fingerprint(p.data) for name, p in model.named_parameters()}
    assert {p.name: p.fingerprint for p in trace.parameters} == weights
    named = {state.name: state.fingerprint for state in trace.tensors if state.name}
    assert named["norm.running_mean"] == fingerprint(model.norm.running_mean)


def test_they_are_not_taken_unasked():
    trace = recorded(net(), fingerprints=False)
    assert not trace.settings.fingerprints
    assert {s.fingerprint for s in (*trace.tensors, *trace.parameters)} == {""}


def test_the_run_gives_the_same_and_its_statistics_are_as_without():
    model, x = net(), torch.rand(1, 3, 40, 40)
    with torch.no_grad():
        plain = model(x)
        trace, without = (tracer.trace(model, x, keep=True, fingerprints=f) for f in (True, False))
    assert torch.equal(torch.from_numpy(trace.data(trace.calls[0].result.tensor)), plain)
    assert [s.summary for s in trace.tensors] == [s.summary for s in without.tensors]


def test_files_keep_them_and_refuse_what_is_none(tmp_path):
    trace = recorded(net())
    file = trace.save(tmp_path / "a.safetensors")
    assert tracer.load(file) == trace
    wrong = replace(trace.tensors[0], fingerprint="12")
    with pytest.raises(TraceFileError, match="fingerprint '12'"):
        replace(trace, tensors=(wrong, *trace.tensors[1:])).save(tmp_path / "b.safetensors")


def test_table_and_json_show_them():
    trace = recorded(net())
    call = trace.find("head")
    expected = trace.tensors[call.result.tensor].fingerprint
    (found,) = (
        c for c in json.loads(trace.to_json()) if c["kind"] == "module" and c["path"] == "head"
    )
    assert found["result"]["fingerprint"] == expected
    assert expected in trace.table(columns=["call", "fingerprint"]).to("csv")


# --- two recordings -------------------------------------------------------------------------------


def test_two_runs_agree_bit_for_bit_and_it_is_said():
    compared = tracer.compare(recorded(net()), recorded(net()))
    assert compared.same
    assert {way for way, count in compared.evidence.items() if count} == {"fingerprint"}
    assert "bit for bit" in compared.report().title
    assert "逐比特" in compared.report(lang="zh").title


def test_one_weight_that_statistics_do_not_show_is_named():
    """Two weights of one kernel exchanged: every statistic of the weights is as it was."""
    model = net()
    other = copy.deepcopy(model)
    with torch.no_grad():
        flat = other.conv.weight.view(-1)
        flat[:2] = flat[:2].flip(0)
    compared = tracer.compare(recorded(model), recorded(other))
    pair = compared.pairs[compared.divergence]
    assert pair.call.path == "conv2d"
    assert [(d.name, d.by) for d in pair.inputs] == [("1", "fingerprint")]
    assert compared.parameters == ("conv.weight",)
    assert "parameter conv.weight, other bits" in compared.report().title
    modules = tracer.compare(*(recorded(m, grain="module") for m in (model, other)))
    assert [s.name for s in modules.pairs[modules.divergence].settings] == ["weight"]


def test_of_parameters_that_are_the_same_nothing_is_said():
    model = net()
    first = recorded(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        second = recorded(model)
    compared = tracer.compare(first, second)
    assert compared.verdict == "origin"
    assert "do not hold" not in compared.report().title


def test_a_buffer_that_differs_is_named():
    model, other = net(), net()
    other.norm.running_var[3] += 1e-4
    compared = tracer.compare(recorded(model), recorded(other))
    pair = compared.pairs[compared.divergence]
    assert {d.name for d in pair.inputs} == {"running_var"}


class Swap(nn.Module):
    """Gives its rows in another order, or zeros with another sign."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "rows":
            return x.flip(0)
        return -x if self.how == "sign" else x.clone()


@pytest.mark.parametrize("how", ["rows", "sign"])
def test_what_no_statistic_shows_parts_where_it_arose(how):
    x = torch.zeros(4, 4) if how == "sign" else torch.eye(4)
    options = {"grain": "module", "fingerprints": True}
    first, second = (tracer.trace(nn.Sequential(Swap(h)), x, **options) for h in ("none", how))
    compared = compare(first, second)
    pair = compared.pairs[compared.divergence]
    assert pair.call.path == "0"
    assert [(d.by, d.change) for d in pair.results] == [("fingerprint", LEAST)]
    without = [tracer.trace(nn.Sequential(Swap(h)), x, grain="module") for h in ("none", how)]
    assert compare(*without).divergence is None


def test_kept_values_say_how_far_and_fingerprints_that_bits_differ():
    options = {"grain": "module", "fingerprints": True, "keep": True}
    zeros = torch.zeros(4)
    compared = compare(*(tracer.trace(nn.Identity(), z, **options) for z in (zeros, -zeros)))
    assert {(d.by, d.change) for d in compared.pairs[0].inputs} == {("fingerprint", LEAST)}
    ones = [tracer.trace(nn.Identity(), z, **options) for z in (zeros, zeros + 1)]
    assert {(d.by, d.change) for d in compare(*ones).pairs[0].inputs} == {("data", 1.0)}


def test_a_tolerance_is_one_of_values_not_of_bits():
    model, other = net(), net()
    with torch.no_grad():
        other.conv.weight.mul_(1 + 1e-6)
    first, second = recorded(model), recorded(other)
    assert compare(first, second).verdict == "origin"
    assert compare(first, second, tolerance=1e-3).same


def test_bytes_of_another_dtype_are_not_the_same():
    x = torch.ones(4)
    options = {"grain": "module", "fingerprints": True}
    first, second = (tracer.trace(nn.Identity(), v, **options) for v in (x, x.view(torch.int32)))
    assert {d.kind for d in compare(first, second).pairs[0].inputs} == {"dtype"}


def test_only_where_both_have_them():
    first, second = recorded(net()), recorded(net(), fingerprints=False)
    compared = tracer.compare(first, second)
    assert compared.same
    assert compared.evidence["fingerprint"] == 0
    told = " ".join(compared.report().notes)
    assert "record with fingerprints" not in told
    assert "fingerprints=True" in told


@pytest.mark.slow
def test_the_command_line_takes_them(tmp_path, capsys):
    picture = tmp_path / "picture.png"
    Image.new("RGB", (60, 40), "gray").save(picture)
    small = ["--min-size", "64", "--max-size", "96", "--grain", "module", "--keep", "none"]
    files = [str(tmp_path / f"{name}.safetensors") for name in "ab"]
    for file in files:
        assert cli.main(["run", str(picture), "-o", file, "--fingerprints", *small]) == 0
    capsys.readouterr()
    assert cli.main(["diff", *files, "--exit-code"]) == 0
    assert "bit for bit" in capsys.readouterr().out
