"""What is recorded of the modules themselves, apart from their calls."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from tracer.capture.sources import Sources
from tracer.errors import InputError
from tracer.record import Module, Source, Value

# Which line created a module, for modules whose construction was recorded in this process.
built_at: weakref.WeakKeyDictionary[nn.Module, tuple[str, int]] = weakref.WeakKeyDictionary()

_SETTINGS = (
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "output_size",
    "sampling_ratio",
    "inplace",
    "p",
    "eps",
    "in_features",
    "out_features",
)


def require_hookable(model: Any) -> None:
    """Refuse what hooks cannot see into.

    Raises:
        InputError: not a module; a scripted or compiled module, in it or itself; `DataParallel`
            over several devices.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"a Recorder takes nn.Module objects; found {type(model).__name__}")
    if isinstance(model, nn.DataParallel) and len(model.device_ids) > 1:
        raise InputError(
            f"DataParallel copies the model to {len(model.device_ids)} devices and runs the "
            "copies in threads; trace model.module instead"
        )
    for name, module in model.named_modules():
        where = f"its part {name!r}" if name else "the model"
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"{where} is a scripted module ({type(module).__name__}), which runs outside "
                "Python; trace the model from before torch.jit.script or torch.jit.trace"
            )
        if type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None:
            raise InputError(
                f"{where} is compiled (torch.compile), which replaces the calls that hooks see; "
                "trace the model from before compiling (model._orig_mod)"
            )


def paths_of(models: Iterable[nn.Module]) -> dict[int, str]:
    """Dotted path by `id` of every module; with several models each path begins with its index."""
    models = tuple(models)
    found: dict[int, str] = {}
    for i, model in enumerate(models):
        for name, module in model.named_modules():
            path = name if len(models) == 1 else f"{i}.{name}".rstrip(".")
            found.setdefault(id(module), path)
    return found


def tensor_names(models: Iterable[nn.Module]) -> dict[int, str]:
    """Dotted name by `id` of every parameter and buffer."""
    found: dict[int, str] = {}
    for model in models:
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            found.setdefault(id(tensor), name)
    return found


def own_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield a module's own parameters and buffers, by their names in it."""
    for held in (module._parameters, module._buffers):
        yield from ((name, tensor) for name, tensor in held.items() if tensor is not None)


def describe(
    models: Iterable[nn.Module],
    sources: Sources,
    tensor: Callable[[torch.Tensor], Value | None] = lambda tensor: None,
) -> dict[str, Module]:
    """Describe every module that the models have now, by path: a pass may make or replace some.

    Args:
        models: what is recorded.
        sources: which code is traced.
        tensor: what is known of a parameter or buffer.
    """
    models = tuple(models)
    paths = paths_of(models)
    seen: set[int] = set()
    parameters: dict[int, dict[int, nn.Parameter]] = {}
    found = {}
    for model in models:
        _parameters_beneath(model, parameters)
        for module in model.modules():
            path = paths.get(id(module))
            if path is not None:
                beneath = parameters[id(module)].values()
                found[path] = _describe(path, module, beneath, paths, sources, seen, tensor)
    return found


def _parameters_beneath(
    module: nn.Module, found: dict[int, dict[int, nn.Parameter]]
) -> dict[int, nn.Parameter]:
    """Add to `found`, by `id` of each module from here down, its parameters and those beneath it.

    Each parameter counts once, however often it is shared; one pass over the model, where
    `nn.Module.parameters` would walk down again from every module.
    """
    if id(module) not in found:
        beneath = found[id(module)] = {id(p): p for p in _own_parameters(module)}
        for child in module._modules.values():
            if child is not None:
                beneath.update(_parameters_beneath(child, found))
    return found[id(module)]


def _own_parameters(module: nn.Module) -> list[nn.Parameter]:
    lazy = nn.parameter.UninitializedParameter
    return [p for p in module._parameters.values() if p is not None and not isinstance(p, lazy)]


def _describe(
    path: str,
    module: nn.Module,
    beneath: Collection[nn.Parameter],
    paths: Mapping[int, str],
    sources: Sources,
    seen: set[int],
    tensor: Callable[[torch.Tensor], Value | None],
) -> Module:
    known = ((name, tensor(each)) for name, each in own_tensors(module))
    own = [p for p in _own_parameters(module) if id(p) not in seen]
    seen.update(id(p) for p in own)
    children = [(n, paths.get(id(c), n)) for n, c in module._modules.items() if c is not None]
    # A child that is None is printed, though it is no module: then, too, the text has to be kept.
    custom = type(module).__repr__ is not nn.Module.__repr__ or None in module._modules.values()
    return Module(
        path=path,
        type=module._get_name(),
        extra=_safely(module.extra_repr),
        custom_repr=_safely(module.__repr__) if custom else "",
        children=tuple(children),
        params=sum(p.numel() for p in beneath),
        trainable=sum(p.numel() for p in beneath if p.requires_grad),
        own_params=sum(p.numel() for p in own),
        own_trainable=sum(p.numel() for p in own if p.requires_grad),
        settings=_settings(module),
        built_at=_built_at(module, sources),
        training=module.training,
        tensors=tuple((name, value) for name, value in known if value is not None),
    )


def _built_at(module: nn.Module, sources: Sources) -> Source | None:
    place = built_at.get(module)
    return sources.place(*place) if place is not None else None


def _safely(text: Any) -> str:
    """Text that a user's own method makes; its failure must not end the recording."""
    try:
        return str(text())
    except Exception as error:
        return f"<{type(error).__name__} in {text.__qualname__}>"


def _settings(module: nn.Module) -> tuple[tuple[str, str], ...]:
    found = []
    own = vars(module)
    for name in _SETTINGS:
        if name not in own:
            continue
        value = own[name]
        if isinstance(value, (tuple, list)) and value and all(type(v) is int for v in value):
            found.append((name, "×".join(str(v) for v in value)))
        elif isinstance(value, (int, float, str)):
            found.append((name, str(value)))
    return tuple(found)
