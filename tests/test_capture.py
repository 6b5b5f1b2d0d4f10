"""The recording is the truth about the pass: small modules, one for each hard case."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import weakref
from collections import Counter, OrderedDict, namedtuple

import numpy as np
import pytest
import torch
from torch import nn

import tracer
from tracer.errors import InputError
from tracer.record.checks import problems


def calls(trace, path=None, kind=None):
    """The calls of a path, of a kind, or both."""
    return [c for c in trace.calls if path in (None, c.path) and (kind is None or c.kind == kind)]


def one(trace, path, kind=None):
    (call,) = calls(trace, path, kind)
    return call


def data(trace, value):
    """The kept values of a tensor leaf."""
    array = trace.data(value.tensor)
    assert array is not None, "not kept"
    return array


def hooks_on(model):
    return [
        (name, hook)
        for name, module in model.named_modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]


class Block(nn.Module):
    """conv → bn → in-place relu, twice, with an in-place residual add, as a Bottleneck does."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(3)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return self.relu(out)


@pytest.fixture
def block():
    torch.manual_seed(0)
    return Block().eval()


@pytest.fixture
def image():
    return torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def independent(block, x):
    """Every value of `Block.forward`, computed apart from any recording."""
    with torch.no_grad():
        conv1 = block.conv1(x)
        bn1 = block.bn1(conv1)
        relu1 = bn1.clamp(min=0)
        bn2 = block.bn2(block.conv2(relu1))
        return {"conv1": conv1, "bn1": bn1, "relu": relu1, "bn2": bn2, "sum": bn2 + x}


GRAINS = ["module", "function", "op", "line"]
CONTEXTS = {
    "grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
}


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("grain", GRAINS)
def test_values_are_those_before_the_in_place_write(block, image, grain, context):
    expected = independent(block, image)
    with CONTEXTS[context]():
        trace = tracer.trace(block, image, grain=grain, keep=True)
    assert problems(trace) == []
    for name in ("conv1", "bn1", "bn2"):
        assert np.array_equal(data(trace, one(trace, name).result), expected[name].numpy()), name
    assert data(trace, one(trace, "bn1").result).min() < 0
    first, second = calls(trace, "relu", "module")
    assert np.array_equal(data(trace, first.result), expected["relu"].numpy())
    assert np.array_equal(data(trace, second.args["input"]), expected["sum"].numpy())
    assert np.array_equal(data(trace, second.result), expected["sum"].clamp(min=0).numpy())


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("grain", GRAINS)
def test_an_overwritten_tensor_says_so_and_by_which_call(block, image, grain, context):
    with CONTEXTS[context]():
        trace = tracer.trace(block, image, grain=grain)
    bn1 = trace.tensors[one(trace, "bn1").result.tensor]
    writer = trace.calls[bn1.overwritten_by]
    relu = calls(trace, "relu", "module")[0]
    assert relu.id in (writer.id, writer.parent)
    after = trace.tensors[relu.result.tensor]
    assert after.previous == bn1.id
    assert after.producer == writer.id
    bn2 = trace.tensors[one(trace, "bn2").result.tensor]
    adder = trace.calls[bn2.overwritten_by]
    assert adder.path == ("add_" if grain in ("op", "line") else "")
    assert trace.tensors[one(trace, "conv1").result.tensor].overwritten_by is None


class TakesOther(nn.Module):
    """Gives a tensor other values, of another shape, without writing into it."""

    def __init__(self):
        super().__init__()
        self.part = nn.Identity()

    def forward(self, x):
        y = x * 2
        self.part(y)
        y.data = torch.full((2, 3, 7), 5.0)
        y.requires_grad = False
        self.part(y)
        square = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        self.part(square)
        square.data = square.detach().t()
        return self.part(square) * y.sum()


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("grain", GRAINS)
def test_a_tensor_that_was_given_other_data_is_in_another_state(grain, context):
    with CONTEXTS[context]():
        trace = tracer.trace(TakesOther(), torch.ones(2, 4), grain=grain, keep=True)
    assert problems(trace) == []
    first, second, third, fourth = [c.args["input"].tensor for c in calls(trace, "part", "module")]
    states = trace.tensors
    assert [states[s].summary.shape for s in (first, second)] == [(2, 4), (2, 3, 7)]
    assert [states[s].summary.max for s in (first, second)] == [2.0, 5.0]
    assert [states[s].previous for s in (second, fourth)] == [first, third]
    assert trace.data(fourth).tolist() == [[1, 3], [2, 4]]
    if grain in ("op", "line"):
        setter = states[second].producer
        assert setter == states[first].overwritten_by
        assert trace.calls[setter].path == "data.__set__"
        assert trace.calls[setter].result.tensor == second
        assert not calls(trace, "__set__", "op")


def test_statistics_are_of_the_state_not_of_what_it_became(block, image):
    expected = independent(block, image)["bn1"]
    trace = tracer.trace(block, image)
    summary = trace.tensors[one(trace, "bn1").result.tensor].summary
    assert summary.min == expected.min().item()
    assert summary.max == expected.max().item()
    assert summary.mean == pytest.approx(expected.mean().item(), rel=1e-5)
    assert summary.std == pytest.approx(expected.std().item(), rel=1e-5)
    assert (summary.nan, summary.inf) == (0, 0)


def test_each_call_of_a_reused_module_has_its_own_record(block, image):
    trace = tracer.trace(block, image)
    assert [c.nth for c in calls(trace, "relu", "module")] == [0, 1]
    assert [c.label for c in calls(trace, "relu", "module")] == ["relu#0", "relu#1"]


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.again = self.first

    def forward(self, x):
        return self.again(self.first(x))


def test_a_shared_module_is_one_module_with_two_calls():
    trace = tracer.trace(Shared(), torch.ones(1, 2), grain="module")
    assert [c.path for c in trace.calls] == ["", "first", "first"]
    assert trace.modules[""].children == (("first", "first"), ("again", "first"))
    assert sum(m.own_params for m in trace.modules.values()) == 6


class Keywords(nn.Module):
    def forward(self, x, *, scale=1, names=()):
        return {"out": x * scale, "names": names}


def test_keyword_arguments_and_a_result_partly_without_tensors():
    trace = tracer.trace(Keywords(), torch.ones(2), scale=3, names=("a", None))
    call = trace.calls[0]
    assert [name for name, _ in call.args.items] == ["x", "scale", "names"]
    assert call.args["scale"].scalar == 3
    assert call.result["names"][0].scalar == "a"
    assert call.result["names"][1].scalar is None
    assert trace.tensors[call.result["out"].tensor].summary.max == 3.0


class Silent(nn.Module):
    def forward(self, text):
        return None


def test_a_module_without_any_tensor():
    trace = tracer.trace(Silent(), "hello")
    assert trace.calls[0].args["text"].scalar == "hello"
    assert trace.calls[0].result.scalar is None
    assert trace.calls[0].error == ""


class Countdown(nn.Module):
    def forward(self, x, n):
        return x if n == 0 else self(x + 1, n - 1)


@pytest.mark.parametrize("grain", GRAINS)
def test_recursion_nests(grain):
    trace = tracer.trace(Countdown(), torch.zeros(1), 3, grain=grain)
    found = calls(trace, "", "module")
    assert [c.args["n"].scalar for c in found] == [3, 2, 1, 0]
    assert [c.nth for c in found] == [0, 1, 2, 3]
    parents = [c.parent for c in found[1:]]
    assert parents == [c.id for c in found[:-1]]
    assert problems(trace) == []


Pair = namedtuple("Pair", "left right")


class Nested(nn.Module):
    def forward(self, x):
        return OrderedDict(
            pair=Pair(x, [x + 1, {"deep": (x * 2,)}]), odd=object(), cyclic=None, flag=True
        )


def test_nested_values_keep_their_shape_and_unknown_ones_are_labelled():
    trace = tracer.trace(Nested(), torch.ones(3))
    result = trace.calls[0].result
    assert (result.kind, result.type) == ("mapping", "OrderedDict")
    assert result["pair"].type == "Pair"
    assert trace.tensors[result["pair"]["right"][1]["deep"][0].tensor].summary.max == 2.0
    assert (result["odd"].kind, result["odd"].type) == ("opaque", "object")
    assert result["flag"].scalar is True
    assert result["pair"]["left"].tensor == trace.calls[0].args["x"].tensor


class Selfish(nn.Module):
    def forward(self, x):
        mine = [x]
        mine.append(mine)
        return mine


def test_a_value_that_holds_itself_ends():
    trace = tracer.trace(Selfish(), torch.ones(1))
    assert "nested too deep" in {leaf.text for _, leaf in trace.calls[0].result.leaves()}


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.good = nn.Linear(2, 3)
        self.bad = nn.Linear(4, 1)

    def forward(self, x):
        return self.bad(self.good(x))


@pytest.mark.parametrize("grain", GRAINS)
def test_an_exception_comes_through_and_the_trace_is_at_hand(grain):
    model = Failing()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        tracer.trace(model, torch.ones(1, 2), grain=grain)
    trace = tracer.last_trace()
    assert problems(trace) == []
    assert trace.error.type == "RuntimeError"
    failed = trace.calls[trace.error.call]
    assert "bad" in {failed.path, trace.calls[failed.parent].path}
    bad = one(trace, "bad")
    assert trace.tensors[bad.args["input"].tensor].summary.shape == (1, 3)
    assert bad.error.startswith("RuntimeError: ")
    assert bad.result is None
    assert one(trace, "good").error == ""
    assert trace.calls[0].error
    assert "test_capture.py" in trace.error.source.file
    assert "self.bad(self.good(x))" in trace.error.traceback
    assert hooks_on(model) == []
    assert sys.gettrace() is None


class Forgiving(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Failing()

    def forward(self, x):
        try:
            return self.inner(x)
        except RuntimeError:
            return x


@pytest.mark.parametrize("grain", GRAINS)
def test_an_exception_that_the_model_catches_is_no_failure(grain):
    trace = tracer.trace(Forgiving(), torch.ones(1, 2), grain=grain)
    assert trace.error is None
    assert one(trace, "inner", "module").error.startswith("RuntimeError")
    assert trace.calls[0].error == ""
    assert trace.calls[0].result is not None
    assert problems(trace) == []


def test_a_model_called_while_an_exception_is_handled_did_not_raise(block, image):
    try:
        raise ValueError("before")
    except ValueError:
        trace = tracer.trace(block, image)
    assert [c for c in trace.calls if c.error] == []


def test_the_users_own_hooks_stay_and_see_what_they_did(block, image):
    seen = []
    block.relu.register_forward_hook(lambda m, a, out: seen.append(out.shape))
    block.conv1.register_forward_pre_hook(lambda m, args: (args[0] * 0,))
    before = hooks_on(block)
    trace = tracer.trace(block, image)
    assert hooks_on(block) == before
    assert len(seen) == 2
    conv1 = trace.tensors[one(trace, "conv1").args["input"].tensor].summary
    assert (conv1.min, conv1.max) == (0.0, 0.0), "the pre-hook's replacement is the argument"


def test_a_hook_that_replaces_the_result(image):
    model = nn.Sequential(nn.Identity())
    model[0].register_forward_hook(lambda m, a, out: out + 5)
    trace = tracer.trace(model, image)
    summary = trace.tensors[one(trace, "0").result.tensor].summary
    assert summary.mean == pytest.approx(image.mean().item() + 5, rel=1e-4)


def test_two_models_in_one_recorder(block, image):
    other = Block().eval()
    with tracer.Recorder(block, other) as recorder:
        other(block(image))
    trace = recorder.trace
    assert [c.path for c in trace.calls if c.parent is None] == ["0", "1"]
    assert len(calls(trace, "0.relu")) == len(calls(trace, "1.relu")) == 2
    handed_on = trace.calls[0].result.tensor
    assert trace.calls[[c.path for c in trace.calls].index("1")].args["x"].tensor == handed_on
    assert problems(trace) == []


def test_two_recorders_at_once_do_not_mix(block, image):
    other = Block().eval()
    with tracer.Recorder(block) as outer, tracer.Recorder(other) as inner:
        other(block(image))
    assert (
        len(calls(outer.trace, "relu", "module")) == len(calls(inner.trace, "relu", "module")) == 2
    )
    assert outer.trace.calls[0].type == "Block"
    assert problems(outer.trace) == problems(inner.trace) == []
    assert hooks_on(block) == hooks_on(other) == []


def test_threads_have_their_own_trees(block, image):
    together = threading.Barrier(4)

    def work():
        together.wait()  # a thread's number is free for the next once it has ended
        with torch.no_grad():
            block(image)
        together.wait()

    with tracer.Recorder(block) as recorder:
        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        work()
        for worker in workers:
            worker.join()
    trace = recorder.trace
    roots = [c for c in trace.calls if c.parent is None]
    assert sorted(c.thread for c in roots) == [0, 1, 2, 3]
    for call in trace.calls:
        if call.parent is not None:
            assert trace.calls[call.parent].thread == call.thread
    assert any("other thread" in note for note in trace.notes)
    per_thread = {t: [c for c in calls(trace, "relu", "module") if c.thread == t] for t in range(4)}
    assert [len(v) for v in per_thread.values()] == [2, 2, 2, 2]
    assert problems(trace) == []


def test_a_pass_after_a_failed_recording_is_recorded_afresh(block, image):
    with pytest.raises(RuntimeError):
        tracer.trace(block, torch.ones(1, 4, 8, 8))
    trace = tracer.trace(block, image)
    assert trace.error is None
    assert trace is tracer.last_trace()


def test_views_and_containers_share_what_they_hold(image):
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Flatten())
    trace = tracer.trace(model, image, grain="module")
    inner, outer = one(trace, "0.0").result.tensor, one(trace, "0").result.tensor
    assert inner == outer, "a container hands on its child's tensor: one state"
    flat = trace.tensors[one(trace, "1").result.tensor]
    assert flat.base == inner
    assert flat.summary.shape == (1, 4 * 64)
    assert flat.summary.mean == trace.tensors[inner].summary.mean


class Slices(nn.Module):
    def forward(self, x):
        batch = x.new_zeros(2, 4)
        left, right = batch[0], batch[1]
        left.fill_(1)
        return batch, left, right


@pytest.mark.parametrize("context", ["no_grad", "inference"])
def test_a_write_into_one_slice_is_none_into_another(context):
    with CONTEXTS[context]():
        trace = tracer.trace(Slices(), torch.zeros(1))
    first, second = calls(trace, "__getitem__")
    fill = one(trace, "fill_")
    assert trace.tensors[first.result.tensor].overwritten_by == fill.id
    assert trace.tensors[second.result.tensor].overwritten_by is None
    batch = trace.tensors[trace.calls[0].result[0].tensor].summary
    assert (batch.mean, batch.max) == (0.5, 1)
    assert trace.calls[0].result[2].tensor == second.result.tensor


class Allocates(nn.Module):
    def forward(self, x):
        return torch.empty(64).fill_(2)


def test_memory_that_was_only_allocated_has_no_statistics():
    trace = tracer.trace(Allocates(), torch.ones(1), keep=True)
    empty = trace.tensors[one(trace, "empty").result.tensor]
    assert (empty.summary.shape, empty.summary.min, empty.kept) == ((64,), None, False)
    filled = trace.tensors[one(trace, "fill_").result.tensor]
    assert (filled.previous, filled.summary.mean) == (empty.id, 2.0)


def test_data_flow_names_the_producer_of_every_argument(block, image):
    trace = tracer.trace(block, image, grain="module")
    assert trace.tensors[one(trace, "bn1").args["input"].tensor].producer == one(trace, "conv1").id
    assert trace.tensors[one(trace, "conv2").args["input"].tensor].producer == (
        calls(trace, "relu", "module")[0].id
    )
    assert trace.tensors[trace.calls[0].args["x"].tensor].producer is None


def test_multiply_adds_are_torchs_and_add_up(block, image):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        block(image)
    for grain in GRAINS:
        trace = tracer.trace(block, image, grain=grain)
        assert trace.calls[0].macs == counter.get_total_flops() // 2
        assert one(trace, "conv1").macs == 8 * 8 * 3 * 3 * 9
        assert one(trace, "bn1").macs == 0


def test_parameters_trainable_and_frozen(block, image):
    block.conv1.requires_grad_(False)
    trace = tracer.trace(block, image)
    conv1 = trace.modules["conv1"]
    assert (conv1.params, conv1.trainable) == (84, 0)
    assert trace.modules[""].params == sum(p.numel() for p in block.parameters())
    assert {p.name: p.trainable for p in trace.parameters}["conv1.weight"] is False


def test_a_backward_pass_inside_leaves_gradient_statistics(block, image):
    block.conv1.requires_grad_(False)
    with tracer.Recorder(block) as recorder:
        block(image).sum().backward()
    found = {p.name: p for p in recorder.trace.parameters}
    expected = block.conv2.weight.grad
    assert found["conv2.weight"].gradient.max == expected.max().item()
    assert found["conv2.weight"].gradient.shape == tuple(expected.shape)
    assert found["conv1.weight"].gradient is None
    assert not found["conv1.weight"].trainable
    assert all(not p._post_accumulate_grad_hooks for p in block.parameters())


def test_gradients_from_before_are_not_taken_for_the_recordings(block, image):
    block(image).sum().backward()
    trace = tracer.trace(block, image)
    assert all(p.gradient is None for p in trace.parameters)


def test_autocast_leaves_its_dtypes_in_the_record(block, image):
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        expected = block(image)
        trace = tracer.trace(block, image, keep=True)
    conv1 = one(trace, "conv1").result.tensor
    assert trace.tensors[conv1].summary.dtype == "bfloat16"
    assert trace.data(conv1).dtype == np.float32
    assert np.array_equal(data(trace, trace.calls[0].result), expected.float().numpy())


# -- what is kept, and where ---------------------------------------------------------------------


def kept_paths(trace):
    """Labels of the calls whose results were kept, op results aside."""
    return {
        c.label
        for c in trace.calls
        if c.kind == "module" and any(trace.tensors[i].kept for i in c.result.tensors())
    }


def test_keep_patterns_keep_results_arguments_or_everything_within(block, image):
    assert kept_paths(tracer.trace(block, image, keep="bn?")) == {"bn1#0", "bn2#0"}
    trace = tracer.trace(block, image, keep="args:bn2", grain="module")
    assert kept_paths(trace) == {"conv2#0"}, "bn2's argument is conv2's result"
    trace = tracer.trace(nn.Sequential(block, nn.ReLU()), image, keep="within:0", grain="module")
    assert {c.label for c in trace.calls} - kept_paths(trace) == {"(root)#0", "1#0"}


@pytest.mark.parametrize(
    ("keep", "paths"),
    [
        # the block's tensors are all [1, 3, 8, 8] float32: 768 bytes each
        ("*<0.769kB", {"conv1", "bn1", "relu", "conv2", "bn2", "(root)"}),
        ("*<0.768kB", set()),
        ("bn?<1GB", {"bn1", "bn2"}),
        (["bn?<10kB", "bn1<0.1kB", "conv1<0kB"], {"bn1", "bn2"}),
        ("args:bn2<1MB", {"conv2"}),
        (["within:conv2<1MB", "within:conv?<0.1kB"], {"relu", "conv2"}),  # its argument, its result
    ],
)
def test_a_keep_pattern_may_have_a_limit(block, image, keep, paths):
    trace = tracer.trace(block, image, keep=keep, grain="module")
    assert {label.partition("#")[0] for label in kept_paths(trace)} == paths
    assert trace.settings.keep == ((keep,) if isinstance(keep, str) else tuple(keep))


def test_a_limit_holds_for_each_tensor_of_a_value():
    class Several(nn.Module):
        def forward(self, x):
            return {"small": x.clone(), "large": x.repeat(9), "bool": x.repeat(9) > 0}

    trace = tracer.trace(Several(), torch.zeros(10), keep="*<0.1kB")
    kept = {name: trace.tensors[v.tensor].kept for name, v in trace.calls[0].result.items}
    assert kept == {"small": True, "large": False, "bool": True}


def test_keep_takes_a_predicate(block, image):
    asked = []

    def keep(path, kind, role):
        asked.append((path, kind, role))
        return path == "conv2" and role == "result"

    trace = tracer.trace(block, image, keep=keep)
    assert kept_paths(trace) == {"conv2#0"}
    assert ("conv1", "module", "args") in asked
    assert trace.settings.keep == ("<predicate>",)
    assert not calls(trace, "keep"), "the predicate is no part of the pass"


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("arg:x", "did you mean 'args:'"),
        (3, "found int"),
        ([3], "found int"),
        ("conv1<20mb", "write it like <20MB"),
        ("conv1<20", "write it like <20MB"),
        ("conv1 < 20MB.", "write it like <20MB"),
    ],
)
def test_a_wrong_keep_is_refused(block, keep, said):
    with pytest.raises(InputError, match=said):
        tracer.Recorder(block, keep=keep)


def test_data_past_the_budget_waits_on_disk(block, image):
    whole = tracer.trace(block, image, keep=True)
    spilled = tracer.trace(block, image, keep=True, budget=2000)
    assert any("went over the memory budget" in note for note in spilled.notes)
    assert set(spilled.blobs) == set(whole.blobs)
    for name in whole.blobs:
        assert np.array_equal(whole.blobs[name], spilled.blobs[name]), name
    assert any(isinstance(spilled.blobs[name], np.memmap) for name in spilled.blobs)


def test_previews_show_the_strongest_channels(block):
    x = torch.zeros(2, 6, 96, 96)
    x[0, 4] = 3
    x[0, 2] = torch.linspace(0, 1, 96)
    trace = tracer.trace(nn.Identity(), x)
    state = trace.tensors[trace.calls[0].args["input"].tensor]
    assert state.preview.channels[:3] == (-1, 4, 2)
    assert (state.preview.image, state.preview.stride) == (0, 2)
    picture = trace.preview(state.id)
    assert picture.shape == (4, 48, 48)
    assert picture.dtype == np.uint8
    assert (picture[2][0, 0], picture[2][0, -1]) == (0, 255)
    assert state.preview.ranges[1] == (3.0, 3.0)


# -- what is recorded ----------------------------------------------------------------------------


def test_only_narrows_to_matching_calls_and_what_is_in_them(block, image):
    model = nn.Sequential(block, nn.Conv2d(3, 1, 1))
    trace = tracer.trace(model, image, only="0")
    assert {c.path for c in trace.calls if c.kind == "module"} == {
        "", "0", "0.conv1", "0.bn1", "0.relu", "0.conv2", "0.bn2",
    }  # fmt: skip
    assert calls(trace, "add_", "op")
    trace = tracer.trace(model, image, only="*conv*", grain="module")
    assert [c.path for c in trace.calls] == ["", "0.conv1", "0.conv2"]
    assert problems(trace) == []


@pytest.mark.parametrize(
    ("grain", "kinds"),
    [
        ("module", {"module"}),
        ("function", {"module", "function"}),
        ("op", {"module", "function", "op"}),
        ("line", {"module", "function", "op"}),
        (["module", "op"], {"module", "op"}),
        (["op"], {"module", "op"}),
    ],
)
def test_each_grain_can_be_switched_off(rcnn, two_images, grain, kinds):
    with torch.no_grad():
        trace = tracer.trace(rcnn, two_images, grain=grain)
    assert {c.kind for c in trace.calls} == kinds
    assert bool(trace.lines) == (grain == "line")
    if grain == ["op"]:
        assert [c.path for c in trace.calls if c.kind == "module"] == [""]
    assert problems(trace) == []


@pytest.mark.parametrize(
    ("grain", "said"), [("modules", "did you mean 'module'"), (["line"], "needs 'function'")]
)
def test_an_unknown_grain_is_refused(block, grain, said):
    with pytest.raises(InputError, match=said):
        tracer.Recorder(block, grain=grain)


class TakesOurWords(nn.Module):
    def forward(self, x, grain=1, keep=1.0, *, targets=None):
        return x * grain * keep


def test_a_keyword_of_the_model_may_be_called_like_an_option():
    model, x = TakesOurWords(), torch.ones(2)
    both = functools.partial(model, grain=3, keep=2.0)
    trace = tracer.trace(both, x, grain="module", keep=True)
    assert trace.data(trace.calls[0].result.tensor).tolist() == [6, 6]
    assert trace.settings.grains == ("module",)
    assert trace.notes == ()
    assert tracer.trace(model, x, keep=True).notes == (
        "keep=… was taken as trace's; the model takes keep=… too, which is given to it with "
        "functools.partial(model, keep=…)",
    )
    with pytest.raises(InputError, match=r"unknown grain 3 .*functools\.partial\(model, grain=…\)"):
        tracer.trace(model, x, grain=3)


@pytest.mark.parametrize(("word", "meant"), [("gran", "grain"), ("target", "targets")])
def test_a_keyword_that_nobody_takes_names_what_is_near(word, meant):
    with pytest.raises(InputError, match=f"takes {word}=; did you mean '{meant}'"):
        tracer.trace(TakesOurWords(), torch.ones(2), **{word: "line"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'zzz'") as found:
        tracer.trace(TakesOurWords(), torch.ones(2), zzz=1)
    assert not isinstance(found.value, InputError)


@pytest.mark.parametrize("target", [nn.Linear, nn.Identity()])
def test_a_preset_that_keeps_nothing_is_noted(target):
    inputs = (2, 3) if target is nn.Linear else (torch.ones(2),)
    (note,) = tracer.trace(target, *inputs, keep="anatomy").notes
    assert "anatomy" in note
    assert "keeps nothing" in note


def test_packages_that_cannot_be_imported_are_refused(block):
    with pytest.raises(InputError, match="no_such_package"):
        tracer.Recorder(block, packages=["no_such_package"])


def test_a_recorder_records_once(block, image):
    recorder = tracer.Recorder(block)
    with recorder:
        block(image)
        with pytest.raises(InputError, match="not over"):
            _ = recorder.trace
        assert recorder.snapshot().calls[0].type == "Block"
    with pytest.raises(InputError, match="records once"), recorder:
        pass


def test_the_garbage_collector_is_as_before(block, image):
    before = gc.get_threshold()
    tracer.trace(block, image)
    assert gc.get_threshold() == before
    with pytest.raises(RuntimeError):
        tracer.trace(block, torch.ones(1, 4, 8, 8))
    assert gc.get_threshold() == before


def test_garbage_of_the_pass_is_collected_and_old_objects_are_left_alone(block, image):
    rounds = Counter()

    def count(phase, about):
        rounds[phase, about["generation"]] += 1

    class Knot:
        def __init__(self):
            self.me = self

    gc.collect()
    gc.callbacks.append(count)
    try:
        with tracer.Recorder(block):
            gone = weakref.ref(Knot())
            kept = [[] for _ in range(400_000)]  # enough for some rounds over all objects
            block(image)
    finally:
        gc.callbacks.remove(count)
    assert gone() is None
    assert len(kept) == 400_000
    assert rounds["start", 0] > 0
    assert rounds["start", 2] == 0


def test_a_snapshot_in_the_middle_is_a_whole_trace(block, image):
    found = []
    block.relu.register_forward_hook(lambda *_: found.append(recorder.snapshot()))
    with tracer.Recorder(block) as recorder:
        block(image)
    middle, later = found
    assert problems(middle) == problems(later) == []
    assert len(middle.calls) < len(later.calls) < len(recorder.trace.calls) + 1
    assert middle.calls[0].result is None


def test_progress_is_told_of_every_module(block, image):
    told = []
    tracer.trace(block, image, grain="module", progress=lambda n, path: told.append((n, path)))
    assert told[:2] == [(1, ""), (2, "conv1")]
    assert len(told) == 7


def test_on_step_sees_every_tick_of_the_clock(block, image):
    ticks = []
    trace = tracer.trace(
        block, image, grain="line", on_step=lambda recorder, tick, frame: ticks.append(tick)
    )
    assert ticks == list(range(2 * len(trace.calls) + len(trace.lines)))


# -- what cannot be recorded ---------------------------------------------------------------------


@pytest.mark.slow
def test_scripted_compiled_and_replicated_models_are_refused(block, image):
    with pytest.raises(InputError, match="scripted"):
        tracer.trace(torch.jit.trace(block, image), image)
    outer = nn.Module()
    outer.inner = torch.jit.trace(block, image)
    with pytest.raises(InputError, match="'inner' is a scripted"):
        tracer.trace(outer, image)
    with pytest.raises(InputError, match="compiled"):
        tracer.trace(torch.compile(block), image)
    block.compile()
    with pytest.raises(InputError, match="compiled"):
        tracer.trace(block, image)
    with pytest.raises(InputError, match="model"):
        tracer.trace(3, image)


def test_data_parallel_on_one_device_is_recorded_and_on_several_refused(block, image):
    wrapped = nn.DataParallel(block)
    trace = tracer.trace(wrapped, image)
    assert len(calls(trace, "module.relu")) == 2
    wrapped.device_ids = [0, 1]
    with pytest.raises(InputError, match=r"trace model\.module"):
        tracer.trace(wrapped, image)


def test_an_exported_model_is_recorded_by_its_ops(block, image):
    exported = torch.export.export(block, (image,)).module()
    trace = tracer.trace(exported, image)
    assert trace.calls[0].macs == 2 * 8 * 8 * 3 * 3 * 9
    assert calls(trace, kind="op")


def test_meta_tensors_have_shapes_and_no_values():
    trace = tracer.trace(nn.Linear(3, 4, device="meta"), torch.ones(2, 3, device="meta"))
    summary = trace.tensors[trace.calls[0].result.tensor].summary
    assert (summary.shape, summary.device, summary.min) == ((2, 4), "meta", None)


class Odd(nn.Module):
    def forward(self, x):
        nested = torch.nested.nested_tensor([x, x[:2]])
        return x.to(torch.float8_e4m3fn), x.to(torch.complex64), 10**6000, x.to_sparse(), nested


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_types_that_numpy_or_files_lack_are_still_recorded(tmp_path):
    trace = tracer.trace(Odd(), torch.ones(3), keep=True, grain="line")
    trace.save(tmp_path / "odd.safetensors")
    small, _, huge, sparse, nested = (value for _, value in trace.calls[0].result.items)
    assert trace.tensors[sparse.tensor].summary.shape == (3,)
    assert nested.text == "nested tensor of 2 parts"
    assert trace.tensors[small.tensor].summary.dtype == "float8_e4m3fn"
    assert trace.data(small.tensor).dtype == np.float32
    assert huge.text == "an integer of 19932 bits"
    assert tracer.load(tmp_path / "odd.safetensors") == trace


@pytest.mark.parametrize(("keep", "stride"), [(None, 3), ("map:0", 1), ("map:1", 3), ("map:*", 1)])
def test_a_map_is_pictured_with_all_its_cells_where_that_is_asked(keep, stride):
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
    trace = tracer.trace(net, torch.randn(1, 1, 90, 120), keep=keep)
    (call,) = (call for call in trace.calls if call.path == "0")
    state = trace.tensors[call.result.tensor]
    assert state.preview.stride == stride
    assert trace.preview(state.id).shape[1:] == (90 // stride, 120 // stride)
    assert not state.kept


def state_of(trace, path, name):
    """The first state of a parameter or buffer."""
    return trace.tensors[dict(trace.modules[path].tensors)[name].tensor]


def after(trace, state):
    """What the tensor held at the end."""
    while (later := [s for s in trace.tensors if s.previous == state.id]) != []:
        (state,) = later
    return state


@pytest.mark.parametrize("grain", GRAINS)
def test_what_parameters_and_buffers_hold(grain):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 50), nn.Linear(50, 60))
    model[1].weight.data[3, 4] = torch.nan
    model[1].weight.data[0, 4] = -torch.inf
    before = model[0].weight.clone()
    trace = tracer.trace(model, torch.rand(2, 60), grain=grain)
    assert problems(trace) == []
    held = state_of(trace, "0", "weight")
    assert (held.summary.min, held.summary.max) == (before.min().item(), before.max().item())
    assert (held.summary.nan, held.summary.inf, held.name) == (0, 0, "0.weight")
    spoiled = state_of(trace, "1", "weight").summary
    assert (spoiled.nan, spoiled.inf) == (1, 1)
    assert spoiled.max == model[1].weight.nan_to_num(0, 0, 0).max().item()
    bias = state_of(trace, "0", "bias").summary
    assert bias.min == model[0].bias.min().item()
    if grain in ("op", "line"):
        assert held.id in calls(trace, "linear")[0].args.tensors()


@pytest.mark.parametrize("grain", GRAINS)
def test_what_is_written_in_the_run_has_a_state_before_and_after(grain):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2).eval())
    model[0].weight.data.fill_(0.5)
    with tracer.Recorder(model, grain=grain) as recorder:
        model(torch.rand(4, 3)).sum().backward()
        torch.optim.SGD(model[0].parameters(), 0.1).step()
        with torch.no_grad():
            model[0].weight.mul_(2)
    trace = recorder.trace
    assert problems(trace) == []
    first = state_of(trace, "0", "weight")
    assert (first.summary.min, first.summary.max) == (0.5, 0.5)
    last = after(trace, first)
    assert last.id != first.id
    assert last.summary.max == model[0].weight.max().item()
    mean = state_of(trace, "1", "running_mean")
    assert mean.summary.max == 0
    assert after(trace, mean).summary.max == model[1].running_mean.max().item() != 0
    assert trace.calls[mean.overwritten_by].path in ("1", "batch_norm")
    still = state_of(trace, "2", "running_mean")
    assert after(trace, still) is still


def test_parameters_that_are_shared_made_or_have_no_values():
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model.b.weight = model.a.weight

    class Makes(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = model
            self.lazy = nn.LazyLinear(3)
            self.meta = nn.Linear(2, 2, device="meta")
            self.never = nn.LazyLinear(3)

        def forward(self, x):
            self.made = nn.Linear(2, 1)
            return self.made(self.parts["b"](x)), self.lazy(x)

    trace = tracer.trace(Makes(), torch.rand(1, 2))
    assert problems(trace) == []
    shared = state_of(trace, "parts.a", "weight")
    assert state_of(trace, "parts.b", "weight") is shared
    assert state_of(trace, "made", "weight").summary.min is not None
    assert state_of(trace, "lazy", "weight").summary.shape == (3, 2)
    assert state_of(trace, "meta", "weight").summary.min is None
    assert trace.modules["never"].tensors[0][1].text == "not initialised yet"


def test_what_a_construction_leaves_in_parameters():
    trace = tracer.trace(lambda: nn.Sequential(nn.Linear(60, 50), nn.BatchNorm1d(3)))
    assert problems(trace) == []
    assert 0 < state_of(trace, "0", "weight").summary.max < 0.2
    assert state_of(trace, "1", "running_var").summary.min == 1
