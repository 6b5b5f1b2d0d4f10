"""Mutated recordings through every view: whatever a file says, each view shows it or refuses it.

A mutation changes the record itself and signs it anew, so that it comes past the checksums; what
`load` lets through is sound, and odd. Each has a number that makes it again::

    python tests/fuzz.py 1234            # one mutation, with its traceback
    python tests/fuzz.py 0 10000         # a range
"""

from __future__ import annotations

import copy
import dataclasses
import json
import random
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import handmade
import numpy as np
import stories
from explored import needed
from test_store import document_of, forge

from tracer.errors import TracerError
from tracer.rcnn.narration import explain
from tracer.recording import Recording, load
from tracer.stepper import COMMANDS, Stepper
from tracer.views.explorers import EXPLORERS
from tracer.views.explorers.explorer import Explorer
from tracer.views.reports.formats import FORMATS
from tracer.views.reports.parameters import parameters
from tracer.views.screen import prompt as plain

STORIES: tuple[Callable[[], Recording], ...] = (
    handmade.tiny_pass,
    handmade.failed_pass,
    handmade.tiny_construction,
    handmade.hostile_pass,
    handmade.repeated_pass,
    stories.pyramid_pass,
    stories.two_roots,
)
NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**31, 2**63, 10**400, 0.0, -0.5, 1e308, 5e-324)
TEXTS = (
    "",
    "0",
    "transform",
    "backbone.fpn",
    "forward",
    "\x1b[2J",
    "é中",
    "a" * 5000,
    "(",
    "\ud800",
)
ARRAYS = (np.nan, np.inf, -np.inf, 0, 1, -1, 1e30)

# --- mutations ------------------------------------------------------------------------------------


def mutated(seed: int, folder: Path) -> Path:
    """Write the recording with this number."""
    rng = random.Random(seed)
    story = rng.randrange(len(STORIES))
    path = folder / "odd.safetensors"
    if rng.random() < 0.2:
        _with_other_values(STORIES[story](), rng).save(path)
    else:
        path.write_bytes(_saved(story))
    record = json.loads(document_of(path)[1]["record"])
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
        _mutate(record, rng)
    forge(path, json.dumps(record))
    return path


@cache
def _saved(story: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.safetensors"
        STORIES[story]().save(path)
        return path.read_bytes()


def _with_other_values(trace: Recording, rng: random.Random) -> Recording:
    """Kept arrays and small pictures of odd values."""
    blobs = {name: np.array(array) for name, array in trace.blobs.items()}
    for array in blobs.values():
        value = rng.choice(ARRAYS)
        if array.size and (array.dtype.kind == "f" or abs(value) < 2):
            with np.errstate(over="ignore"):
                array.reshape(-1)[rng.randrange(array.size) :] = np.asarray(value).astype(
                    array.dtype
                )
    return dataclasses.replace(trace, blobs=blobs)


def _mutate(record: Any, rng: random.Random) -> None:
    """Change one place of a JSON document, mostly to another value of its type."""
    places = [place for part in record if part != "columns" for place in _places(record[part])]
    holder, key = rng.choice(places)
    old, kind = holder[key], rng.random()
    if kind < 0.06:
        holder[key] = None
    elif kind < 0.12:
        holder[key] = rng.choice((*NUMBERS, *TEXTS))
    elif kind < 0.3:
        alike = [h[k] for h, k in places if type(h[k]) is type(old)]
        holder[key] = copy.deepcopy(rng.choice(alike))
    elif isinstance(old, str):
        holder[key] = rng.choice((*TEXTS, old + "\n" + old, old[: len(old) // 2]))
    elif isinstance(old, bool):
        holder[key] = not old
    elif isinstance(old, (int, float)):
        holder[key] = rng.choice((*NUMBERS, old + 1, old + 1, -old))
    elif isinstance(old, list) and old:
        _rearrange(old, rng)
    else:
        holder[key] = rng.choice(([], {}, [0], None))


def _rearrange(items: list[Any], rng: random.Random) -> None:
    """Take out, double or move one of the items, or all."""
    chosen = rng.randrange(len(items))
    item = items[chosen]
    change = rng.choice(("out", "twice", "first", "none"))
    if change == "none":
        items.clear()
    elif change == "twice":
        items.insert(chosen, copy.deepcopy(item))
    else:
        del items[chosen]
        items[:0] = [item] if change == "first" else []


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, (dict, list)):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from _places(node[key])


# --- views ----------------------------------------------------------------------------------------


def views(trace: Recording, slow: random.Random | None) -> dict[str, Callable[[], object]]:
    """Return everything that shows a recording, by name; the slow ones by lot, of none all."""
    lang = slow.choice(("en", "zh")) if slow else "zh"
    found: dict[str, Callable[[], object]] = {
        name: lambda report=report: _written(report()) for name, report in reports(trace, lang)
    }
    found |= {
        "json": trace.to_json,
        "notebook": trace._repr_html_,
        "explain": lambda: explain(trace, lang="both"),
        "step": lambda: _stepped(trace, lang),
        "questions": lambda: _explored(trace, "quiz", lang),
    }
    more = slow_views(trace, lang)
    chosen = slow.sample(sorted(more), 3) if slow else [*more]
    return found | {name: more[name] for name in chosen}


def reports(trace: Recording, lang: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "table", lambda: trace.table(lang=lang)
    yield "ops", lambda: trace.table(grain="all", fold=False)
    yield "tree", lambda: trace.tree(lang=lang)
    yield "board", lambda: trace.board(lang=lang)
    yield "architecture", lambda: trace.architecture(annotated=True, fold=True, lang=lang)
    yield "plain architecture", trace.architecture
    yield "parameters", lambda: parameters(trace, lang=lang)


def slow_views(trace: Recording, lang: str) -> dict[str, Callable[[], object]]:
    return {
        "page": lambda: trace.page(lang=lang).html,
        "deck": lambda: _deck(trace, lang),
        **{name: lambda name=name: _explored(trace, name, lang) for name in EXPLORERS},
    }


def every_view(trace: Recording, lang: str = "en") -> dict[str, Callable[[], object]]:
    """Return everything that shows a recording, each form, format and command by itself."""
    found: dict[str, Callable[[], object]] = {}
    for name, report in reports(trace, lang):
        found[name] = report
        for format in FORMATS:
            found[f"{name} as {format}"] = lambda r=report, f=format: r().to(f)
        found[f"{name} on a terminal"] = lambda r=report: on_terminal(r(), 100)
    found |= {
        "whole tree": lambda: trace.tree(grain="all", fold=False),
        "json": trace.to_json,
        "data frame": trace.dataframe,
        "notebook": trace._repr_html_,
        "explain": lambda: explain(trace, lang="both"),
        "step: opening": lambda: plain.opening(Stepper(trace, lang=lang)),
        "figures": lambda: _figures(trace, lang),
    }
    for line in STEPS:
        found[f"step: {line}"] = lambda line=line: _commands(trace, line)
    return found | slow_views(trace, lang)


STEPS = (
    *("n", "s 1000", "r", "until", "c", "w", "u", "d", "up 5;;down 5", "l", "ll", "a", "locals"),
    *("p x", "pp x", "p a1", "whatis x", "p x[0]", "p len(x)", "origin x", "uses x", "ops"),
    *(
        "display x;;n;;n",
        "b f;;c;;rc",
        "b f1;;c",
        "watch x;;c",
        "find f",
        "]",
        "rv",
        "s 100;;rs 50",
    ),
    "goto 5000;;w;;n;;b 2;;c;;rn;;rr",
    "last;;w;;u;;d;;ll;;locals;;p x;;pp x;;up 30000;;w;;origin x;;uses x;;rn;;rc;;rr;;first;;h",
)


def _commands(trace: Recording, line: str) -> None:
    stepper = Stepper(trace)
    for each in line.split(";;"):
        plain.answer(stepper, each)
        stepper.describe()


def _figures(trace: Recording, lang: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trace.figures(Path(folder) / "figures", lang=lang)


def _written(table: Any) -> None:
    for format in FORMATS:
        table.to(format)
    for width in (20, 100):
        on_terminal(table, width)


def on_terminal(table: Any, width: int) -> None:
    from rich.console import Console

    with open("/dev/null", "w") as nowhere:
        Console(file=nowhere, width=width, force_terminal=True).print(table)


def _stepped(trace: Recording, lang: str) -> None:
    stepper = Stepper(trace, lang=lang)
    plain.opening(stepper)
    for word in ("n", "s", "n", "w", "locals", "ll", "c", "u", "flow", "pp", "whatis", *COMMANDS):
        if word not in ("q", "quit", "exit"):
            plain.answer(stepper, word)
            plain.answer(stepper, f"{word} x")
        stepper.describe()


def _explored(trace: Recording, name: str, lang: str) -> None:
    explorer: Explorer = trace.explore(name, lang=lang, **needed(name, trace))  # type: ignore[call-overload]
    explorer.shown()


def _deck(trace: Recording, lang: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trace.slides(Path(folder) / "deck.html", lang=lang)


def faults(seed: int) -> list[str]:
    """Return what went wrong otherwise than by a clean error, a traceback each."""
    found = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = mutated(seed, Path(folder))
        try:
            trace = load(path)
        except TracerError:
            return []
        except Exception:
            return [f"load: {traceback.format_exc()}"]
        for name, view in views(trace, random.Random(seed)).items():
            try:
                view()
            except TracerError:
                pass
            except Exception:
                found.append(f"{name} of mutation {seed}: {traceback.format_exc()}")
    return found


if __name__ == "__main__":
    first, *more = map(int, sys.argv[1:])
    seen: dict[str, int] = {}
    for number in range(first, *(more or (first + 1,))):
        for fault in faults(number):
            last = "\n".join(fault.splitlines()[-5:])
            if seen.setdefault(last, number) == number:
                print(fault if not more else f"{fault.splitlines()[0]}\n{last}\n", flush=True)
    print(len(seen), "kinds of faults")
