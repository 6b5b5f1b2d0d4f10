"""Full recordings of the pictures of a survey that deserve a look, each with its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from tracer.capture import last_trace, trace
from tracer.rcnn.models import evaluating
from tracer.recording import Recording
from tracer.surveys.data import Survey
from tracer.surveys.pictures import Pictures, Unusable
from tracer.surveys.reading import odd_pictures


def worth_recording(survey: Survey, limit: int) -> list[int]:
    """Return the numbers of pictures to record: those that the model raised at, then odd ones."""
    failed = [each.number for each in survey.left_out if each.kind == "failed"]
    odd = [each.number for each in odd_pictures(survey, limit)]
    return [*failed[: max(limit // 2, 1)], *odd][:limit]


def record_odd(
    model: nn.Module, pictures: Pictures, survey: Survey, limit: int
) -> Iterator[tuple[int, Recording]]:
    """Yield the number and a recording of each odd picture that can be read here.

    Args:
        model: that was surveyed.
        pictures: of the data set.
        survey: what was found.
        limit: so many at most.
    """
    detector = survey.subject.kind != "other"
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    for number in worth_recording(survey, limit):
        try:
            item = pictures.item(number)
        except Unusable:
            continue
        assert item.image is not None
        image = item.image.to(device)
        given: list[object] = [[image] if detector else image[None]]
        if detector and item.boxes is not None:
            single = ~item.crowd
            boxes = torch.from_numpy(item.boxes[single]).to(device)
            labels = torch.from_numpy(item.labels[single]).to(device)
            given.append([{"boxes": boxes, "labels": labels}])
        before = last_trace()
        with torch.no_grad(), evaluating(model):
            try:
                yield number, trace(model, *given, keep="anatomy")
            except Exception:  # the recording says how it ended
                failed = last_trace()
                if failed is not None and failed is not before:
                    yield number, failed


def names_of(folder: Path, number: int) -> tuple[Path, Path]:
    """Return where the recording of a picture and its page go."""
    return folder / f"picture-{number}.safetensors", folder / f"picture-{number}.html"
