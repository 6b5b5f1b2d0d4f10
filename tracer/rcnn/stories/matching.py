"""Detections against objects: which found which, and what a false one is.

A detection finds the object of its class that it overlaps most among those not yet found, at an
IoU of at least the threshold, the best detection first: as COCO's evaluation matches them
(``COCOeval.evaluateImg`` of pycocotools). What is left is told apart as TIDE does it: Bolya et al.,
*TIDE: A General Toolbox for Identifying Object Detection Errors*, ECCV 2020, §2.2, with its
thresholds, in the order of its own code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BACKGROUND = 0.1
"""t_b of TIDE: below this IoU with every object, a false detection lies on the background."""
ERRORS = ("localization", "classification", "duplicate", "background", "both")


@dataclass(frozen=True, eq=False)
class Matches:
    """Which detection found which object.

    Attributes:
        object_of: int64 [D], the object that each detection found, -1 for none.
        detection_of: int64 [M], the detection that found each object, -1 for none.
    """

    object_of: np.ndarray
    detection_of: np.ndarray


def match_detections(
    overlaps: np.ndarray, found: np.ndarray, labels: np.ndarray, threshold: float
) -> Matches:
    """Match detections with objects.

    Args:
        overlaps: float32 [D, M], IoU.
        found: int64 [D], the detections' labels, by falling score.
        labels: int64 [M], the objects'.
        threshold: IoU from which on an object is found.
    """
    object_of = np.full(len(found), -1, np.int64)
    detection_of = np.full(len(labels), -1, np.int64)
    for number, label in enumerate(found.tolist()):
        free = (labels == label) & (detection_of < 0)
        candidates = np.where(free, overlaps[number], -1)
        if candidates.size and candidates.max() >= np.float32(threshold):
            best = int(candidates.argmax())
            object_of[number], detection_of[best] = best, number
    return Matches(object_of, detection_of)


def kind_of_error(
    overlap: np.ndarray, label: int, labels: np.ndarray, threshold: float
) -> tuple[str, int | None]:
    """Return the class of error of a detection that found no object, and the object meant.

    Args:
        overlap: float32 [M], its IoU with each object.
        label: its own.
        labels: int64 [M].
        threshold: IoU from which on an object is found; t_f of TIDE.

    Returns:
        One of `ERRORS`; and the object that it would have found but for this error, or overlaps
        most; None where there is none.
    """
    if len(labels) == 0:
        return "background", None
    same = np.where(labels == label, overlap, 0)
    other = np.where(labels != label, overlap, 0)
    limit, background = np.float32(threshold), np.float32(BACKGROUND)
    if background <= same.max() < limit:
        return "localization", int(same.argmax())
    if other.max() >= limit:
        return "classification", int(other.argmax())
    if same.max() >= limit:
        return "duplicate", int(same.argmax())
    nearest = int(overlap.argmax())
    if overlap[nearest] <= background:
        return "background", nearest if overlap[nearest] > 0 else None
    return "both", nearest
