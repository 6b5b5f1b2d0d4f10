"""Sound recordings of anything that a file may hold: a strategy of Hypothesis."""

from __future__ import annotations

from dataclasses import replace

import handmade
import numpy as np
from hypothesis import strategies as st

from tracer.record import Module, ParameterRecord, Stage, Value
from tracer.recording import Recording

# Without surrogates, which other than alone would come back as the character that they make.
texts = st.text(max_size=12) | st.sampled_from(["", "\ud800", "\udc80x", *handmade.HOSTILE_NAMES])
whole = st.integers() | st.sampled_from([2**53, -(2**53) - 1, 2**63, 10**4000, 0, 1])
scalars = st.none() | st.booleans() | whole | st.floats() | texts
names = texts.filter(bool)


def values(states: int) -> st.SearchStrategy[Value]:
    tensors = st.integers(0, states - 1).map(handmade.tensor_value) if states else st.nothing()
    leaves = (
        scalars.map(handmade.scalar)
        | tensors
        | st.builds(handmade.opaque, texts, texts)
        | st.builds(handmade.module_value, texts, texts, st.just((5, 3)))
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda items: handmade.sequence(*items))
            | st.dictionaries(texts, inner, max_size=3).map(handmade.mapping)
        ),
        max_leaves=6,
    )


arrays = st.builds(
    lambda shape, seed, kind: np.random.default_rng(seed).normal(size=shape).astype(kind),
    st.lists(st.integers(0, 3), max_size=3),
    st.integers(0, 99),
    st.sampled_from(["float32", "int64", "bool"]),
)


SOURCES = ("\n", "x = (\n", "    return x\n", "\x0c\x00\n", "'\ud800\n", "# \u2028<b>\n")


@st.composite
def traces(draw) -> Recording:
    """Tell any story: calls within calls, lines, tensors, overwriting, with any names."""
    text = "".join(draw(st.lists(st.sampled_from(SOURCES), min_size=9, max_size=9)))
    draft = handmade.Draft(handmade.SourceFile("f.py", text, draw(texts), draw(texts)))
    paths = ["", *draw(st.lists(names, max_size=3, unique=True))]
    for _ in range(draw(st.integers(1, 3))):
        tell(draw, draft, paths, depth=0)
    trace = draft.trace(
        draw(st.sampled_from(["pass", "construction"])),
        draw(texts),
        modules=dict(zip(paths, draw(modules(paths, len(draft.tensors))), strict=True)),
        parameters=tuple(draw(st.lists(parameters, max_size=3))),
        environment=draw(st.dictionaries(texts, texts, max_size=3)),
        notes=tuple(draw(st.lists(texts, max_size=2))),
        classes=tuple(draw(st.lists(texts, max_size=2))),
    )
    return in_stages(draw, trace)


shapes = st.lists(st.sampled_from([0, 1, 3, 2**20]), max_size=3).map(tuple)
parameters = st.builds(ParameterRecord, texts, shapes, texts, st.booleans())


@st.composite
def modules(draw, paths: list[str], states: int) -> list[Module]:
    """A module that has all others, each with values of its own."""
    children = tuple((draw(texts), path) for path in paths[1:])
    return [
        Module(
            path,
            draw(texts),
            draw(texts),
            draw(texts),
            () if path else children,
            settings=tuple(draw(st.dictionaries(names, texts, max_size=2)).items()),
            tensors=tuple(draw(st.dictionaries(names, values(states), max_size=2)).items()),
        )
        for path in paths
    ]


def in_stages(draw, trace: Recording) -> Recording:
    """Some of the outermost calls are stages, with all that ran in them."""
    roots = [call.id for call in trace.calls if call.parent is None]
    chosen = {id: f"{draw(names)}{id}" for id in roots if draw(st.booleans())}
    around: dict[int | None, str] = {}
    for call in trace.calls:
        around[call.id] = chosen.get(call.id, around.get(call.parent, ""))
    calls = tuple(replace(call, stage=around[call.id]) for call in trace.calls)
    stages = tuple(Stage(name, (id,)) for id, name in chosen.items())
    return replace(trace, calls=calls, stages=stages)


def tell(draw, draft: handmade.Draft, paths: list[str], depth: int) -> None:
    given_ = draw(st.dictionaries(names, values(0), max_size=2))
    here = handmade.Source("f.py", draw(st.integers(1, 10)))
    kind = draw(st.sampled_from(["module", "function", "op"]))
    path = draw(texts | st.sampled_from(paths))
    with draft.call(kind, path, draw(texts), given_, source=here) as call:
        for event in draw(
            st.lists(st.sampled_from(["line", "tensor", "call", "write"]), max_size=4)
        ):
            if event == "line":
                changed = draw(st.dictionaries(names, values(len(draft.tensors)), max_size=2))
                draft.line(
                    draw(st.integers(1, 10)), changed, tuple(draw(st.lists(texts, max_size=1)))
                )
            elif event == "tensor":
                draft.tensor(draw(arrays), keep=draw(st.booleans()))
            elif event == "write" and draft.tensors and draft.tensors[-1].overwritten_by is None:
                draft.overwrite(len(draft.tensors) - 1, draw(arrays))
            elif event == "call" and depth < 3:
                tell(draw, draft, paths, depth + 1)
        call.result = draw(st.none() | values(len(draft.tensors)))
