"""Sound recordings of odd proportions: deep, wide, long, or small with much shared.

Each is what no model in use leaves and what a file may hold: every view opens it in a few seconds
or says in a sentence why it does not. `benchmarks/bench_odd.py` measures them whole; the tests take
them in small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from handmade import arguments, scalar, sequence, tensor_value

from tracer.record import (
    Call,
    Line,
    Module,
    ParameterRecord,
    Settings,
    Source,
    SourceFile,
    Stage,
    TensorState,
    TensorSummary,
    Value,
)
from tracer.recording import Recording

FILE = SourceFile("odd/model.py", "def forward(self, x):\n    x = self.inner(x)\n    return x\n")
HERE = Source(FILE.file, 1)
X = tensor_value(0)


def state(id: int = 0, **fields: object) -> TensorState:
    summary = TensorSummary((1, 3, 8, 8), "float32", "cpu", 0.0, 1.0, 0.5, 0.1, 0.0, 0, 0)
    return TensorState(id, summary, **fields)  # type: ignore[arg-type]


def recording(
    parents: Iterable[int | None],
    *,
    kind: str = "function",
    path: Callable[[int], str] = lambda id: f"f{id}",
    args: Callable[[int], Value] = lambda id: arguments({"x": X}),
    result: Callable[[int], Value] = lambda id: X,
    lines: int = 0,
    source: Source | None = HERE,
    **fields: object,
) -> Recording:
    """Write calls down whose parents are these; each runs so many lines before the calls in it."""
    calls: list[dict[str, object]] = []
    run: list[Line] = []
    open_: list[dict[str, object]] = []
    times: dict[str, int] = {}
    clock = 0

    def close(until: int | None) -> None:
        nonlocal clock
        while open_ and open_[-1]["id"] != until:
            open_.pop()["end"] = clock
            clock += 1

    for id, parent in enumerate(parents):
        close(parent)
        name = path(id)
        nth = times[name] = times.get(name, -1) + 1
        calls.append(
            {"id": id, "kind": kind, "path": name, "nth": nth, "type": "odd", "parent": parent,
             "start": clock, "args": args(id), "result": result(id), "source": source}
        )  # fmt: skip
        open_.append(calls[-1])
        clock += 1
        for number in range(lines):
            changed = (("x", X),) if number % 2 else ()
            run.append(Line(clock, id, 2 + number % 2, changed))
            clock += 1
    close(None)
    defaults: dict[str, object] = {
        "environment": {"mode": "eval"},
        "tensors": (state(),),
        "sources": {FILE.file: FILE},
        "seconds": 1.0,
    }
    settings = Settings(("module", "function", "line", "op"))
    done = tuple(Call(**call) for call in calls)  # type: ignore[arg-type]
    return Recording("pass", "Odd", settings, calls=done, lines=tuple(run), **(defaults | fields))  # type: ignore[arg-type]


# --- many calls, lines and states -----------------------------------------------------------------


def nested(count: int = 20_000, kind: str = "function", lines: int = 0) -> Recording:
    """A call within a call within a call; of modules without their source."""
    source = HERE if kind == "function" else None
    return recording([None, *range(count - 1)], kind=kind, lines=lines, source=source)


def side_by_side(count: int = 200_000, kind: str = "function", lines: int = 0) -> Recording:
    """One call that makes all the others, no two of which are alike."""
    return recording([None] + [0] * (count - 1), kind=kind, lines=lines)


def alike(count: int = 200_000) -> Recording:
    """One call that makes the same one again and again."""
    return recording([None] + [0] * (count - 1), path=lambda id: "f" if id else "all")


def roots(count: int = 200_000) -> Recording:
    """Calls beside each other in nothing."""
    return recording([None] * count, path=lambda id: "f")


def long_loop(count: int = 300_000) -> Recording:
    """One call of very many lines."""
    return recording([None], lines=count)


def chain(count: int = 30_000) -> Recording:
    """A tensor that call after call overwrites."""
    states = [
        state(
            i,
            producer=i or None,
            previous=i - 1 if i else None,
            overwritten_by=i + 1 if i + 1 < count else None,
        )
        for i in range(count)
    ]
    return recording(
        [None] + [0] * (count - 1),
        kind="op",
        path=lambda id: "relu_" if id else "all",
        args=lambda id: arguments({"x": tensor_value(max(id - 1, 0))}),
        result=lambda id: tensor_value(id),
        tensors=tuple(states),
    )


def views_of_views(count: int = 30_000) -> Recording:
    """A view of a view of a view."""
    states = tuple(state(i, base=i - 1 if i else None) for i in range(count))
    return recording([None], result=lambda id: tensor_value(count - 1), tensors=states)


def one_in_all(count: int = 30_000) -> Recording:
    """States that every one is overwritten by one call, which is given them all."""
    states = tuple(state(i, overwritten_by=1) for i in range(count))
    given = arguments({f"x{i}": tensor_value(i) for i in range(count)})
    return recording([None, None], args=lambda id: given, tensors=states)


# --- values and modules ---------------------------------------------------------------------------


def many_arguments(count: int = 100_000) -> Recording:
    """One call with very many arguments."""
    given = arguments({f"a{i}": X if i % 2 else scalar(i) for i in range(count)})
    return recording([None, 0], args=lambda id: given, lines=3)


def long_list(count: int = 100_000) -> Recording:
    """One call that takes and returns a long list of tensors."""
    items = sequence(*[X] * count)
    return recording(
        [None, 0], args=lambda id: arguments({"x": items}), result=lambda id: items, lines=3
    )


def shared_value(levels: int = 18, calls: int = 1) -> Recording:
    """A list that holds the same list twice, which holds the same list twice, and so on."""
    value = X
    for _ in range(levels):
        value = sequence(value, value)
    return recording(
        [None] + [0] * calls,
        args=lambda id: arguments({"x": value if id else X}),
        result=lambda id: value if id else X,
        lines=2,
    )


def shared_by_many(count: int = 2_000, items: int = 1_000) -> Recording:
    """Calls that all take the same list."""
    given = arguments({"x": sequence(*[X] * items)})
    return recording([None] + [0] * count, args=lambda id: given, path=lambda id: "f")


def _modules(modules: Iterable[Module], **fields: object) -> Recording:
    found = {module.path: module for module in modules}
    return recording(
        [None] * len(list(found)[:100]),
        kind="module",
        path=lambda id: list(found)[id],
        modules=found,
        **fields,
    )


def shared_modules(levels: int = 18) -> Recording:
    """A module that is built of one child twice, which is built of one child twice, and so on."""
    paths = ["", *(".".join("m" * (i + 1)) for i in range(levels))]
    return _modules(
        Module(path, "Twice", children=(("m", after), ("n", after)) if after else ())
        for path, after in zip(paths, [*paths[1:], ""], strict=True)
    )


def many_modules(count: int = 100_000) -> Recording:
    """A module of very many children, each with a parameter."""
    children = tuple((str(i), str(i)) for i in range(count))
    parameters = tuple(ParameterRecord(f"{i}.weight", (i,), "float32", True) for i in range(count))
    modules = [Module("", "Wide", children=children, params=count, trainable=count)]
    modules += [
        Module(name, "Part", f"{name}, 1", params=1, trainable=1, own_params=1, own_trainable=1)
        for name, _ in children
    ]
    return _modules(modules, parameters=parameters)


def long_paths(count: int = 300, parts: int = 3_000) -> Recording:
    """Modules with names of thousands of parts."""
    prefix = ".".join("m" * parts)
    return _modules(Module(f"{prefix}.{i}", "Far") for i in range(count))


def many_stages(count: int = 10_000) -> Recording:
    """A stage for every call."""
    whole = recording([None] * count)
    calls = tuple(
        Call(**{f: getattr(c, f) for f in Call.__dataclass_fields__} | {"stage": f"s{c.id}"})
        for c in whole.calls
    )
    stages = tuple(Stage(f"s{id}", (id,)) for id in range(count))
    return Recording(
        **{f: getattr(whole, f) for f in Recording.__dataclass_fields__}
        | {"calls": calls, "stages": stages}
    )


def long_source(count: int = 200_000) -> Recording:
    """A file of very many lines, and a line of very many characters."""
    text = "x = (1 +\n" * count + "y" * 1_000_000 + "\n" + "(" * 10_000
    file = SourceFile(FILE.file, text)
    return recording([None], lines=3, sources={file.file: file})


MAKERS: dict[str, Callable[..., Recording]] = {
    "3,000 nested calls with lines": lambda n=3_000: nested(n, lines=3),
    "20,000 nested modules": lambda n=20_000: nested(n, "module"),
    "20,000 nested calls": nested,
    "200,000 calls side by side": side_by_side,
    "200,000 calls alike": alike,
    "200,000 outermost calls": roots,
    "60,000 calls with lines": lambda n=60_000: side_by_side(n, lines=2),
    "300,000 lines in a call": long_loop,
    "30,000 states in a chain": chain,
    "30,000 views of views": views_of_views,
    "30,000 states overwritten at once": one_in_all,
    "100,000 arguments": many_arguments,
    "100,000 tensors in a list": long_list,
    "18 levels of two in a value": lambda n=18: shared_value(n),
    "14 levels of two in 20 calls": lambda n=14: shared_value(n, 20),
    "a list in 2,000 calls": lambda n=2_000: shared_by_many(n),
    "18 levels of two modules": lambda n=18: shared_modules(n),
    "100,000 modules": many_modules,
    "long paths": lambda n=300: long_paths(n, n * 10),
    "10,000 stages": many_stages,
    "long source": long_source,
}
"""By name; each takes its measure, the one in the name if none is given."""
