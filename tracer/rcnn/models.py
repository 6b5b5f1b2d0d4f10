"""Detectors by name: torchvision's own, and Faster R-CNN on an FPN over each of its ResNets.

Weights are torchvision's (by enum name), a checkpoint file's, the project's own small ones
(``"demo"``), or random from a seed. Nothing is downloaded unless it is asked for by name.
"""

from __future__ import annotations

import inspect
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torchvision import models as zoo
from torchvision.models import WeightsEnum
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from tracer.errors import InputError, MissingError, WeightsError, near
from tracer.rcnn import checkpoint
from tracer.rcnn.classes import classes_of

DEFAULT = "fasterrcnn_resnet50_fpn"

DETECTORS: tuple[str, ...] = tuple(zoo.list_models(module=zoo.detection))

RESNETS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)

# What resnet_fpn_backbone takes and torchvision's own fasterrcnn_resnet50_fpn does not.
FPN_OPTIONS = {"trainable_layers", "returned_layers", "extra_blocks", "norm_layer"}

# The choices for two of them that have names here, so that a command line can make them.
NORM_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "BatchNorm2d": nn.BatchNorm2d,
    "FrozenBatchNorm2d": FrozenBatchNorm2d,
}
EXTRA_BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "LastLevelMaxPool": LastLevelMaxPool,
    "LastLevelP6P7": partial(LastLevelP6P7, 256, 256),
}

# Whose published weights expect a FrozenBatchNorm2d that adds nothing to the variance.
ZERO_EPS = {
    "fasterrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
}

Builder = Callable[..., nn.Module]
Made = TypeVar("Made")


def names() -> tuple[str, ...]:
    """Return every model name that `build` knows."""
    return tuple(dict.fromkeys((*DETECTORS, *(f"fasterrcnn_{net}_fpn" for net in RESNETS))))


def build(
    name: str = DEFAULT,
    weights: str | Path | WeightsEnum | None = None,
    *,
    seed: int | None = 0,
    download: bool = True,
    **options: Any,
) -> nn.Module:
    """Build a detector, in training mode as torchvision does.

    Of one with published weights, the attribute ``classes`` has the classes' names.

    Args:
        name: one of `names`.
        weights: a torchvision weights name (``"COCO_V1"``, ``"DEFAULT"``, or with its enum's name
            in front) or member; the path of a checkpoint, whose class count is read from it;
            ``"demo"``; or None for random ones.
        seed: of the random weights. The caller's random state is left as it was; None draws
            from it instead.
        download: whether published weights that are not on this machine are fetched.
        **options: torchvision's keywords for this model (``num_classes``, ``min_size``,
            ``weights_backbone``, …; ``pretrained`` and ``pretrained_backbone`` as of old). For
            Faster R-CNN on a ResNet also those of `resnet_fpn`.

    Raises:
        MissingError: unknown `name`.
        WeightsError: unknown, unreachable, damaged or unfitting weights.
        InputError: an option that the model does not take.
    """
    weights = _legacy(weights, options)
    if weights == "demo":
        return _demo(name, options)
    if _is_path(name, weights):
        return _from_file(name, Path(str(weights)), options)
    builder, keywords = recipe(name, weights, **options)
    if not download:
        _require_stored(keywords.get("weights") or keywords.get("weights_backbone"))
    model = make(builder, keywords, seed=seed)
    if weights is not None:
        _name_classes(model, name)
    return model


def recipe(
    name: str = DEFAULT, weights: str | WeightsEnum | None = None, **options: Any
) -> tuple[Builder, dict[str, Any]]:
    """Return the builder of a model and the keywords to call it with, without calling it.

    Arguments and errors are those of `build`, but for weights from a file and ``"demo"``.
    """
    if name not in names():
        raise MissingError(f"there is no model {name!r}{near(name, names()) or _listed(names())}")
    weights = _legacy(weights, options)
    if is_from_file(name, weights):
        raise WeightsError(
            f"a construction is recorded without weights from a file: leave {str(weights)!r} out"
        )
    _name_parts(options)
    if weights is not None and "trainable_layers" in options:
        options["trainable_backbone_layers"] = options.pop("trainable_layers")
    backbone = backbone_of(name)
    options["weights_backbone"] = _member(backbone, options.get("weights_backbone"))
    if name in DETECTORS and not (name == DEFAULT and FPN_OPTIONS & set(options)):
        builder = zoo.get_model_builder(name)
        options["weights"] = _member(name, weights)
    elif weights is None:
        builder = resnet_fpn
        options["backbone"] = backbone
    else:
        raise WeightsError(_unpublished(name, str(weights)))
    _check_options(name, builder, options)
    return builder, options


def make(builder: Callable[..., Made], keywords: dict[str, Any], seed: int | None = 0) -> Made:
    """Call a builder, or what records one, with random weights from `seed`.

    Raises:
        WeightsError: weights that cannot be downloaded or are damaged; says what to do.
        InputError: options that do not go together.
    """
    member = keywords.get("weights") or keywords.get("weights_backbone")
    with seeded(seed), _explained(member):
        return builder(**keywords)


def resnet_fpn(
    backbone: str,
    *,
    weights_backbone: WeightsEnum | None = None,
    num_classes: int = 91,
    trainable_layers: int | None = None,
    returned_layers: list[int] | None = None,
    extra_blocks: nn.Module | None = None,
    norm_layer: Callable[..., nn.Module] | None = None,
    **options: Any,
) -> FasterRCNN:
    """Build Faster R-CNN over torchvision's ``resnet_fpn_backbone``.

    Args:
        backbone: one of `RESNETS`.
        weights_backbone: the ResNet's ImageNet weights, or None for random ones.
        num_classes: classes, background included.
        trainable_layers: how many of ``layer4``, ``layer3``, ``layer2``, ``layer1``, ``conv1`` are
            not frozen, 0–5; by default 3 with weights and 5 without.
        returned_layers: which of the four layers feed the pyramid, 1–4; all by default.
        extra_blocks: what adds levels on top; a max pool (P6) by default. To `build` and `recipe`
            also a name of `EXTRA_BLOCKS`.
        norm_layer: FrozenBatchNorm2d by default with weights, BatchNorm2d without, as torchvision's
            own builders have it. To `build` and `recipe` also a name of `NORM_LAYERS`.
        **options: torchvision's keywords for ``FasterRCNN``. Where the levels are not the usual
            five, fitting anchors and RoI pooling are made, unless given here.
    """
    pretrained = weights_backbone is not None
    body = resnet_fpn_backbone(
        backbone_name=backbone,
        weights=weights_backbone,
        norm_layer=norm_layer or (FrozenBatchNorm2d if pretrained else nn.BatchNorm2d),
        trainable_layers=(3 if pretrained else 5) if trainable_layers is None else trainable_layers,
        returned_layers=returned_layers,
        extra_blocks=extra_blocks,
    )
    if returned_layers is not None or extra_blocks is not None:
        options = {**_fitting(returned_layers or [1, 2, 3, 4], extra_blocks, options), **options}
    return FasterRCNN(body, num_classes, **options)


def _fitting(
    layers: list[int], extra_blocks: nn.Module | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return anchors and pooling that match the pyramid's levels.

    Anchors keep torchvision's rule of 8 times the level's stride, one size per level.
    """
    extra = {type(None): 1, LastLevelMaxPool: 1, LastLevelP6P7: 2}.get(type(extra_blocks))
    if extra is None and "rpn_anchor_generator" not in options:
        raise InputError(
            f"how many levels {type(extra_blocks).__name__} adds is not known: "
            "pass rpn_anchor_generator too, with one tuple of sizes per level"
        )
    made: dict[str, Any] = {
        "box_roi_pool": MultiScaleRoIAlign([str(i) for i in range(len(layers))], 7, 2)
    }
    if extra is not None:
        strides = [2 ** (layer + 1) for layer in layers]
        strides += [strides[-1] * 2 ** (i + 1) for i in range(extra)]
        sizes = tuple((8 * stride,) for stride in strides)
        made["rpn_anchor_generator"] = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    return made


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw CPU random numbers from `seed` within, and put the caller's random state back after.

    Models are built on the CPU: the generators of other devices are not touched at all.
    """
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Set eval mode within, and put every module's own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def backbone_of(name: str) -> str:
    """Return the name of the classification model that a detector is built on."""
    found: str = max((net for net in zoo.list_models() if f"_{net}" in f"{name}_"), key=len)
    return found


def categories(name: str) -> tuple[str, ...]:
    """Return the class names of torchvision's published weights of a model, by label; or none."""
    if name not in DETECTORS:
        return ()
    return tuple(zoo.get_model_weights(name).DEFAULT.meta["categories"])


def _name_classes(model: nn.Module, name: str) -> None:
    """Keep the class names of published weights with the model, for whoever records it."""
    found = categories(name)
    if len(found) == classes_of(model):
        model.classes = found  # type: ignore[assignment]


def _name_parts(options: dict[str, Any]) -> None:
    """Put the norm layer and extra blocks in the place of their names."""
    for option, known in (("norm_layer", NORM_LAYERS), ("extra_blocks", EXTRA_BLOCKS)):
        name = options.get(option)
        if isinstance(name, str):
            if name not in known:
                hint = near(name, known) or f"; there is {_listed(known)}"
                raise InputError(f"there is no {option} {name!r}{hint}")
            options[option] = EXTRA_BLOCKS[name]() if option == "extra_blocks" else known[name]


_WORDS = {"backbone", "weights", "weights_backbone"}  # options that may be a word here
_PIXELS = {"min_size", "max_size"}


def _check_options(name: str, builder: Builder, options: dict[str, Any]) -> None:
    """Raise InputError for an option that nothing takes (torchvision ignores some), or a word."""
    model_class = inspect.signature(builder, eval_str=True).return_annotation
    takers = (builder, model_class, GeneralizedRCNNTransform)
    known = {option for taker in takers for option in inspect.signature(taker).parameters}
    for option in options:
        if option not in known - {"kwargs", "options"}:
            raise InputError(f"{name} takes no option {option!r}{near(option, known)}")
        value = options[option]
        parts = value if isinstance(value, (list, tuple)) else (value,)
        if option not in _WORDS and any(isinstance(part, str) for part in parts):
            raise InputError(f"{option} takes a number or several; found {value!r}")
        if option in _PIXELS and not all(part >= 1 for part in parts):
            raise InputError(f"{option} is a number of pixels from 1; found {value!r}")
    if options.get("num_classes") is not None and options["num_classes"] < 1:
        raise InputError("num_classes counts the background too: it is at least 1")


def _legacy(weights: Any, options: dict[str, Any]) -> Any:
    """Translate ``pretrained`` and ``pretrained_backbone``, taking them out of `options`."""
    if options.pop("pretrained", False) and weights is None:
        weights = "COCO_V1"
    if options.pop("pretrained_backbone", False):
        options.setdefault("weights_backbone", "IMAGENET1K_V1")
    return weights


def _member(name: str, weights: str | WeightsEnum | None) -> WeightsEnum | None:
    """Return the weights of the model `name` that `weights` names."""
    known = zoo.get_model_weights(name)
    if weights is None or isinstance(weights, known):
        return weights
    if isinstance(weights, WeightsEnum):
        raise WeightsError(f"{weights} are not weights of {name}; it has {_listed(known)}")
    short = weights.removeprefix(f"{known.__name__}.")
    if short in known.__members__:
        return known[short]
    hint = near(short, known.__members__) or f"; it has {_listed(known.__members__)}"
    raise WeightsError(f"{name} has no weights {weights!r}{hint}")


def _listed(known: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in known)


def _unpublished(name: str, weights: str) -> str:
    return (
        f"torchvision publishes no weights {weights!r} for {name} built like this: take those of "
        "the backbone alone (weights_backbone='IMAGENET1K_V1') or a checkpoint file"
    )


def is_from_file(name: str, weights: str | WeightsEnum | None) -> bool:
    """Whether these weights fill a model once it is built, instead of by its builder."""
    return weights == "demo" or _is_path(name, weights)


def classes_in_file(name: str, weights: str, **options: Any) -> dict[str, int]:
    """Return ``num_classes`` of weights from a file or ``"demo"``; nothing where they do not tell.

    Arguments and errors are those of `build`.
    """
    if weights == "demo":
        from tracer.rcnn.demo import CLASSES

        return {"num_classes": len(CLASSES)}
    return _classes_of(checkpoint.read(Path(weights)), name, options)


def _classes_of(state: checkpoint.State, name: str, options: dict[str, Any]) -> dict[str, int]:
    outline = {**options, "num_classes": 1, "weights_backbone": None}
    count = checkpoint.class_count(state, lambda: build(name, **outline))
    return {} if count is None else {"num_classes": count}


def _is_path(name: str, weights: Any) -> bool:
    """Whether `weights` means a file: not a known name, but like a path or there."""
    if weights is None or isinstance(weights, WeightsEnum):
        return False
    path = Path(weights)
    if isinstance(weights, Path) or path.suffix in (".pth", ".pt", ".bin", ".safetensors"):
        return True
    known = zoo.get_model_weights(name).__members__ if name in DETECTORS else {}
    return str(weights) not in known and (len(path.parts) > 1 or path.exists())


def _from_file(name: str, path: Path, options: dict[str, Any]) -> nn.Module:
    """Build what torchvision builds for trained weights, and fill it from a checkpoint."""
    state = checkpoint.read(path)
    for finding in checkpoint.spoiled(state):
        warnings.warn(f"{str(path)!r}: {finding.sentence()}", stacklevel=3)
    options.pop("weights_backbone", None)
    trainable = _trainable(options)
    if "num_classes" not in options:
        options |= _classes_of(state, name, options)
    model = build(name, **options)
    checkpoint.load(model, state, f"{str(path)!r}")
    _freeze(model, trainable)
    if path.name in _published(name).values():
        _name_classes(model, name)
        if name in ZERO_EPS and path.name == _published(name)["COCO_V1"]:
            _set_eps(model, 0.0)
    return model


def _published(name: str) -> dict[str, str]:
    """Return the file names of torchvision's weights of a model, by member."""
    if name not in DETECTORS:
        return {}
    return {member.name: Path(member.url).name for member in zoo.get_model_weights(name)}


def _trainable(options: dict[str, Any]) -> int:
    """Take out of the options how many of the backbone's layers stay trainable."""
    given = [options.pop(f"trainable_{kind}", None) for kind in ("layers", "backbone_layers")]
    layers = next((n for n in given if n is not None), 3)
    if layers not in range(6):
        raise InputError(f"trainable_layers are 0 to 5; found {layers!r}")
    return layers


def _freeze(model: nn.Module, trainable: int) -> None:
    """Freeze a ResNet's first layers as torchvision does with trained weights; others stay."""
    layers = ["layer4", "layer3", "layer2", "layer1", "conv1", "bn1"]
    kept = layers if trainable == 5 else layers[:trainable]
    for path, parameter in model.named_parameters():
        name = path.removeprefix("backbone.body.")
        if name != path and name.split(".")[0] in set(layers) - set(kept):
            parameter.requires_grad_(False)


def _set_eps(model: nn.Module, eps: float) -> None:
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps


def _demo(name: str, options: dict[str, Any]) -> nn.Module:
    from tracer.rcnn.demo.weights import demo_model

    if name != DEFAULT:
        raise WeightsError(f"the demo weights are of {DEFAULT}, not of {name!r}")
    trainable = _trainable(options)
    _check_options(name, demo_model, options)
    model = make(demo_model, options, seed=None).train()
    _freeze(model, trainable)
    found: nn.Module = model
    return found


@contextmanager
def _explained(member: WeightsEnum | None) -> Iterator[None]:
    """Turn what a builder raises into one sentence."""
    try:
        yield
    except (OSError, HTTPException) as error:
        if member is None:
            raise
        raise WeightsError(_unreachable(member, error)) from error
    except (TypeError, ValueError, AssertionError) as error:
        raise InputError(f"this model cannot be built so: {error}") from error
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        if member is None:
            raise
        raise WeightsError(_damaged(member, error)) from error


def cached(member: WeightsEnum) -> Path:
    """Return where torchvision keeps the file of these weights once it is downloaded."""
    return Path(torch.hub.get_dir(), "checkpoints", Path(member.url).name)


def _require_stored(member: WeightsEnum | None) -> None:
    """Refuse published weights whose file would have to be fetched first."""
    if member is not None and not cached(member).exists():
        size = member.meta.get("_file_size")
        raise WeightsError(
            f"the weights {member} are not on this machine: fetch them once with download=True"
            f"{f' ({size:.0f} MB)' if size else ''}, or put {member.url} at "
            f"{str(cached(member))!r} by other means"
        )


def _unreachable(member: WeightsEnum, error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return (
        f"the weights {member} are not on this machine and could not be downloaded ({reason}): "
        f"connect once, or put {member.url} at {str(cached(member))!r} by other means, or go "
        "without weights for random ones"
    )


def _damaged(member: WeightsEnum, error: Exception) -> str:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return (
        f"the weights {member} cannot be loaded ({reason}): if {str(cached(member))!r} is there, "
        "delete it and try again"
    )
