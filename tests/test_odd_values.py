"""Whatever a model handles, it runs as it runs unwatched, and leaves a recording that is sound."""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import enum
import functools
import io
import pickle
import threading
import weakref

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import tracer
from tracer.capture.recorder import last_trace
from tracer.capture.value_trees import Describer
from tracer.record.checks import problems


class Model(nn.Module):
    """Makes a value in its forward, hands it through a part, and has it in its locals."""

    def __init__(self, make):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.part = Part()
        self.make = make

    def forward(self, x):
        value = self.make(self, x)
        through = self.part(value, {"k": [value]})
        held = (through, value)
        del held
        return self.linear(x)


class Part(nn.Module):
    def forward(self, value, around):
        del around
        return value


CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


# --- tensors that are not what they seem ---------------------------------------------------------


class Wrapper(torch.Tensor):
    """Has no memory of its own, and refuses every operation."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError("no operation is allowed")


class Hollow(Wrapper):
    """The same, but operations would read the memory that it has not."""

    __torch_dispatch__ = torch._C._disabled_torch_dispatch_impl

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError("no function is allowed")


class Lying(torch.Tensor):
    """Every attribute that one would look at raises, or lies."""

    is_nested = True
    is_quantized = property(lambda self: 1 / 0)

    def numel(self):
        raise RuntimeError("numel")

    def detach(self):
        raise RuntimeError("detach")

    def dim(self):
        return 7


class Closed(torch.Tensor):
    def __getattribute__(self, name):
        raise RuntimeError(name)


class Shapeless(torch.Tensor):
    @property
    def shape(self):
        raise RuntimeError("shape")

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError("function")


CASES |= {
    "masked": lambda m, x: torch.masked.masked_tensor(x, x > 0),
    "wrapper": lambda m, x: Wrapper(x),
    "hollow": lambda m, x: Hollow(x),
    "lying": lambda m, x: x.clone().as_subclass(Lying),
    "closed": lambda m, x: x.clone().as_subclass(Closed),
    "shapeless": lambda m, x: x.clone().as_subclass(Shapeless),
    "sparse": lambda m, x: x.to_sparse(),
    "csr": lambda m, x: x.to_sparse_csr(),
    "nested": lambda m, x: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "jagged": lambda m, x: torch.nested.nested_tensor(
        [torch.ones(2), torch.ones(3)], layout=torch.jagged
    ),
    "meta": lambda m, x: torch.empty(5, device="meta"),
    "quantized": lambda m, x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8),
    "conjugate": lambda m, x: torch.ones(3, dtype=torch.complex64).conj(),
    "negative": lambda m, x: torch.ones(3, dtype=torch.complex64).conj().imag,
    "zeros that take no memory": lambda m, x: torch._efficientzerotensor(4),
    "broadcast": lambda m, x: torch.ones(1).expand(10**6, 10**6),
    "lazy": lambda m, x: nn.LazyLinear(4),
    "lazy parameter": lambda m, x: nn.LazyLinear(4).weight,
    "lazy, run": lambda m, x: nn.LazyLinear(4)(x),
}
DTYPES = [
    *("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64", "complex32", "complex128"),
    *("bits8", "bits16", "bits1x8", "quint8", "bfloat16", "float16"),
]
CASES |= {
    name: lambda m, x, dtype=dtype: torch.ones(5, dtype=torch.uint8).to(dtype)
    for name in DTYPES
    if (dtype := getattr(torch, name, None)) is not None
}


@case
def freed(m, x):
    tensor = torch.ones(4)
    tensor.untyped_storage().resize_(0)
    return tensor


@case
def freed_of_many(m, x):
    tensor = torch.zeros(4000).relu()
    tensor.untyped_storage().resize_(0)
    return tensor


@case
def fake(m, x):
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode() as mode:
        return mode.from_tensor(torch.ones(3))


@case
def dual(m, x):
    with torch.autograd.forward_ad.dual_level():
        return torch.autograd.forward_ad.make_dual(x, x)


# --- transforms, copies --------------------------------------------------------------------------

CASES |= {
    "vmap": lambda m, x: torch.vmap(lambda row: m.linear(row) * 2)(x),
    "grad": lambda m, x: torch.func.grad(lambda row: m.linear(row).sum())(x),
    "jacobian": lambda m, x: torch.func.jacrev(m.linear)(x),
    "jvp": lambda m, x: torch.func.jvp(m.linear, (x,), (x,)),
    "functional": lambda m, x: torch.func.functional_call(
        m.linear, dict(m.linear.named_parameters()), (x,)
    ),
    "functionalize": lambda m, x: torch.func.functionalize(lambda row: m.linear(row).relu_())(x),
    "cond": lambda m, x: torch.cond(x.sum() > 0, lambda a: a + 1, lambda a: a - 1, (x,)),
    "symbolic": lambda m, x: torch.fx.symbolic_trace(m.linear)(x),
    "copied": lambda m, x: copy.deepcopy(m.linear)(x),
    "pickled": lambda m, x: pickle.loads(pickle.dumps(m.linear))(x),
    "averaged": lambda m, x: torch.optim.swa_utils.AveragedModel(m.linear)(x),
}


@case
def vmap_in_place(m, x):
    def steps(row):
        y = m.linear(row).clone()
        return y.add_(1).add_(row)

    return torch.vmap(steps)(x)


@case
def leaked(m, x):
    out = []
    torch.vmap(lambda row: (out.append(row), row)[1])(x)
    return out


@case
def saved(m, x):
    file = io.BytesIO()
    torch.save(m.linear, file)
    file.seek(0)
    return torch.load(file, weights_only=False)(x)


# --- objects whose own code raises ---------------------------------------------------------------

HOOKS = [
    *("__repr__", "__str__", "__getattr__", "__getattribute__", "__eq__", "__hash__", "__len__"),
    *("__iter__", "__bool__", "__dir__", "__format__", "__contains__", "__getitem__", "__int__"),
    *("__float__", "__index__"),
]
BASES = {"object": (), "list": (list,), "dict": (dict,), "tuple": (tuple,), "str": (str,)}
BASES |= {"int": (int,), "float": (float,), "set": (set,), "module": (nn.Module,)}


def raising(base, hook, error=ValueError):
    def own(self, *args):
        raise error(hook)

    return type(f"Odd{base}", BASES[base], {hook: own})


def _made(kind, base):
    start = {"list": ([1],), "dict": ({"a": 1},), "tuple": ((1, 2),), "int": (3,), "str": ("a",)}
    return kind.__new__(kind) if base == "module" else kind(*start.get(base, ()))


CASES |= {
    f"{base} {hook}": lambda m, x, base=base, hook=hook: _made(raising(base, hook), base)
    for base in BASES
    for hook in HOOKS
}
CASES["exit"] = lambda m, x: raising("object", "__getattribute__", SystemExit)()


def a_class(**own):
    return type("Odd", (), own)


@case
def class_raises(m, x):
    return a_class(__class__=property(lambda self: 1 / 0))()


CASES |= {
    f"claims to be {kind.__name__}": lambda m, x, kind=kind: a_class(__class__=kind)()
    for kind in (torch.Tensor, list, nn.Module, dict, str)
}
CASES |= {
    "shape raises": lambda m, x: a_class(shape=property(lambda self: 1 / 0))(),
    "shape is a number": lambda m, x: a_class(shape=5)(),
    "fields are none": lambda m, x: type("Odd", (tuple,), {"_fields": 5})([1]),
    "fields are numbers": lambda m, x: type("Odd", (tuple,), {"_fields": (1, 2)})([1]),
}


class Endless(collections.abc.Mapping):
    def __getitem__(self, key):
        return 1

    def __iter__(self):
        return iter(range(10**9))

    def __len__(self):
        return 10**9


class Meta(type):
    def __eq__(cls, other):
        raise RuntimeError("eq")

    def __hash__(cls):
        raise RuntimeError("hash")

    @property
    def __name__(cls):
        raise RuntimeError("name")


@dataclasses.dataclass
class Data:
    a: int = 1

    def __getattribute__(self, name):
        raise RuntimeError(name)


class Word(str, enum.Enum):
    A = "a"


CASES |= {
    "endless": lambda m, x: Endless(),
    "metaclass": lambda m, x: Meta("Odd", (), {})(),
    "data class": lambda m, x: Data(),
    "enum": lambda m, x: Word.A,
    "a huge number": lambda m, x: [10**5000, {10**5000, 1}, type("I", (int,), {})(10**5000)],
    "half a letter": lambda m, x: {"\ud800": "\ud800\x00", 10**5000: 2},
    "floats": lambda m, x: [float("nan"), float("inf"), 1 + 2j, np.float64("nan"), np.int64(4)],
    "arrays": lambda m, x: [np.array([1, 2]), np.array(["a"], object), np.longdouble(2)],
    "generator": lambda m, x: (i for i in range(3)),
    "lock": lambda m, x: threading.RLock(),
    "dead reference": lambda m, x: weakref.proxy(a_class()()),
    "partial": lambda m, x: functools.partial(print, x),
}


@case
def in_itself(m, x):
    held, by_name = [], {}
    held.append(held)
    by_name["k"] = by_name
    return [held, by_name]


@case
def deep(m, x):
    found = x
    for _ in range(3000):
        found = [found]
    return found


@case
def broad(m, x):
    found = [1]
    for _ in range(60):
        found = [found, found]
    return found


# --- exceptions ----------------------------------------------------------------------------------


class Wordless(Exception):
    def __str__(self):
        raise RuntimeError("str")


@case
def wordless(m, x):
    raise Wordless


@case
def half_a_letter_raised(m, x):
    raise ValueError("\ud800\x00")


@case
def interrupted(m, x):
    raise KeyboardInterrupt("by the program itself")


@case
def caught(m, x):
    try:
        raise Wordless
    except Wordless:
        return 1


# --- the tests -----------------------------------------------------------------------------------


def outcome(run):
    try:
        return "gave", run()
    except BaseException as error:
        text = "" if isinstance(error, Wordless) else str(error)
        return type(error), text


def hold_alike(make, tmp_path):
    """Run a model plainly and traced: alike to the last bit, and the record is whole."""
    torch.manual_seed(0)
    model, x = Model(make).eval(), torch.ones(2, 3)
    torch.manual_seed(1)
    plain = outcome(lambda: model(x))
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    traced = outcome(
        lambda: tracer.trace(model, x, grain="line", keep=True, fingerprints=make is freed_of_many)
    )
    assert traced[0] == plain[0]
    trace = traced[1] if plain[0] == "gave" else last_trace()
    if plain[0] == "gave":
        assert torch.equal(torch.from_numpy(trace.data(trace.calls[0].result.tensor)), plain[1])
    else:
        assert traced[1] == plain[1]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert problems(trace) == []
    path = trace.save(tmp_path / "odd.safetensors", overwrite=True)
    assert tracer.load(path) == trace
    return trace


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_a_model_runs_as_it_runs_plainly(name, tmp_path):
    hold_alike(CASES[name], tmp_path)


SHAPES = {"masked": "2×3 float32", "wrapper": "2×3 float32", "nested": "nested tensor of 2"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SHAPES)
def test_a_tensor_out_of_reach_is_a_label_with_its_shape(name, tmp_path):
    trace = hold_alike(CASES[name], tmp_path)
    [call] = [c for c in trace.calls if c.path == "part"]
    assert (call.result.kind, call.result.tensor) == ("opaque", None)
    assert call.result.text.startswith(SHAPES[name])


def test_what_raises_when_it_is_looked_at_is_named(tmp_path):
    trace = hold_alike(lambda m, x: raising("module", "__getattribute__")(), tmp_path)
    assert "values of the class Oddmodule are labels only: looking at them raises ValueError" in (
        trace.notes
    )


def test_a_copy_of_a_watched_module_holds_nothing_of_the_recorder(tmp_path):
    copies = []

    def keep(m, x):
        copies.append(copy.deepcopy(m.linear))
        copies.append(pickle.loads(pickle.dumps(m.linear)))

    hold_alike(keep, tmp_path)
    for made in copies:
        assert b"tracer" not in pickle.dumps(made).replace(b"tracer.capture.hooks", b"")
        for hook in (*made._forward_hooks.values(), *made._forward_pre_hooks.values()):
            assert hook.__module__ is None or not hook.__module__.startswith("tracer")


LEAVES = st.sampled_from(sorted(CASES))
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.sampled_from(["list", "dict", "object"]), st.lists(inner, max_size=3)
    ),
    max_leaves=5,
)


def _build(plan, m, x):
    if isinstance(plan, str):
        return CASES[plan](m, x)
    kind, parts = plan
    made = [_build(part, m, x) for part in parts]
    if kind == "list":
        return made
    named = {f"n{i}": value for i, value in enumerate(made)}
    return named if kind == "dict" else a_class()() if not named else _holding(named)


def _holding(named):
    found = a_class()()
    vars(found).update(named)
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60)
@given(NESTED)
def test_any_nest_of_odd_values(tmp_path_factory, plan):
    hold_alike(lambda m, x: _build(plan, m, x), tmp_path_factory.mktemp("odd"))


def test_a_value_of_very_many_parts_is_described_in_part():
    value = [1.0]
    for _ in range(11):
        value = [value] * 8
    found = Describer({}, settled=True).describe(value, lambda tensor: 0)
    leaves = [leaf for _, leaf in found.leaves()]
    assert len(leaves) < 100_000
    assert any(leaf.text.startswith("left out") for leaf in leaves)


def test_what_stands_in_several_places_is_described_once_and_as_if_it_stood_in_one():
    part = [1.0, {"k": [2.0]}]
    shared, apart = [part, part, [part]], [copy.deepcopy(part), copy.deepcopy(part), [part]]
    describe = Describer({}, settled=True).describe
    found, expected = (describe(value, lambda tensor: 0) for value in (shared, apart))
    assert found == expected
    assert found["0"] is found["1"]
    assert expected["0"] is not expected["1"]


class InATransform(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = nn.Identity()

    def forward(self, x):
        return torch.vmap(lambda row: (self.part(x), row * 2)[1])(x)


def test_the_values_from_outside_a_transform_are_read_inside_it():
    trace = tracer.trace(InATransform(), torch.ones(2, 3))
    call = next(call for call in trace.calls if call.path == "part")
    assert trace.tensors[call.result.tensor].summary.mean == 1


@pytest.mark.filterwarnings("ignore")
def test_torch_jit_trace_takes_down_nothing_of_the_recorder():
    model = nn.Linear(3, 3)

    class Traces(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = model

        def forward(self, x):
            self.graph = str(torch.jit.trace(self.linear, x).inlined_graph)
            return x

    plain, recorded = Traces(), Traces()
    plain(torch.ones(2, 3))
    trace = tracer.trace(recorded, torch.ones(2, 3), grain="line", keep=True)
    assert recorded.graph.count("aten::") == plain.graph.count("aten::")
    assert problems(trace) == []


class NeverEnds(nn.Module):
    def forward(self, x):
        return self.forward(x)


def test_a_run_that_never_ends_leaves_a_sound_record(tmp_path):
    with pytest.raises(RecursionError):
        tracer.trace(NeverEnds(), torch.ones(2), grain="line")
    trace = tracer.last_trace()
    assert problems(trace) == []
    trace.save(tmp_path / "endless.safetensors")
    assert trace.error.type == "RecursionError"


# What compiles, within the run


class Exports(nn.Module):
    """Takes down a part of its own, and one of nobody's, as programs, and runs both."""

    def __init__(self):
        super().__init__()
        self.part = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(self, x):
        other = torch.export.export(nn.Linear(3, 3), (x,)).module()
        part = torch.export.export(self.part, (x,)).module()
        return self.part(x) + part(x) + 0 * other(x).detach()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("grain", ["module", "line"])
def test_a_program_that_is_taken_down_within_the_run_is_no_part_of_it(grain):
    torch.manual_seed(0)
    model, x = Exports(), torch.ones(2, 3)
    trace = tracer.trace(model, x, grain=grain, keep=True)
    assert problems(trace) == []
    assert [c.path for c in trace.calls if c.kind == "module"] == ["", "part", "part.0", "part.1"]
    assert np.array_equal(trace.data(trace.calls[0].result.tensor), 2 * model.part(x).detach())
    assert any("took down a program" in note for note in trace.notes)


def exported(part, y):
    return torch.export.export(part, (y,)).module()(y)


def compiled(part, y):
    return torch.compile(part, backend="eager")(y)


def traced(part, y):
    return torch.jit.trace(part, (y,))(y)


def scripted(part, y):
    return torch.jit.script(part)(y)


def frozen(part, y):
    return torch.jit.freeze(torch.jit.script(part.eval()))(y)


def symbolic(part, y):
    return torch.fx.symbolic_trace(part)(y)


def functional(part, y):
    from torch.fx.experimental.proxy_tensor import make_fx

    return make_fx(lambda x: part(x))(y)(y)


def branched(part, y):
    return torch.cond(y.sum() > 0, lambda x: x + 1, lambda x: x - 1, (y,))


class TakesDown(nn.Module):
    """Hands what a layer made, which has a gradient, to something that takes programs down."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.layer = nn.Linear(3, 3)
        self.part = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(self, x):
        return self.way(self.part, self.layer(x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("grain", ["module", "line"])
@pytest.mark.parametrize(
    "way", [exported, compiled, traced, scripted, frozen, symbolic, functional, branched]
)
def test_ways_of_taking_programs_down_run_as_they_do_plainly(way, grain):
    torch.manual_seed(0)
    model, x = TakesDown(way), torch.ones(2, 3)
    expected = model(x).detach().numpy()
    trace = tracer.trace(model, x, grain=grain, keep=True)
    assert problems(trace) == []
    assert np.array_equal(trace.data(trace.calls[0].result.tensor), expected)


@pytest.mark.filterwarnings("ignore")
def test_a_part_is_scripted_without_the_recorders_hooks_and_with_its_own():
    def doubled(self, args: tuple[torch.Tensor], result: torch.Tensor) -> torch.Tensor:
        return 2 * result

    model, x = TakesDown(scripted), torch.ones(2, 3)
    compiler = torch.jit._recursive.create_script_module
    model.part.register_forward_hook(doubled)
    expected = model(x).detach().numpy()
    with tracer.Recorder(model, keep=True) as outer, tracer.Recorder(model.part, keep=True):
        model(x)
        model.part(x)  # its hooks are back
    paths = [call.path for call in outer.trace.calls if call.kind == "module"]
    assert paths == ["", "layer", "part", "part.0", "part.1"]
    assert np.array_equal(outer.trace.data(outer.trace.calls[0].result.tensor), expected)
    assert any("torch.jit compiled a module" in note for note in outer.trace.notes)
    assert torch.jit._recursive.create_script_module is compiler
    assert list(model.part._forward_hooks.values()) == [doubled]


class Compiles(nn.Module):
    def forward(self, x):
        from torch.nn.attention.flex_attention import flex_attention

        return torch.compile(torch.neg, backend="eager")(flex_attention(x, x, x))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_torch_compiles_runs_as_it_does_plainly():
    x = torch.rand(1, 2, 16, 16)
    trace = tracer.trace(Compiles(), x, grain="module", keep=True)
    assert np.array_equal(trace.data(trace.calls[0].result.tensor), Compiles()(x).numpy())
