"""Feature maps: where each came from, and its values or its small picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tracer.errors import MissingError, option
from tracer.rcnn.anatomy.geometry import Cells
from tracer.rcnn.anatomy.reading import Pass, kept_by
from tracer.record import Call, TensorSummary, Value


@dataclass(frozen=True, eq=False)
class Plane:
    """One channel of a feature map, or the mean over all, of one image.

    Attributes:
        values: float32 [h, w].
        step: it shows every `step`-th row and column of the map.
        exact: False where it was read from an 8-bit preview.
    """

    values: np.ndarray
    step: int = 1
    exact: bool = True


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """A feature map of the padded batch.

    Attributes:
        name: ``"C4"``, ``"P4"``, or what it is (``"lateral"``).
        path: the call that made it, ``"backbone.fpn.layer_blocks.2#0"``.
        shape: [N, C, H, W].
        stride: pixels of the padded batch per cell, (vertical, horizontal).
        state: index into `Trace.tensors`.
        keep: the pattern for ``keep=`` that keeps its values.

    A level that only takes every second cell of another (P6 of P5) has its values from there.
    """

    name: str
    path: str
    shape: tuple[int, int, int, int]
    stride: tuple[float, float]
    state: int
    keep: str
    _pass: Pass = field(repr=False)
    _pooled_from: FeatureMap | None = field(default=None, repr=False)

    @property
    def summary(self) -> TensorSummary:
        """Statistics over all images."""
        return self._pass.trace.tensors[self.state].summary

    @property
    def kept(self) -> bool:
        """Whether the full values are in the trace."""
        return self._pass.maybe(self.state) is not None or (
            self._pooled_from is not None and self._pooled_from.kept
        )

    def cells(self, plane: Plane | None = None) -> Cells:
        """Return where the map's cells lie; with a plane, where those that it shows do."""
        if plane is None:
            return Cells(self.shape[-2:], self.stride)
        rows, columns = plane.values.shape
        down, right = self.stride
        return Cells((rows, columns), (down * plane.step, right * plane.step))

    def data(self) -> np.ndarray:
        """Return the full values, [N, C, H, W].

        Raises:
            MissingError: they were not kept; names the pattern that keeps them.
        """
        if self._pooled_from is not None and self._pass.maybe(self.state) is None:
            return self._pooled_from.data()[:, :, ::2, ::2]
        what = f"{self.name}, made by {self.path},"
        return self._pass.array(self.state, what, self.keep)

    def channel(self, channel: int, image: int = 0) -> Plane:
        """Return one channel of one image; -1 is the mean over all channels.

        Raises:
            MissingError: neither the values nor a preview of that channel are in the trace.
        """
        if self.kept:
            values = self.data()[image]
            return Plane(values.mean(0) if channel == -1 else values[channel])
        return self._from_preview(channel, image)

    def mean(self, image: int = 0) -> Plane:
        """Return the mean over all channels of one image.

        Raises:
            MissingError: neither the values nor a preview are in the trace.
        """
        return self.channel(-1, image)

    def strongest(self, count: int, image: int = 0) -> tuple[int, ...]:
        """Return the channels with the largest root mean square, falling.

        Without the full values these are the few that the preview shows.
        """
        if self.kept:
            values = np.nan_to_num(self.data()[image])
            power = np.einsum("chw,chw->c", values, values)
            return tuple(np.argsort(-power, kind="stable")[:count].tolist())
        preview = self._pass.trace.tensors[self.state].preview
        if preview is None:
            raise self._missing(image)
        return preview.channels[1 : count + 1]

    def dead(self, image: int = 0) -> np.ndarray:
        """Return the channels that are zero everywhere in an image, int64 [D].

        Raises:
            MissingError: the full values were not kept.
        """
        return np.flatnonzero(~(self.data()[image] != 0).any(axis=(1, 2)))

    def _from_preview(self, channel: int, image: int) -> Plane:
        preview = self._pass.trace.tensors[self.state].preview
        pixels = self._pass.trace.preview(self.state)
        if preview is None or pixels is None or preview.image not in (-1, image):
            raise self._missing(image)
        if channel not in preview.channels:
            raise self._missing(image, f"channel {channel} of ")
        plane = preview.channels.index(channel)
        low, high = preview.ranges[plane]
        values = low + pixels[plane].astype(np.float32) * np.float32((high - low) / 255)
        return Plane(values, preview.stride, exact=False)

    def _missing(self, image: int, part: str = "") -> MissingError:
        previews = self._pass.trace.settings.previews
        why = (
            f"(its small picture is of image 0 only): record image {image}"
            if previews
            else "(previews were switched off): record with previews"
        )
        return MissingError(
            f"{part}{self.name} of image {image} is not in the trace {why}, or with "
            f"{option(keep=kept_by(self.keep))}"
        )


def feature_map(run: Pass, name: str, value: Value, made_by: Call, keep: str = "") -> FeatureMap:
    """Describe a four-dimensional tensor as a map of the padded batch.

    Args:
        run: the pass.
        name: what to call it.
        value: the tensor.
        made_by: the call whose result (or part of a result) it is.
        keep: the pattern that keeps it, if not the path of that call.
    """
    assert value.tensor is not None
    shape, stride = run.shape(value), stride_of(run, value)
    keep = keep or made_by.path or "*"
    return FeatureMap(name, made_by.label, shape, stride, value.tensor, keep, run)  # type: ignore[arg-type]


def _stride(pixels: int, cells: int) -> float:
    """Pixels per cell: a power of two where rounding up explains the size, else the quotient."""
    ratio = pixels / max(cells, 1)
    near = round(np.log2(ratio))
    for exponent in (near, near + 1, near - 1):
        if exponent >= 0 and -(-pixels // 2**exponent) == cells:
            return float(2**exponent)
    return ratio


def stride_of(run: Pass, value: Value) -> tuple[float, float]:
    """Return the pixels of the padded batch per cell of a map, (vertical, horizontal)."""
    assert run.transform.result is not None
    padded = run.shape(run.transform.result[0]["tensors"])[-2:]
    height, width = run.shape(value)[-2:]
    return _stride(padded[0], height), _stride(padded[1], width)


def numbered(letter: str, exponents: Sequence[int]) -> list[str]:
    """Name maps by the exponents of their strides: ``"P4"``; ``"P5a"``, ``"P5b"`` if equal."""
    names = []
    for i, exponent in enumerate(exponents):
        which = chr(ord("a") + exponents[:i].count(exponent))
        names.append(f"{letter}{exponent}{which if exponents.count(exponent) > 1 else ''}")
    return names


def names_by_stride(run: Pass, values: list[Value], letter: str) -> list[str]:
    """Name maps by the exponent of their stride: ``"P4"`` for 16; ``"P5a"``, ``"P5b"`` if equal."""
    return numbered(letter, [round(float(np.log2(stride_of(run, v)[0]))) for v in values])
