"""Weights in files: read a checkpoint without running any of it, and load it into a model."""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from tracer.errors import WeightsError
from tracer.rcnn import file_kinds, fit
from tracer.rcnn.findings import Finding

State = Mapping[str, Tensor]

# The keys under which training scripts put a model's weights, beside an optimizer's and others'.
WRAPPERS = (
    *("model", "state_dict", "model_state_dict", "model_state", "net", "network", "weights"),
    *("module", "model_ema", "ema", "ema_state_dict", "state_dict_ema"),
)

# What compilation, checkpointing and sharding put between the parts of a name.
_BETWEEN = re.compile(r"(?:^|(?<=\.))(_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\.")

# The bias of the layer whose rows are classes, for each family of torchvision's detectors; those of
# the one-stage families have a row per class and anchor.
CLASS_LAYERS = (
    "roi_heads.box_predictor.cls_score.bias",
    "head.classification_head.cls_logits.bias",
    "head.classification_head.module_list.0.bias",
    "head.classification_head.module_list.0.1.bias",
)


def read(path: str | Path) -> State:
    """Read a checkpoint's weights: tensors by dotted name.

    Nothing of the file runs: of what is no tensor and no plain container (a trainer's options, an
    optimizer's numbers, a whole model's modules) no object is made, whatever class it names.

    Args:
        path: a file of safetensors, or what ``torch.save`` wrote: a state dict, bare or under one
            of `WRAPPERS`, or a whole model, of which the parameters and buffers are read.

    Raises:
        WeightsError: no such file, not a checkpoint (says what it is), or no weights in it.
    """
    state, found = examine(path)
    if state is None:
        raise WeightsError(found[0].text)
    return state


def examine(path: str | Path) -> tuple[State | None, tuple[Finding, ...]]:
    """Read a checkpoint's weights as `read` does, and tell what is to be known of the file.

    Returns:
        The weights, None if there are none, which the first finding then tells; and findings: why
        ``model.load_state_dict(torch.load(path))`` would not take what is in the file as it is.
    """
    path = Path(path)
    where = {"where": repr(str(path))}
    if not path.is_file():
        return None, (Finding("weights-missing", where),)
    try:
        if what := file_kinds.foreign(path):
            return None, (_foreign(where, *what),)
        content = _read_safetensors(path) if file_kinds.is_safetensors(path) else _read_torch(path)
    except MemoryError:
        raise
    except Exception as error:  # both readers raise many kinds on a file that is damaged
        reason = "@file.more" if _is_refused(error) else type(error).__name__
        return None, (Finding("weights-unread", {**where, "reason": reason}),)
    weights, habits = _weights(content)
    if not weights:
        return None, (_weightless(where, content),)
    state = _unwrapped(weights)
    return state, (*(Finding(kind, where, "warning") for kind in habits), *_renamed(weights, state))


def _foreign(where: Mapping[str, str], kind: str, facts: Mapping[str, Any]) -> Finding:
    told = {"what": f"@file.{kind}.what", "mend": f"@file.{kind}.do"}
    return Finding("weights-foreign", {**where, **told, **facts})


def _renamed(weights: State, state: State) -> Iterator[Finding]:
    """Names that a wrapper of the model changed."""
    if weights.keys() != state.keys():
        there, here = next(pair for pair in zip(weights, state, strict=True) if pair[0] != pair[1])
        yield Finding("weights-prefix", {"there": there, "here": here}, "warning")


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(path)


class _Unmade:
    """In the place of an object of the file that is not made; its class's code does not run."""

    state: Any = None

    def __new__(cls, *_args: Any) -> _Unmade:
        return object.__new__(cls)

    def __init__(self, *_args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _read_torch(path: Path) -> Any:
    stand_ins: list[Any] = [_stand_in(name) for name in _foreign_names(path)]
    with contextlib.ExitStack() as stack:
        if stand_ins:
            stack.enter_context(torch.serialization.safe_globals(stand_ins))
        file = stack.enter_context(path.open("rb"))  # of a path, torch goes by the ending
        return torch.load(file, map_location="cpu", weights_only=True)


def _foreign_names(path: Path) -> list[str]:
    """Return what a file names beside tensors, found without loading it; torch 2.6 and later."""
    names = getattr(torch.serialization, "get_unsafe_globals_in_checkpoint", None)
    try:
        return sorted(names(path)) if names else []
    except Exception:  # the older of torch's formats, or damage: loading says which
        return []


def _stand_in(name: str) -> type[_Unmade]:
    """Return a class that is called like a foreign one, by which torch finds it."""
    module, _, own = name.rpartition(".")
    return type(own, (_Unmade,), {"__module__": module, "__qualname__": own})


def _is_refused(error: Exception) -> bool:
    """Whether the file is a real pickle that names code, which is not loaded."""
    return isinstance(error, pickle.UnpicklingError) and "nsupported" in str(error)


def _weights(content: Any) -> tuple[State, list[str]]:
    """Find the weights in what a file held, and how they lay in it: kinds of findings."""
    habits = []
    for _ in range(3):  # a trainer's dictionary in another's
        if isinstance(content, _Unmade):
            habits.append("weights-pickled")
            content = dict(_of_module(content, ""))
        inner = _inner(content)
        if inner is None:
            break
        habits.append("weights-wrapped")
        content = inner
    table = content if isinstance(content, Mapping) else {}
    found = {k: v for k, v in table.items() if isinstance(k, str) and isinstance(v, Tensor)}
    return found, list(dict.fromkeys(habits))


def _weightless(where: Mapping[str, str], content: Any) -> Finding:
    while (inner := _inner(content)) is not None:
        content = inner
    table = content if isinstance(content, Mapping) else {}
    if {"state", "param_groups"} <= table.keys():
        return Finding("weights-optimizer", where)
    has = ", ".join(repr(key) for key in list(table)[:6])
    return Finding("weights-none", {**where, "has": has or "–"})


def _inner(content: Any) -> Any:
    """Return what a trainer's dictionary has under the first key that is known for weights."""
    if not isinstance(content, Mapping):
        return None
    return next(
        (content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping | _Unmade)),
        None,
    )


def _of_module(module: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a pickled module that was not made, by dotted name."""
    state = module.state if isinstance(module, _Unmade) else None
    if not isinstance(state, Mapping):
        return
    for kind in ("_parameters", "_buffers"):
        for name, value in dict(state.get(kind) or {}).items():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value.detach()
    for name, child in dict(state.get("_modules") or {}).items():
        yield from _of_module(child, f"{prefix}{name}.")


def _unwrapped(weights: State) -> State:
    """Take off the names that wrappers of a model put before and between its own."""
    weights = {_BETWEEN.sub("", name): value for name, value in weights.items()}
    if all(name.startswith("module.") for name in weights):
        return {name.removeprefix("module."): value for name, value in weights.items()}
    return weights


def spoiled(state: State) -> tuple[Finding, ...]:
    """Return a finding if some of the weights are NaN or infinite."""
    names = [name for name, value in state.items() if not _is_finite(value)]
    if not names:
        return ()
    return (Finding("weights-nan", {"count": len(names), "first": names[0]}),)


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point() or value.device.type == "meta":
        return True
    return bool(torch.isfinite(value if value.element_size() > 1 else value.float()).all())


def class_count(state: State, outline: Callable[[], nn.Module]) -> int | None:
    """Return how many classes, background included, a checkpoint tells apart.

    Args:
        state: the checkpoint's weights, named as the model's or beneath a prefix.
        outline: builds the model that is meant, with a single class. It is built without memory,
            to learn how many rows of the class layer one class has.

    Returns:
        The count, or None if the checkpoint has no class layer that is known.
    """
    ends = ((name, key) for name in CLASS_LAYERS for key in state if f".{key}".endswith(f".{name}"))
    name, key = next(ends, ("", ""))
    if not name or not state[key].ndim:
        return None
    with torch.device("meta"):
        rows = dict(outline().named_parameters()).get(name)
    return None if rows is None else state[key].shape[0] // rows.shape[0] or None


def freeze_norms(module: nn.Module) -> None:
    """Replace every BatchNorm2d inside `module` by torchvision's FrozenBatchNorm2d, in place.

    It is what torchvision builds for pretrained weights; a state dict of it lacks
    ``num_batches_tracked``.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, FrozenBatchNorm2d(child.num_features, eps=child.eps))
        else:
            freeze_norms(child)


def load(model: nn.Module, state: State, origin: str) -> None:
    """Load weights into a model.

    Args:
        model: the model; if its BatchNorm2d should be frozen ones for `state`, they become so. It
            is of no use after an error.
        state: the weights, named as the model's or beneath a prefix.
        origin: where they come from, for the error.

    Raises:
        WeightsError: they do not fit; says why, by cause.
    """
    found = _loaded(model, state)
    if found:
        raise WeightsError(
            f"{origin} does not fit the model: {'; '.join(each.sentence() for each in found)}"
        )


def misfits(model: nn.Module, state: State) -> tuple[Finding, ...]:
    """Return why weights do not fit a model, by cause; the model is left as it is.

    Args:
        model: the model; a copy of it without numbers is loaded.
        state: the weights, named as the model's or beneath a prefix.
    """
    return _loaded(copy.deepcopy(model).to("meta"), state)


def _loaded(model: nn.Module, state: State) -> tuple[Finding, ...]:
    """Load what fits, and return why the rest does not."""
    if not any(name.endswith("num_batches_tracked") for name in state):
        freeze_norms(model)
    own = model.state_dict()
    state = fit.under(state, own)
    odd = set(fit.reshaped(state, own))
    # Modules translate old names while they load, so only now is it clear what is left over.
    fitting = {name: value for name, value in state.items() if name not in odd}
    missing, unexpected = model.load_state_dict(fitting, strict=False)
    return fit.causes(state, own, [n for n in missing if n not in odd], unexpected)
