"""Weights in files: read a checkpoint without running any of it, and load it into a model."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from tracer.errors import WeightsError

State = Mapping[str, Tensor]

# The keys under which training scripts wrap a model's weights.
WRAPPERS = ("model", "state_dict", "model_state_dict")

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

    Args:
        path: a ``.safetensors`` file, or what ``torch.save`` wrote of a state dict, bare or under
            one of `WRAPPERS`. Only tensors and plain containers are unpickled, never code.

    Raises:
        WeightsError: no such file, not a checkpoint, or no weights in it.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint file {str(path)!r}")
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except MemoryError:
        raise
    except Exception as error:  # both readers raise many kinds on a file that is not theirs
        raise WeightsError(_unreadable(path, error)) from error
    return _state(content, path)


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(path)


def _read_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _unreadable(path: Path, error: Exception) -> str:
    reason = "it holds more than weights" if _is_refused(error) else type(error).__name__
    return (
        f"{str(path)!r} cannot be read as a checkpoint ({reason}): write one with "
        "torch.save(model.state_dict(), path) or safetensors.torch.save_file"
    )


def _is_refused(error: Exception) -> bool:
    """Whether the file is a real pickle that names code, which is not loaded."""
    return isinstance(error, pickle.UnpicklingError) and "nsupported" in str(error)


def _state(content: Any, path: Path) -> State:
    """Find the weights in what a file held, without the prefix that DataParallel adds."""
    if isinstance(content, Mapping):
        for name in WRAPPERS:
            if isinstance(content.get(name), Mapping):
                content = content[name]
                break
    weights = content if isinstance(content, Mapping) else {}
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise WeightsError(
            f"{str(path)!r} holds no weights: expected tensors by name, bare or under "
            f"{' or '.join(repr(name) for name in WRAPPERS)}"
        )
    if all(name.startswith("module.") for name in weights):
        return {name.removeprefix("module."): value for name, value in weights.items()}
    return weights


def class_count(state: State, outline: Callable[[], nn.Module]) -> int | None:
    """Return how many classes, background included, a checkpoint tells apart.

    Args:
        state: the checkpoint's weights.
        outline: builds the model that is meant, with a single class. It is built without memory,
            to learn how many rows of the class layer one class has.

    Returns:
        The count, or None if the checkpoint has no class layer that is known.
    """
    name = next((name for name in CLASS_LAYERS if name in state), None)
    if name is None or not state[name].ndim:
        return None
    with torch.device("meta"):
        rows = dict(outline().named_parameters()).get(name)
    return None if rows is None else state[name].shape[0] // rows.shape[0] or None


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
    """Load weights into a model, all of them or none.

    Args:
        model: the model; if its BatchNorm2d should be frozen ones for `state`, they become so.
        state: the weights.
        origin: where they come from, for the error.

    Raises:
        WeightsError: they belong to another architecture; names the first difference.
    """
    if not any(name.endswith("num_batches_tracked") for name in state):
        freeze_norms(model)
    own = model.state_dict()
    for name, value in state.items():
        if name in own and value.shape != own[name].shape:
            raise WeightsError(
                f"{origin} is of another architecture: {name} is {_size(value)} there and "
                f"{_size(own[name])} in this model"
            )
    # Modules translate old names while they load, so only now is it clear what is left over.
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing or unexpected:
        parts = [_some("lacks", missing), _some("has in excess", unexpected)]
        raise WeightsError(
            f"{origin} is of another architecture: it {' and '.join(p for p in parts if p)}"
        )


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _some(verb: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{verb} {names[0]}{more}"
