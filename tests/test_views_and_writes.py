"""Views of one tensor, written in any order: the record is sound, and holds what was there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import tracer
from tracer.record.checks import problems

LOOKS = (
    lambda t: t[0],
    lambda t: t[-1:],
    lambda t: t[..., ::2],
    lambda t: t.reshape(-1),
    lambda t: t.unsqueeze(0),
    lambda t: t.detach(),
    lambda t: t.transpose(0, -1),
)
WRITES = (
    lambda t: t.add_(1),
    lambda t: t.mul_(2),
    lambda t: t.clamp_(max=5),
    lambda t: torch.relu_(t),
    lambda t: t.copy_(torch.full_like(t, 3)),
)
READS = (lambda t: t + 1, lambda t: t.sum(), lambda t: t.clone())

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from([*("look",) * 3, *("write",) * 3, "read", "drop"]),
        st.integers(0, 6),
        st.integers(0, 20),
    ),
    min_size=3,
    max_size=25,
)


class Plan(nn.Module):
    """Does what it is told to the tensors that it has, and takes a copy of every result."""

    def __init__(self, actions):
        super().__init__()
        self.actions = actions
        self.results = []

    def forward(self, x):
        have = [x.clone()]
        self.results.append(have[0].numpy().copy())
        for kind, which, at in self.actions:
            tensor = have[at % len(have)]
            if kind == "drop":
                if len(have) > 1:
                    have.pop(at % len(have))
            elif tensor.dim():
                table = {"look": LOOKS, "write": WRITES, "read": READS}[kind]
                made = table[which % len(table)](tensor)
                self.results.append(made.numpy().copy())
                if kind != "write":
                    have.append(made)
        return have


@pytest.mark.slow
@settings(max_examples=150)
@given(actions=ACTIONS, inference=st.booleans())
def test_any_order_of_views_and_writes_is_recorded_as_it_was(actions, inference):
    x = torch.arange(12.0).reshape(2, 2, 3)
    plain, recorded = Plan(actions), Plan(actions)
    with torch.inference_mode() if inference else torch.no_grad():
        expected = [t.numpy().copy() for t in plain(x)]
        trace = tracer.trace(recorded, x, grain="op", keep=True)
    assert problems(trace) == []
    ops = [c for c in trace.calls if c.kind == "op" and c.path not in ("numpy", "full_like")]
    assert len(ops) == len(plain.results)
    for call, result in zip(ops, plain.results, strict=True):
        assert call.result is not None
        kept = trace.data(call.result.tensor)
        np.testing.assert_array_equal(kept, result, err_msg=call.label)
    root = trace.calls[0].result
    for state, tensor in zip(root.tensors(), expected, strict=True):
        np.testing.assert_array_equal(trace.data(state), tensor)


class TwoViews(nn.Module):
    """Two views of one row are written in turn; then the whole is looked at."""

    def forward(self, x):
        whole = x.clone()
        one, other = whole[0], whole[0]
        one.add_(1)
        other.mul_(2)
        return whole.sum()


def test_a_tensor_written_twice_through_views_follows_its_last_state_that_was_seen(tmp_path):
    trace = tracer.trace(TwoViews(), torch.ones(2, 4), grain="op", keep=True)
    assert problems(trace) == []
    add, mul, total = (next(c for c in trace.calls if c.path == n) for n in ("add_", "mul_", "sum"))
    (after,) = (trace.tensors[s] for s in total.args.tensors())
    before = trace.tensors[after.previous]
    assert (before.overwritten_by, after.producer) == (add.id, mul.id)
    assert trace.data(after.id).tolist() == [[4.0] * 4, [1.0] * 4]
    assert tracer.load(trace.save(tmp_path / "a.safetensors")) == trace
