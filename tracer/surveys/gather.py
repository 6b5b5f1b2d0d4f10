"""One picture after the other through the model, and what a survey keeps of each."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import boxes as box_ops

from tracer.capture.channels import ChannelWatch, Pass
from tracer.rcnn.inspection import batch_size, new_size
from tracer.rcnn.probe import backbone_shapes
from tracer.surveys.data import (
    DETECTIONS,
    OBJECTS,
    PICTURES,
    Activations,
    Key,
    Problem,
    Subject,
    Sum,
    Survey,
    columns,
    empty,
)
from tracer.surveys.funnel import (
    Candidates,
    Fates,
    Proposals,
    candidates_of,
    fates_of,
    proposals_of,
)
from tracer.surveys.moments import Moments
from tracer.surveys.parts import Parts, laid_anchors, norms_of, stages_of
from tracer.surveys.pictures import Item, Pictures, Unusable
from tracer.surveys.saving import Progress, Saving

Table = dict[str, np.ndarray]


class Gatherer:
    """Surveys pictures of a data set, one at a time, and adds them up.

    Between pictures it holds their rows and a few sets of statistics, however many there were.
    """

    def __init__(
        self, parts: Parts, subject: Subject, pictures: Pictures, environment: dict[str, str]
    ) -> None:
        """Get ready; the model is in eval mode and on its device."""
        self.parts, self.subject, self.pictures = parts, subject, pictures
        self.environment = environment
        self.device = next((p.device for p in parts.model.parameters()), torch.device("cpu"))
        asked = ("transform", "rpn.head", "rpn.anchor_generator", "anchor_generator", "rpn",
                 "roi_heads.box_predictor", "roi_heads")  # fmt: skip
        paths = () if parts.detector is None else tuple(map(parts.path, asked))
        stages = {} if subject.static else stages_of(parts)
        self.watch = ChannelWatch(parts.model, stages, paths)
        self._norms = {} if subject.static else norms_of(parts.model)
        self._whole = Sum(self._none())
        self._keys: tuple[Key, ...] = ()
        self._shapes = lru_cache(maxsize=512)(self._grids)

    @contextmanager
    def at_work(self) -> Iterator[Gatherer]:
        """The block in which pictures are taken: hooks are installed, gradients off."""
        with torch.no_grad():
            if self.subject.static:
                yield self
            else:
                with self.watch.installed():
                    yield self

    def take(self, number: int) -> None:
        """Survey one picture; one that cannot be used is noted."""
        try:
            item = self.pictures.item(number, pixels=not self.subject.static)
        except Unusable as error:
            self._leave_out(number, error.kind, str(error))
            return
        try:
            found = (
                self._static(number, item) if self.subject.static else self._passed(number, item)
            )
        except Exception as error:  # whatever a model does with a picture
            torch_said = str(error).strip().partition("\n")[0]
            self._leave_out(number, "failed", f"{type(error).__name__}: {torch_said}")
            return
        self._whole.add(found)

    def survey(self) -> Survey:
        """Return the survey of all pictures so far."""
        return self._whole.survey()

    def _none(self, *problems: Problem) -> Survey:
        none = empty(self.subject, len(self.pictures))
        return replace(none, problems=problems, environment=self.environment)

    def _leave_out(self, number: int, kind: str, text: str) -> None:
        self._whole.add(self._none(Problem(number, self.pictures.name(number), kind, text)))

    # --- one picture ------------------------------------------------------------------------------

    def _static(self, number: int, item: Item) -> Survey:
        """What is known of a picture without a pass."""
        transform = self.parts.detector.transform
        resized = new_size(transform, *item.size)
        batch = batch_size(transform, resized)
        grids = self._shapes(batch)
        anchors = None
        if self.parts.generator is not None and len(grids) == len(self.subject.base):
            anchors = laid_anchors(self.parts.generator, batch, grids)
        row = self._row(number, item, resized, batch, grids)
        objects = self._objects(number, item, resized)
        self._fit(row, objects, anchors, grids)
        return self._survey(number, item, row, objects, columns(DETECTIONS, self.subject, 0))

    def _grids(self, batch: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        maps = backbone_shapes(self.parts.detector, (1, 3, *batch))
        return tuple((int(shape[-2]), int(shape[-1])) for shape in maps.values())

    def _passed(self, number: int, item: Item) -> Survey:
        """What one pass says of a picture."""
        assert item.image is not None
        self.watch.begin()
        image = item.image.to(self.device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        start = time.perf_counter()
        if self.parts.detector is None:
            self.parts.model(image[None])
            found = None
        else:
            found = self.parts.model([image])
        _settled(self.device)
        seconds = time.perf_counter() - start - self.watch.own_seconds
        seen = self.watch.passed
        if found is None:
            row = self._row(number, item, item.size, item.size, ())
            objects, detections = self._objects(number, item, item.size), None
        else:
            row, objects, detections = self._detected(number, item, seen, found[0])
        row["seconds"][0] = seconds
        self._time(row, seen, seconds)
        if self.device.type == "cuda":
            row["peak"][0] = torch.cuda.max_memory_allocated(self.device)
        activations = self._activations(seen, row)
        table = columns(DETECTIONS, self.subject, 0) if detections is None else detections
        rows = self._survey(number, item, row, objects, table)
        return replace(rows, activations=activations, peaks=_peaks(activations)[None])

    def _detected(
        self, number: int, item: Item, seen: Pass, found: dict[str, Tensor]
    ) -> tuple[Table, Table, Table]:
        given = {name.removeprefix(self.parts.prefix or ""): g for name, g in seen.given.items()}
        pictures = given["transform"][1][0]
        resized = int(pictures.image_sizes[0][0]), int(pictures.image_sizes[0][1])
        batch = int(pictures.tensors.shape[-2]), int(pictures.tensors.shape[-1])
        laid = given.get("rpn.anchor_generator") or given.get("anchor_generator")
        anchors: Tensor | None = None
        grids: tuple[tuple[int, int], ...] = ()
        if laid is not None:
            anchors = laid[1][0] if isinstance(laid[1][0], Tensor) else None
            grids = tuple((int(each.shape[-2]), int(each.shape[-1])) for each in laid[0][1])
        row = self._row(number, item, resized, batch, grids)
        objects = self._objects(number, item, resized)
        self._fit(row, objects, anchors, grids)
        funnel = self._funnel(given, anchors, resized)
        if funnel is not None:
            proposals, candidates, levels = funnel
            row["rpn"][0] = proposals.by_level()
            row["box"][0] = [len(kept) for kept in candidates.steps]
            row["exact"][0] = proposals.exact and candidates.exact
            if len(self.subject.pooled):
                row["rois"][0] = _counts(levels, len(self.subject.pooled))
        detections = self._detections(number, found)
        row["detections"][0] = len(detections["label"])
        if item.boxes is not None:
            inside = (
                given["roi_heads"][1][0][0]["boxes"]
                if funnel is not None
                else resize_boxes(found["boxes"], item.size, resized)
            )
            fates = fates_of(
                torch.from_numpy(objects["resized"]).to(self.device),
                item.labels,
                item.crowd,
                (inside, detections["label"]),
                *(funnel or ()),
            )
            _tell(objects, detections, fates)
        return row, objects, detections

    def _funnel(
        self, given: dict[str, Any], anchors: Tensor | None, size: tuple[int, int]
    ) -> tuple[Proposals, Candidates, Tensor] | None:
        """Follow anchors and pairs; None for a detector without proposals."""
        if self.subject.kind != "two-stage" or anchors is None or "rpn.head" not in given:
            return None
        if "roi_heads.box_predictor" not in given:
            return None
        detector = self.parts.detector
        boxes = given["rpn"][1][0][0]
        proposals = proposals_of(detector.rpn, given["rpn.head"][1], anchors, size, boxes)
        result = given["roi_heads"][1][0][0]["boxes"]
        predicted = given["roi_heads.box_predictor"][1]
        candidates = candidates_of(detector.roi_heads, predicted, boxes, size, result)
        mapper = getattr(detector.roi_heads.box_roi_pool, "map_levels", None)
        none = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        levels = none if mapper is None else mapper([boxes])
        return proposals, candidates, levels

    # --- rows -------------------------------------------------------------------------------------

    def _row(
        self,
        number: int,
        item: Item,
        resized: tuple[int, ...],
        batch: tuple[int, ...],
        grids: tuple[tuple[int, int], ...],
    ) -> Table:
        row = columns(PICTURES, self.subject, 1)
        row["number"][0], row["size"][0] = number, item.size
        row["resized"][0], row["batch"][0] = resized, batch
        if len(grids) == len(self.subject.levels):
            row["grids"][0] = np.reshape(grids, (-1, 2))
        row["targets"][0] = item.boxes is not None
        row["objects"][0] = int((~item.crowd).sum())
        row["crowds"][0] = int(item.crowd.sum())
        return row

    def _objects(self, number: int, item: Item, resized: tuple[int, ...]) -> Table:
        count = 0 if item.boxes is None else len(item.boxes)
        objects = columns(OBJECTS, self.subject, count)
        if item.boxes is None or not count:
            return objects
        boxes = torch.from_numpy(item.boxes)
        objects["picture"][:] = number
        objects["index"][:] = np.arange(count)
        objects["label"][:], objects["crowd"][:] = item.labels, item.crowd
        objects["area"][:], objects["box"][:] = item.area, item.boxes
        objects["resized"][:] = resize_boxes(boxes, list(item.size), list(resized)).numpy()
        return objects

    def _fit(
        self,
        row: Table,
        objects: Table,
        anchors: Tensor | None,
        grids: tuple[tuple[int, int], ...],
    ) -> None:
        """Hold objects against anchors, and let the matcher choose the positives."""
        base = self.subject.base
        if anchors is None or not base or len(grids) != len(base):
            return
        counts = [rows * columns * len(b) for (rows, columns), b in zip(grids, base, strict=True)]
        single = np.flatnonzero(~objects["crowd"])
        if sum(counts) != len(anchors):
            return
        if not len(single):
            row["positives"][0] = 0
            return
        boxes = torch.from_numpy(objects["resized"][single]).to(anchors.device)
        overlap = box_ops.box_iou(boxes, anchors)
        parts = overlap.split(counts, 1)
        objects["iou"][single] = torch.stack([p.amax(1) for p in parts], 1).cpu().numpy()
        if self.parts.matcher is not None:
            matched = self.parts.matcher(overlap) >= 0
            row["positives"][0] = [int(part.sum()) for part in matched.split(counts)]

    def _detections(self, number: int, found: dict[str, Tensor]) -> Table:
        table = columns(DETECTIONS, self.subject, len(found["boxes"]))
        table["picture"][:] = number
        table["label"][:] = found["labels"].cpu().numpy()
        table["score"][:] = found["scores"].cpu().numpy()
        table["box"][:] = found["boxes"].cpu().numpy()
        return table

    def _time(self, row: Table, seen: Pass, seconds: float) -> None:
        if not self.subject.stages:
            return
        *named, _ = self.subject.stages
        row["stages"][0] = [*(seen.seconds.get(name, 0.0) for name in named),
                            seconds - sum(seen.seconds.values())]  # fmt: skip
        held = [*named, ""]
        row["held"][0] = [seen.held.get(name, 0) for name in held]

    def _activations(self, seen: Pass, row: Table) -> Activations:
        """What modules gave; all passes whose keys are equal share these."""
        rows, counts = seen.fetched()
        keys = tuple(Key(r.path, r.nth, r.role, r.rows.shape[1]) for r in seen.readings)
        keys = self._keys = self._keys if keys == self._keys else keys
        results = [at for at, key in enumerate(keys) if key.role == "result"]
        row["nan"][0], row["inf"][0] = counts[results, 1].sum(), counts[results, 2].sum()
        return Activations(keys, Moments.of_rows(rows), counts, self._norms)

    def _survey(
        self, number: int, item: Item, row: Table, objects: Table, detections: Table
    ) -> Survey:
        """The rows of one picture, still without activations."""
        name = self.pictures.name(number)
        remarks = tuple(Problem(number, name, "targets", r, left_out=False) for r in item.remarks)
        tables = row, objects, detections
        none = np.zeros((1, 0), np.float32)
        total = len(self.pictures)
        return Survey(
            self.subject, (name,), *tables, none, Activations(), remarks, self.environment, total
        )


def _settled(device: torch.device) -> None:
    """Wait for an accelerator, so that what is timed has happened."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _counts(levels: Tensor, count: int) -> np.ndarray:
    found: np.ndarray = torch.bincount(levels, minlength=count).cpu().numpy()
    return found


def _peaks(one: Activations) -> np.ndarray:
    """The largest absolute finite value of each key, float32 [K]; NaN where there was none."""
    if not one.keys:
        return np.zeros(0, np.float32)
    moments = one.moments
    largest = np.maximum(np.abs(moments.low), np.abs(moments.high))
    largest[moments.count == 0] = -1
    found = np.maximum.reduceat(largest, one.starts[:-1]).astype(np.float32)
    found[found < 0] = np.nan
    return found


def _tell(objects: Table, detections: Table, fates: Fates) -> None:
    """Write what became of objects and detections into their rows."""
    objects["reached"][:], objects["rank"][:] = fates.reached, fates.rank
    objects["lost"][:], objects["pooled"][:] = fates.lost, fates.pooled
    found = np.flatnonzero(fates.detection >= 0)
    by = fates.detection[found]
    objects["score"][found] = detections["score"][by]
    objects["overlap"][found] = fates.overlaps[by, found]
    detections["kind"][:], detections["object"][:] = fates.kinds, fates.objects


def here(
    parts: Parts,
    subject: Subject,
    pictures: Pictures,
    numbers: Sequence[int],
    keep: Saving | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Survey some pictures in this process, by their numbers."""
    gatherer = Gatherer(parts, subject, pictures, environment())
    keep = keep or Saving(None, None)
    try:
        with gatherer.at_work():
            for at, number in enumerate(numbers, start=1):
                gatherer.take(number)
                if progress is not None:
                    progress(at, len(numbers), pictures.name(number))
                keep.now_and_then(gatherer.survey)
    except KeyboardInterrupt:
        return keep.last(gatherer.survey())
    return keep.last(gatherer.survey())


def environment() -> dict[str, str]:
    """Versions, and how many threads compute."""
    import tracer

    return {
        "tracer": tracer.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
        "threads": str(torch.get_num_threads()),
    }
