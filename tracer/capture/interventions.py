"""What is changed on purpose while a run is recorded, and put back after it.

A change has a place and a kind. The place is a setting of the model by its path,
``rpn.nms_thresh``, or the result of a module: ``backbone.fpn[pool]``, one of its calls
``backbone.body.layer3.2.relu#2``. A setting gets a value. Of a result every floating-point tensor
that the place names becomes

- ``"zero"``, or ``"constant:0.5"``,
- ``"noise:1"``: its own values plus noise of its own standard deviation, from the seed 1,
- ``"channel:5"`` or ``"without:5"``: that channel alone, or all but that one (axis 1),
- what another recording has there (a `Trace`): a patch,
- or what a Python function makes of it.

Tensors are never written to: what the module itself keeps stays what it is.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Union

import numpy as np
import torch
from torch import Tensor, nn

from tracer.errors import InputError, NotRecorded, near
from tracer.record import Trace
from tracer.record.query import by_path

KINDS = ("zero", "constant", "noise", "channel", "without")
_PLACE = re.compile(r"(?P<path>[^\[\]#]*)(?:#(?P<nth>\d+))?(?:\[(?P<key>[^\[\]]+)\])?")


@dataclass
class Intervention:
    """One change: where, and what.

    Attributes:
        place: as it was given.
        told: what a recording says of it, ``"rpn.nms_thresh: 0.7 → 0.5"``.
        install: makes the change until the stack is closed; what runs of it is not recorded if it
            runs in the block that it is given.
        took_place: how often it did; None where that cannot be known.
    """

    place: str
    told: str
    install: Callable[[ExitStack, AbstractContextManager[None]], None] = field(repr=False)
    took_place: int | None = None


Change = Union[  # noqa: UP007 (evaluated at run time)
    str, float, bool, list[Any], tuple[Any, ...], Trace, Callable[[Tensor], Tensor], Intervention
]


def interventions(
    model: nn.Module, changes: Mapping[str, Change], ran: Mapping[str, int] = MappingProxyType({})
) -> list[Intervention]:
    """Return the changes that are asked for, each checked against the model.

    Args:
        model: that is to run.
        changes: by their places.
        ran: by path how many calls came before the run, where it begins in the middle: the number
            of a call is that in the whole pass.

    Raises:
        InputError: a place that the model does not have, or what cannot stand there.
        MissingError: a patch from a recording that does not hold it.
    """
    return [_intervention(model, place, change, ran) for place, change in changes.items()]


def require_happened(changes: Iterable[Intervention]) -> None:
    """Refuse a change that took place nowhere in the run.

    Raises:
        InputError: names it.
    """
    for each in changes:
        if each.took_place == 0:
            raise InputError(
                f"change: {each.place} never ran, or not so often: nothing was changed there"
            )


def _intervention(
    model: nn.Module, place: str, change: Change, ran: Mapping[str, int]
) -> Intervention:
    if isinstance(change, Intervention):
        return change
    found = _PLACE.fullmatch(place)
    if found is None:
        raise InputError(f"{place!r} is no place: write PATH, PATH#2, PATH[pool] or PATH#2[pool]")
    modules = dict(model.named_modules())
    path = "" if found["path"] == "(root)" else found["path"]
    if path in modules and (path or found["path"]):
        return _of_result(modules[path], found, place, change, ran.get(path, 0))
    if found["nth"] or found["key"]:
        raise InputError(f"change: the model has no module {path!r}{near(path, modules)}")
    return _of_setting(modules, place, change)


# --- settings -------------------------------------------------------------------------------------


def _of_setting(modules: Mapping[str, nn.Module], place: str, value: Any) -> Intervention:
    known = {
        f"{path}.{name}".lstrip("."): (module, *name.partition(".")[::2])
        for path, module in modules.items()
        for name in _settings(module)
    }
    if place not in known:
        hint = near(place, [*known, *filter(None, modules)])
        raise InputError(f"change: the model has neither a module nor a setting {place!r}{hint}")
    owner, name, key = known[place]
    whole = getattr(owner, name)
    before = whole[key] if key else whole
    value = _fitting(place, before, value)

    def install(stack: ExitStack, at_work: AbstractContextManager[None]) -> None:
        stack.callback(setattr, owner, name, whole)
        setattr(owner, name, {**whole, key: value} if key else value)

    return Intervention(place, f"{place}: {before!r} → {value!r}", install)


def _settings(module: nn.Module) -> Iterator[str]:
    """Yield the names of a module's plain attributes, and of the entries of its dicts of them."""
    for name, value in vars(module).items():
        if name.startswith("__") or name in ("training", "_is_full_backward_hook"):
            continue
        if isinstance(value, dict) and value and all(map(_plain, value.values())):
            yield from (f"{name}.{key}" for key in value)
        elif _plain(value):
            yield name


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _fitting(place: str, before: Any, value: Any) -> Any:
    """Return a value as the setting has it: of its kind, in a tuple or list of its length."""
    numbers = (int, float)
    if isinstance(before, bool) or before is None or isinstance(value, bool):
        fits = type(value) is type(before) or before is None
    elif isinstance(before, numbers):
        fits = isinstance(value, numbers)
    elif isinstance(before, (list, tuple)):
        if isinstance(value, numbers):
            value = [value]
        fits = isinstance(value, (list, tuple))
        value = type(before)(value) if fits else value
    else:
        fits = isinstance(value, type(before))
    if not fits:
        raise InputError(
            f"change: {place} is {before!r}, a {type(before).__name__}; {value!r} does not fit"
        )
    return value


# --- results --------------------------------------------------------------------------------------


def _of_result(
    module: nn.Module, place: re.Match[str], written: str, change: Change, ran: int
) -> Intervention:
    nth = None if place["nth"] is None else int(place["nth"])
    key = place["key"]
    make = _maker(written, place, change)
    found = Intervention(written, f"{written} = {_told(change)}", lambda *_: None, took_place=0)

    def install(stack: ExitStack, at_work: AbstractContextManager[None]) -> None:
        def hook(module: nn.Module, args: Any, result: Any) -> Any:
            nonlocal ran
            ran += 1
            if nth not in (None, ran - 1):
                return None
            with at_work, torch.random.fork_rng(devices=[]):
                changed = _replaced(result, key, make, ran - 1, written)
            found.took_place = (found.took_place or 0) + 1
            return changed

        stack.callback(module.register_forward_hook(hook).remove)

    found.install = install
    return found


def _told(change: Change) -> str:
    if isinstance(change, Trace):
        return f"patched from a recording of {change.subject}"
    if callable(change):
        return f"{getattr(change, '__qualname__', type(change).__name__)}(its value)"
    return str(change)


Make = Callable[[Tensor, int, str], Tensor]
"""From a tensor, the number of the call and where in its result: what stands there instead."""


def _maker(written: str, place: re.Match[str], change: Change) -> Make:
    if isinstance(change, Trace):
        return _patch(change, place)
    if callable(change):
        return lambda tensor, nth, at: change(tensor)
    if not isinstance(change, str):
        raise InputError(
            f"change: {written!r} is a module's result; it takes {', '.join(KINDS)}, a recording "
            f"or a function, not {change!r}"
        )
    kind, colon, number = change.partition(":")
    if kind not in KINDS or bool(colon) == (kind == "zero"):
        raise InputError(
            f"change: a result takes zero, constant:X, noise:SEED, channel:N or without:N; found "
            f"{change!r}{near(kind, KINDS)}"
        )
    return _named(kind, _number(change, kind, number))


def _number(change: str, kind: str, text: str) -> float:
    try:
        return float(text or 0) if kind in ("constant", "zero") else int(text)
    except ValueError:
        raise InputError(f"change: {change!r} has no number after its colon") from None


def _named(kind: str, number: float) -> Make:
    def make(tensor: Tensor, nth: int, at: str) -> Tensor:
        if kind in ("zero", "constant"):
            return torch.full_like(tensor, number)
        if kind == "noise":
            generator = torch.Generator().manual_seed(int(number) + nth)
            noise = torch.randn(tensor.shape, generator=generator).to(tensor)
            return tensor + noise * (tensor.std() if tensor.numel() > 1 else 0)
        if tensor.ndim < 2 or not -tensor.shape[1] <= number < tensor.shape[1]:
            raise InputError(f"change: no channel {number} in a tensor {_form(tensor)}")
        channel = tensor[:, int(number)]
        made = torch.zeros_like(tensor) if kind == "channel" else tensor.clone()
        made[:, int(number)] = channel if kind == "channel" else 0
        return made

    return make


def _patch(source: Trace, place: re.Match[str]) -> Make:
    calls = {c.nth: c for c in by_path(source, place["path"]) if c.kind == "module"}

    def data(nth: int, at: str) -> np.ndarray:
        call = calls.get(nth)
        leaves = {} if call is None or call.result is None else dict(call.result.leaves())
        leaf = leaves.get(at)
        state = None if leaf is None else leaf.tensor
        found = source.blobs.get(f"data/{state}")
        if found is None:
            path = place["path"]
            which = f"{path}#{nth}" + (f"[{at}]" if at else "")
            raise NotRecorded(
                f"change: the other recording does not hold the values of {which}", keep=path
            )
        return found

    def make(tensor: Tensor, nth: int, at: str) -> Tensor:
        patch = torch.from_numpy(np.array(data(nth, at))).to(tensor)
        if patch.shape != tensor.shape:
            raise InputError(
                f"change: the other recording has {_form(patch)} where {place['path']} gives "
                f"{_form(tensor)}"
            )
        return patch

    return make


def _replaced(result: Any, key: str | None, make: Make, nth: int, written: str) -> Any:
    """Return a result with the tensors at a place in it replaced; its containers are copies."""
    parts = key.split(".") if key else []
    count = 0

    def tensor(value: Tensor, at: str) -> Tensor:
        nonlocal count
        if not value.is_floating_point():
            return value
        count += 1
        found = make(value, nth, at)
        if not isinstance(found, Tensor) or _form(found) != _form(value):
            what = _form(found) if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"change: {written} gives {_form(value)}; {what} does not fit")
        return found

    changed = _within(result, parts, tensor, "", written)
    if not count:
        raise InputError(f"change: {written} holds no floating-point tensor")
    return changed


def _form(tensor: Tensor) -> str:
    return f"{'×'.join(map(str, tensor.shape))} {str(tensor.dtype).removeprefix('torch.')}"


def _within(
    value: Any, parts: list[str], change: Callable[[Tensor, str], Tensor], at: str, written: str
) -> Any:
    if isinstance(value, Tensor) and not parts:
        return change(value, at)
    items = _items(value)
    if parts and parts[0] not in items:
        raise InputError(
            f"change: {written} has nothing at {parts[0]!r}{near(parts[0], items)} "
            f"(there is: {', '.join(items) or 'a single tensor'})"
        )
    new = {
        name: _within(item, parts[1:], change, f"{at}.{name}".lstrip("."), written)
        for name, item in items.items()
        if not parts or name == parts[0]
    }
    return _rebuilt(value, new)


def _items(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return {str(index): item for index, item in enumerate(value)}
    if isinstance(value, (Tensor, nn.Module)) or not hasattr(value, "__dict__"):
        return {}
    return dict(vars(value))


def _rebuilt(value: Any, new: Mapping[str, Any]) -> Any:
    """Return a copy of a container with some of its items replaced."""
    if not new:
        return value
    if isinstance(value, Mapping):
        made = copy.copy(value)
        for name in value:
            if str(name) in new:
                made[name] = new[str(name)]  # type: ignore[index]
        return made
    if isinstance(value, (list, tuple)):
        items = [new.get(str(index), item) for index, item in enumerate(value)]
        if isinstance(value, list):
            return items
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    made = copy.copy(value)
    for name, item in new.items():
        setattr(made, name, item)
    return made
