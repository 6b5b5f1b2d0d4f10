"""What of a model a survey looks at: the detector in it, its levels, its anchors, its stages."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from tracer.capture.fingerprints import Hasher
from tracer.capture.summaries import fingerprint
from tracer.rcnn.model_checks import Maps, generator_of
from tracer.rcnn.probe import backbone_shapes
from tracer.rcnn.stages import detector_at, patterns
from tracer.surveys.data import Subject

SETTINGS = {
    "score_thresh": "roi_heads.score_thresh",
    "nms_thresh": "roi_heads.nms_thresh",
    "detections_per_img": "roi_heads.detections_per_img",
    "rpn_nms_thresh": "rpn.nms_thresh",
    "rpn_score_thresh": "rpn.score_thresh",
    "fg_iou_thresh": "rpn.proposal_matcher.high_threshold",
    "bg_iou_thresh": "rpn.proposal_matcher.low_threshold",
    "max_size": "transform.max_size",
}
"""What results depend on beside the weights, and where a detector has it."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A model, and what of it is a detector.

    Attributes:
        model: the whole.
        prefix: the detector's path with a dot behind it; ``""`` for the root, None for no detector.
        detector: that part.
    """

    model: nn.Module
    prefix: str | None
    detector: Any

    @property
    def kind(self) -> str:
        """``"two-stage"``, ``"one-stage"`` or ``"other"``."""
        if self.detector is None:
            return "other"
        return "two-stage" if hasattr(self.detector, "roi_heads") else "one-stage"

    @property
    def generator(self) -> Any:
        """What lays anchors out; None where there is none of torchvision's kind."""
        return None if self.detector is None else generator_of(self.detector)

    @property
    def matcher(self) -> Any:
        """What says which anchors are positive; None where it is of another kind."""
        rpn = getattr(self.detector, "rpn", self.detector)
        found = getattr(rpn, "proposal_matcher", None)
        return found if hasattr(found, "high_threshold") else None

    def path(self, name: str) -> str:
        """Return the path of a part of the detector."""
        return f"{self.prefix}{name}"


def parts_of(model: nn.Module) -> Parts:
    """Find the detector in a model."""
    prefix = detector_at(dict(model.named_modules()))
    detector = None if prefix is None else model.get_submodule(prefix.removesuffix("."))
    return Parts(model, prefix, detector)


def stages_of(parts: Parts) -> dict[str, str]:
    """Return the stage of each module that begins one, by path.

    A detector's are named as in a recording; another model's are its children.
    """
    paths = [path for path, _ in parts.model.named_modules() if path]
    found: Any = patterns(dict.fromkeys(paths), "pass")  # type: ignore[arg-type]
    if found is None:
        return {path: path for path in paths if "." not in path}
    stages: dict[str, str] = {}
    for path in paths:
        name = next((name for p, name in found if fnmatch.fnmatchcase(path, p)), None)
        if name is not None and not any(path.startswith(f"{other}.") for other in stages):
            stages[path] = name
    return stages


def levels_of(maps: Maps) -> tuple[str, ...]:
    """Return the names of the maps that anchors lie on: those of the pyramid where it is known.

    Args:
        maps: what the backbone makes of 256 × 256 pixels.
    """
    names = []
    for key, shape in maps.items():
        step = 256 / shape[-1] if shape[-1] else 0
        power = np.log2(step) if step else -1.0
        names.append(f"P{int(power)}" if power == int(power) > 0 else key)
    return tuple(names) if len(set(names)) == len(names) else tuple(maps)


def laid_anchors(
    generator: Any, batch: tuple[int, int], grids: tuple[tuple[int, int], ...]
) -> Tensor:
    """Return the anchors of a picture, float32 [A, 4] in resized pixels, as the model lays them.

    Args:
        generator: torchvision's ``AnchorGenerator``.
        batch: height and width of the padded batch in pixels.
        grids: of each level the map's rows and columns.
    """
    device = generator.cell_anchors[0].device
    maps = [torch.empty((1, 1, 1, 1), device=device).expand(1, 1, *grid) for grid in grids]
    pictures = ImageList(torch.empty((1, 1, 1, 1), device=device).expand(1, 1, *batch), [batch])
    found: Tensor = generator(pictures, maps)[0]
    return found


def subject_of(parts: Parts, classes: tuple[str, ...] = (), static: bool = False) -> Subject:
    """Describe what is surveyed."""
    stages = () if static else tuple(dict.fromkeys(stages_of(parts).values()))
    generator = parts.generator
    maps: Maps = {}
    if parts.detector is not None:
        maps = backbone_shapes(parts.detector, (1, 3, 256, 256))
    levels = levels_of(maps)
    base: tuple[tuple[tuple[float, ...], ...], ...] = ()
    if generator is not None:
        base = tuple(tuple(map(tuple, each.tolist())) for each in generator.cell_anchors)
        if len(levels) != len(base):
            levels = tuple(str(at) for at in range(len(base)))
    return Subject(
        type(parts.model).__name__,
        parts.kind,
        weights_fingerprint(parts.model),
        classes,
        levels,
        _pooled(parts, maps, levels),
        (*stages, "rest") if stages else (),
        _settings(parts),
        static,
        base,
        {path: type(each).__name__ for path, each in parts.model.named_modules()},
    )


def _pooled(parts: Parts, maps: Maps, levels: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the levels that RoIs are pooled from."""
    pool = getattr(getattr(parts.detector, "roi_heads", None), "box_roi_pool", None)
    names = getattr(pool, "featmap_names", None)
    if names is None:
        return ()
    place = dict(zip(maps, levels, strict=False))
    return tuple(place.get(name, name) for name in names)


def _settings(parts: Parts) -> dict[str, float | int | str | None]:
    found: dict[str, float | int | str | None] = {}
    for name, path in SETTINGS.items():
        value: Any = parts.detector
        for step in path.split("."):
            value = getattr(value, step, None)
        if isinstance(value, (int, float)):
            found[name] = value
    transform = getattr(parts.detector, "transform", None)
    if transform is not None:
        found["min_size"] = int(transform.min_size[-1])
    for when in ("pre", "post"):
        count = getattr(getattr(parts.detector, "rpn", None), f"{when}_nms_top_n", None)
        if callable(count):
            found[f"rpn_{when}_nms_top_n"] = int(count())
    return found


def weights_fingerprint(model: nn.Module) -> str:
    """Return what changes with a model's weights and buffers: a fingerprint of all of theirs."""
    hasher = Hasher()
    for name, kept in model.state_dict().items():
        own = fingerprint(kept) if isinstance(kept, Tensor) else ""
        hasher.update(f"{name} {own}\n".encode())
    return str(hasher.hexdigest())


def norms_of(model: nn.Module) -> dict[str, np.ndarray]:
    """Return each batch norm's own mean and variance, by path, float64 [2, C]."""
    found = {}
    for path, module in model.named_modules():
        mean, var = getattr(module, "running_mean", None), getattr(module, "running_var", None)
        if isinstance(mean, Tensor) and isinstance(var, Tensor):
            found[path] = torch.stack([mean, var]).double().cpu().numpy()
    return found
