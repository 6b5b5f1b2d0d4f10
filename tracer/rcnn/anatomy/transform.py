"""From the images as given to the padded batch: sizes, scales, padding and pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tracer.errors import NotRecorded
from tracer.rcnn.anatomy.geometry import ORIGINAL, RESIZED, Boxes
from tracer.rcnn.anatomy.reading import Pass, plain
from tracer.record import Value

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Picture:
    """One image on its way through the transform. Sizes are (height, width) in pixels.

    Attributes:
        index: its place in the batch.
        original_size: as it was given.
        resized_size: after resizing, before padding.
        padded_size: of the batch.
        min_size, max_size: what the transform asks of the shorter and the longer side.
        mean, std: per channel; ``normalised = (original - mean) / std``.
        targets: the targets' boxes in original pixels, None if no targets were given.
        resized_targets: the same in resized pixels.
        target_labels: int64 [M] class of each target; None if not recorded.
    """

    index: int
    original_size: Size
    resized_size: Size
    padded_size: Size
    min_size: int | None
    max_size: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    targets: Boxes | None
    resized_targets: Boxes | None
    target_labels: np.ndarray | None
    _states: dict[str, Value | None] = field(repr=False)
    _pass: Pass = field(repr=False)

    @property
    def scale(self) -> tuple[float, float]:
        """Resized over original, (vertical, horizontal): each side is rounded by itself."""
        return (
            self.resized_size[0] / self.original_size[0],
            self.resized_size[1] / self.original_size[1],
        )

    @property
    def padding(self) -> Size:
        """Zeros added below and to the right, (rows, columns)."""
        return (
            self.padded_size[0] - self.resized_size[0],
            self.padded_size[1] - self.resized_size[1],
        )

    @property
    def batch(self) -> np.ndarray:
        """Normalised and padded, float32 [3, H, W]: what the backbone sees.

        Raises:
            MissingError: the batch was not kept.
        """
        found: np.ndarray = self._pass.array(self._states["batch"], "the batch")[self.index]
        return found

    @property
    def resized(self) -> np.ndarray:
        """Normalised and resized, float32 [3, h, w].

        Raises:
            MissingError: the batch was not kept.
        """
        height, width = self.resized_size
        return self.batch[:, :height, :width]

    @property
    def original(self) -> np.ndarray | None:
        """As it was given, float32 [3, h, w] in 0–1; None unless it was kept."""
        return self._pass.maybe(self._states["original"])

    @property
    def normalised(self) -> np.ndarray | None:
        """Normalised, not yet resized, float32 [3, h, w]; None unless it was kept."""
        return self._pass.maybe(self._states["normalised"])

    def rgb(self, padded: bool = False) -> np.ndarray:
        """Undo the normalisation: float32 [h, w, 3] in 0–1, at the resized (or padded) size.

        Raises:
            MissingError: the batch was not kept.
        """
        values = self.batch if padded else self.resized
        mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (self.mean, self.std))
        picture = np.clip(np.nan_to_num(values * std + mean), 0, 1)
        if padded:
            picture = picture.copy()
            picture[:, self.resized_size[0] :] = 0
            picture[:, :, self.resized_size[1] :] = 0
        found: np.ndarray = picture.transpose(1, 2, 0)
        return found

    def original_rgb(self) -> np.ndarray:
        """The picture in its own pixels, float32 [h, w, 3] in 0–1; resized where it was not kept.

        Raises:
            MissingError: neither the picture nor the batch was kept.
        """
        given = self.original
        if given is None:
            return self.rgb()
        found: np.ndarray = np.clip(np.nan_to_num(given), 0, 1).transpose(1, 2, 0)
        return found

    def to_original(self, boxes: Boxes) -> Boxes:
        """Scale boxes from resized to original pixels, as the post-processing does."""
        return self._rescale(boxes, RESIZED, ORIGINAL, self.resized_size, self.original_size)

    def to_resized(self, boxes: Boxes) -> Boxes:
        """Scale boxes from original to resized pixels, as the transform does with targets."""
        return self._rescale(boxes, ORIGINAL, RESIZED, self.original_size, self.resized_size)

    def _rescale(self, boxes: Boxes, here: str, there: str, old: Size, new: Size) -> Boxes:
        if boxes.pixels != here:
            raise ValueError(f"boxes are in {boxes.pixels} pixels, not in {here} ones")
        ratios = [np.float32(n) / np.float32(o) for n, o in zip(new, old, strict=True)]
        factors = np.asarray([ratios[1], ratios[0]] * 2, np.float32)
        return Boxes(boxes.xyxy * factors, there, new, boxes.image)


def read_pictures(run: Pass) -> tuple[Picture, ...]:
    """Read what the transform did with each image of the batch."""
    call = run.transform
    assert call.result is not None
    batched = call.result[0]
    _, _, height, width = run.shape(batched["tensors"])
    own = call.args.get("self") or _own(run)
    sizes = plain(batched["image_sizes"])
    return tuple(
        _picture(run, i, size, (height, width), batched["tensors"], own)
        for i, size in enumerate(sizes)
    )


def _own(run: Pass) -> Value:
    """The transform's settings, which the arguments of its functions show."""
    path = run.prefix + "transform"
    for name in ("normalize", "resize", "batch_images"):
        for call in run.named("function", f"GeneralizedRCNNTransform.{name}"):
            own = call.args.get("self")
            if own is not None and own.text == path:
                return own
    raise NotRecorded(
        "what the transform did to the pixels is not in the trace, for functions were not recorded",
        grain="op",
    )


def _picture(
    run: Pass, index: int, size: Size, padded: Size, tensors: Value, own: Value
) -> Picture:
    given = run.transform.args["images"][index]
    normalise = run.named("function", "GeneralizedRCNNTransform.normalize", run.transform)
    after = normalise[index].result if index < len(normalise) else None
    _, *original = run.shape(given)
    original_size = (original[0], original[1])
    boxes, resized = _targets(run, index, original_size, size)
    shortest = plain(own["min_size"])
    return Picture(
        index,
        original_size,
        size,
        padded,
        shortest[-1] if isinstance(shortest, tuple) else shortest,
        plain(own["max_size"]),
        plain(own["image_mean"]),
        plain(own["image_std"]),
        boxes,
        resized,
        _labels(run, index),
        {"original": given, "normalised": after, "batch": tensors},
        run,
    )


def _targets(
    run: Pass, index: int, original: Size, resized: Size
) -> tuple[Boxes | None, Boxes | None]:
    """The boxes of the targets before and after; None where there are no targets."""
    given = _target(run.transform.args.get("targets"), index)
    after = None if run.transform.result is None else _target(run.transform.result.get(1), index)
    if given is None or after is None or given.get("boxes") is None:
        return None, None
    before = run.array(given["boxes"], "the targets' boxes")
    scaled = run.array(after["boxes"], "the resized targets' boxes")
    return (
        Boxes(before, ORIGINAL, original, index),
        Boxes(scaled, RESIZED, resized, index),
    )


def _target(targets: Value | None, index: int) -> Value | None:
    if targets is None or targets.kind != "sequence":
        return None
    return targets.get(index)


def _labels(run: Pass, index: int) -> np.ndarray | None:
    given = _target(run.transform.args.get("targets"), index)
    return None if given is None else run.maybe(given.get("labels"))
