"""What the classes of a detector are called, by label; label 0 is the background.

Names come with a recording (`Trace.classes`) in the language that the model's maker wrote them in.
`names_in` gives those of the demo's scenes and of COCO in other languages too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracer.languages import Texts

texts = Texts("classes")


def names_in(names: Sequence[str], lang: str) -> tuple[str, ...]:
    """Return class names in a language, as far as all of them are known in it.

    Args:
        names: by label, as in `Trace.classes`.
        lang: the language.

    Returns:
        The language's names if it has one for every class, so that no list is half translated; else
        the names as they are, the background by a readable name.
    """
    known = texts.table("names", lang)
    if all(name in known for name in names):
        return tuple(known[name] for name in names)
    background = texts("background", lang)
    return tuple(background if name == "__background__" else name for name in names)


def class_name(names: Sequence[str], label: int, lang: str = "en") -> str:
    """Return what a label is called: its name, or ``"class 3"`` where it has none."""
    if 0 <= label < len(names):
        return names_in(names, lang)[label]
    return texts("unnamed", lang, label=label)


def classes_of(model: Any) -> int | None:
    """Return how many classes a detector tells apart, background included; None if unknown."""
    if hasattr(model, "roi_heads"):
        score = getattr(getattr(model.roi_heads, "box_predictor", None), "cls_score", None)
        return getattr(score, "out_features", None)
    head = getattr(getattr(model, "head", None), "classification_head", None)
    return getattr(head, "num_classes", None) or getattr(head, "num_columns", None)
