"""The packaged checkpoint: written from a training run, checked and expanded at load.

One safetensors file holds the low-rank factors. Each row of a matrix is stored as 8-bit
integers and one scale, which halves the file against half precision; vectors (biases,
BatchNorm's weights and statistics) stay float32. A JSON file beside it holds the digest
and says how the checkpoint was made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FrozenBatchNorm2d

from tracer.errors import InputError, WeightsError
from tracer.files import put
from tracer.rcnn.demo.lowrank import expand, true_model
from tracer.rcnn.demo.scenes import CLASSES, DEMO_SIZE

if TYPE_CHECKING:
    from importlib.abc import Traversable

WEIGHTS_NAME = "weights.safetensors"


def packaged_weights() -> Traversable:
    """Where the installed package keeps the checkpoint."""
    return resources.files("tracer.rcnn.demo") / WEIGHTS_NAME


def demo_model(
    score_thresh: float = 0.05, weights: Path | None = None, **options: Any
) -> FasterRCNN:
    """The demo's detector: the true architecture with trained weights, in eval mode.

    It takes scenes of `DEMO_SIZE` as they are and scales other images to that size. Where time is
    short, the environment variable RCNN_TRACER_MIN_SIZE names a smaller shorter side, in pixels.
    Its attribute ``classes`` has the names of what it finds.

    Args:
        score_thresh: detections below this score are dropped (`box_score_thresh`).
        weights: a checkpoint of `save_weights`, None for the packaged one.
        options: further arguments of torchvision's `FasterRCNN`.

    Raises:
        WeightsError: the checkpoint or its digest is missing, damaged, or of another model.
    """
    state = load_weights(weights)
    settings = {"box_score_thresh": score_thresh, **_sizes(), **options}
    model = _without_memory(**settings)
    try:
        model.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            "the demo weights do not fit fasterrcnn_resnet50_fpn with "
            f"{len(CLASSES)} classes; train them again with `tracer train-demo`."
        ) from error
    model.classes = CLASSES
    return model.eval()


def _sizes() -> dict[str, Any]:
    """How the model resizes: to `DEMO_SIZE`, or as the environment asks.

    Raises:
        InputError: what the environment asks for is no size.
    """
    wanted = os.environ.get("RCNN_TRACER_MIN_SIZE", str(min(DEMO_SIZE)))
    if not wanted.isdecimal() or int(wanted) < 1:
        raise InputError(f"RCNN_TRACER_MIN_SIZE is a number of pixels from 1; found {wanted!r}")
    return {
        "min_size": int(wanted),
        "max_size": round(int(wanted) * max(DEMO_SIZE) / min(DEMO_SIZE)),
    }


def _without_memory(**options: Any) -> FasterRCNN:
    """The true architecture on the meta device: drawing 41 million numbers takes a second."""
    # Anchors are tensors that no state dict brings, so they are made with memory.
    anchors = AnchorGenerator(
        sizes=((32,), (64,), (128,), (256,), (512,)), aspect_ratios=((0.5, 1.0, 2.0),) * 5
    )
    with torch.device("meta"):
        return true_model(FrozenBatchNorm2d, **{"rpn_anchor_generator": anchors} | options)


def load_weights(path: Path | None = None) -> dict[str, Tensor]:
    """Reads, checks and expands a checkpoint to the true architecture's state dict, float32.

    Raises:
        WeightsError: the checkpoint or its digest is missing or damaged.
    """
    file = packaged_weights() if path is None else path
    try:
        content = file.read_bytes()
        expected = read_about(path)["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"cannot read the demo weights {file} and the .json beside them; "
            "install the package again or make them with `tracer train-demo`."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise WeightsError(
            f"the demo weights {file} are damaged: their sha256 is {found[:12]}… and not "
            f"{expected[:12]}…; install the package again."
        )
    try:
        return expand(dequantise(load(content)))
    except (SafetensorError, KeyError) as error:
        raise WeightsError(f"{file} is not a checkpoint of the demo: {error}.") from error


def read_about(path: Path | None = None) -> dict[str, Any]:
    """What the JSON file beside a checkpoint says: `sha256` and how it was made."""
    folder = resources.files("tracer.rcnn.demo") if path is None else path.parent
    name = WEIGHTS_NAME if path is None else path.name
    found: dict[str, Any] = json.loads((folder / _about_name(name)).read_text("utf-8"))
    return found


def save_weights(factors: Mapping[str, Tensor], path: Path, about: Mapping[str, object]) -> str:
    """Writes the factors and, beside them, a JSON file with their digest and `about`.

    Args:
        factors: state dict of a trained model that went through `factorise`.
        path: the checkpoint's file.
        about: how it was trained, JSON's types only.

    Returns:
        The checkpoint's sha256.
    """
    kept = {k: v for k, v in factors.items() if not k.endswith(".num_batches_tracked")}
    content = save(quantise(kept))
    digest = hashlib.sha256(content).hexdigest()
    put(path, content, "weights")
    text = json.dumps({"sha256": digest, **about}, indent=2, ensure_ascii=False)
    put(path.with_name(_about_name(path.name)), text + "\n", "text")
    return digest


def _about_name(name: str) -> str:
    return name.removesuffix(".safetensors") + ".json"


def quantise(factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stores rows of matrices as int8 and `<name>.scale`, float32 [rows]; vectors as they are."""
    stored = {}
    for key, value in factors.items():
        value = value.detach().float().contiguous()
        if value.ndim > 1:
            rows = value.flatten(1)
            scale = rows.abs().amax(1).clamp_min(1e-12) / 127
            stored[f"{key}.scale"] = scale
            value = (rows / scale[:, None]).round().to(torch.int8).reshape(value.shape)
        stored[key] = value
    return stored


def dequantise(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undoes `quantise`, to within half a scale; float32."""
    factors = {}
    for key, value in stored.items():
        if value.dtype == torch.int8:
            scale = stored[f"{key}.scale"]
            factors[key] = value.float() * scale.reshape(-1, *[1] * (value.ndim - 1))
        elif not key.endswith(".scale"):
            factors[key] = value
    return factors
