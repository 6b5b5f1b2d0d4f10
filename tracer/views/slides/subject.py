"""The recording that a deck is made from, and what every slide asks of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from tracer.errors import MissingError
from tracer.languages import listed
from tracer.numbers import count, dims
from tracer.rcnn import facts
from tracer.rcnn import texts as told_texts
from tracer.rcnn.anatomy import Anatomy, FeatureMap, anatomy, fitting
from tracer.rcnn.anatomy.geometry import area
from tracer.rcnn.narration import commentary, questions
from tracer.record import Trace
from tracer.record.query import find_call
from tracer.views.slides.design import texts


@dataclass(frozen=True, eq=False)
class Subject:
    """One recording, told in one language.

    Attributes:
        trace: the recording.
        lang: the language.
        title: of the deck, in that language.
        image: which one of the batch is shown.
    """

    trace: Trace
    lang: str
    title: str = ""
    image: int = 0

    def say(self, key: str, /, **values: object) -> str:
        """Return one of the slides' texts in the language, its ``{names}`` filled in."""
        return texts(key, self.lang, **values)

    def heads(self, table: str) -> list[str]:
        """Return the headings of a table's columns."""
        return self.say(f"head.{table}").split(" | ")

    @cached_property
    def parts(self) -> Anatomy:
        """The parts of the pass.

        Raises:
            MissingError: the recording holds no pass of a detector.
        """
        return anatomy(self.trace)

    def has(self, need: str) -> bool:
        """Whether the recording is what a slide needs (`outline.NEEDS`)."""
        try:
            with fitting("the pass"):
                return _NEEDS[need](self)
        except MissingError:
            return False

    # --- sentences ---

    def told(self, text: Mapping[str, str]) -> str | None:
        """Return a text with the recording's numbers in it; None where one of them is missing.

        What is in braces and no number's name stays as it is.
        """
        chosen = text.get(self.lang, "")
        names = set(facts.PLACEHOLDER.findall(chosen)) - set(facts.FACTS)
        as_it_is = {name: f"{{{name}}}" for name in names}
        return facts.fill(chosen, facts.Here(self.trace, lang=self.lang), as_it_is | self._more)

    @cached_property
    def _more(self) -> dict[str, str | None]:
        return {name: self._fact(read) for name, read in FACTS.items()}

    def _fact(self, read: Callable[[Subject], str]) -> str | None:
        try:
            return read(self)
        except (LookupError, ValueError):
            return None

    def about(self, name: str) -> tuple[str, ...]:
        """Return what the commentary says: ``"stage.fpn"``, ``"function.…"``, ``"question.…"``.

        Of a stage or a module's class that the recorded model lacks, nothing.

        Raises:
            KeyError: it says nothing of that name.
        """
        where, _, key = name.partition(".")
        entry = told_texts.entries()[where, key]
        if where == "question":
            asked = {q.key: q for q in questions(self.lang, self.trace)}[key]
            return (*asked.text, *asked.here)
        if where == "construction":
            return entry.text(self.lang)
        named = {where: key}
        stages = {"model", *(stage.name for stage in self.trace.stages)}  # the whole, and its parts
        if where == "stage" and key not in stages:
            return ()
        said = commentary(lang=self.lang, trace=self.trace, **named)  # type: ignore[arg-type]
        if said and said.call is None and key.endswith(".forward"):
            return ()
        return (*said.text, *said.here) if said else entry.text(self.lang)

    # --- places ---

    def address(self, call: str, line: int | None = None) -> str:
        """Return the fragment of the page's address at a call, ``""`` if it did not run."""
        try:
            label = find_call(self.trace, call).label
        except MissingError:
            return ""
        place = {"call": label} if line is None else {"call": label, "line": str(line)}
        return "#" + urlencode({**place, "lang": self.lang})


def _resnet(subject: Subject) -> bool:
    """Whether there are a ResNet's stages among the modules; a construction has them too."""
    return any(f".{path}".endswith(".layer4.0") for path in subject.trace.modules)


def _as_built(subject: Subject) -> bool:
    """Whether the model is such as ``fasterrcnn_resnet50_fpn`` builds; its v2 is not."""
    modules = subject.trace.modules
    depth = sum(
        f".{path}".count(".layer3.") and m.type == "Bottleneck" for path, m in modules.items()
    )
    head = any(m.type == "TwoMLPHead" for m in modules.values())
    return depth == 6 and head and any(m.type == "FasterRCNN" for m in modules.values())


_NEEDS: dict[str, Callable[[Subject], bool]] = {
    "pass": lambda it: bool(it.parts),
    "two-stage": lambda it: not it.parts.one_stage,
    "rcnn": lambda it: any(path.endswith("roi_heads") for path in it.trace.modules),
    "resnet": _resnet,
    "resnet50": _as_built,
    "bottleneck": lambda it: any(m.type == "Bottleneck" for m in it.trace.modules.values()),
    "fpn": lambda it: len(it.parts.pyramid.merges) > 1,
    "coarser": lambda it: len({merge.source.stride for merge in it.parts.pyramid.merges}) > 1,
    "levels": lambda it: len(_strides(it)) > 1,
    "training": lambda it: it.parts.training,
    "eval": lambda it: not it.parts.training,
    "targets": lambda it: any(p.targets is not None for p in it.parts.pictures),
}


# --- numbers that the commentary has no names for -------------------------------------------------


def _depths(subject: Subject) -> str:
    """How many blocks each stage of the ResNet has: ``"3, 4, 6, 3"``."""
    blocks = subject.parts.backbone.blocks
    stages = [sum(f".layer{n}." in f".{path}" for path in blocks) for n in range(1, 5)]
    if not blocks:
        raise LookupError("blocks")
    return ", ".join(map(str, stages))


def _funnel(step: int) -> Callable[[Subject], str]:
    def read(subject: Subject) -> str:
        funnel = subject.parts.rpn.proposals(subject.image).funnel
        levels = len(subject.parts.rpn.levels)
        return f"{int(funnel.counts(levels)[step].sum()):,}"

    return read


def _kinds(kind: str) -> Callable[[Subject], str]:
    def read(subject: Subject) -> str:
        found = sum(call.kind == kind for call in subject.trace.calls)
        if not found:
            raise LookupError(kind)  # a grain that was not recorded
        return count(found)

    return read


def _best(subject: Subject) -> str:
    found = subject.parts.detections[subject.image]
    return f"{len(found):,}"


def _environment(name: str) -> Callable[[Subject], str]:
    return lambda subject: subject.trace.environment[name]


def _mode(subject: Subject) -> str:
    mode = subject.trace.environment["mode"]
    return subject.say(f"mode.{mode}") if f"mode.{mode}" in texts else mode


def _strides(subject: Subject) -> set[tuple[float, float]]:
    """The strides that there are among the levels; two levels may have the same one."""
    return {level.map.stride for level in subject.parts.pyramid.levels}


def _maps(subject: Subject) -> tuple[FeatureMap, ...]:
    """The backbone's maps that become levels: without the stem's, and others not handed on."""
    maps, merges = subject.parts.backbone.maps, subject.parts.pyramid.merges
    return maps[-len(merges) :] if merges else maps[-1:]


def _map(feature: FeatureMap) -> str:
    return f"{feature.name} {dims(feature.shape)}"


def _rpn_convolutions(subject: Subject) -> int:
    """How many 3×3 convolutions the RPN's head has before its two of 1×1."""
    modules = subject.trace.modules.items()
    found = sum("rpn.head.conv" in path and m.type == "Conv2d" for path, m in modules)
    if not found:
        raise LookupError("rpn.head.conv")
    return found


def _largest_anchor(subject: Subject) -> int:
    """The side of a square as large as the coarsest level's largest anchor, in pixels."""
    return round(math.sqrt(area(subject.parts.anchors.base[-1]).max()))


def _own_paper(subject: Subject) -> str:
    """Of a one-stage detector, where it comes from."""
    forward = f"{subject.trace.modules[''].type}.forward"
    return told_texts.entries()["function", forward].papers(subject.lang)[0]


def _divisible(subject: Subject) -> str:
    batching = find_call(subject.trace, "GeneralizedRCNNTransform.batch_images")
    return str(batching.args["size_divisible"].scalar)


def _limit(step: str) -> Callable[[Subject], str]:
    """The threshold or the most that a step of the post-processing lets through."""

    def read(subject: Subject) -> str:
        funnel = subject.parts.detections[subject.image].funnel
        if funnel is None:  # of a one-stage detector
            raise LookupError(step)
        return f"{funnel.step(step).limit:g}"

    return read


def credits_of(trace: Trace) -> tuple[str, ...]:
    """Return the packages whose source is shown, with their licences."""
    packages = {
        f"{source.package} ({source.licence})" if source.licence else source.package
        for source in trace.sources.values()
        if source.package
    }
    return tuple(sorted(packages))


FACTS: dict[str, Callable[[Subject], str]] = {
    "deck": lambda subject: subject.title,
    "subject": lambda subject: subject.trace.subject,
    "credits": lambda subject: ", ".join(credits_of(subject.trace)),
    "mode": _mode,
    "torch": _environment("torch"),
    "torchvision": _environment("torchvision"),
    "module_count": lambda subject: count(len(subject.trace.modules)),
    "module_calls": _kinds("module"),
    "function_calls": _kinds("function"),
    "op_calls": _kinds("op"),
    "depths": _depths,
    "anchors": _funnel(0),
    "kept_proposals": _funnel(-1),
    "found": _best,
    "divisible": _divisible,
    "own_paper": _own_paper,
    "maps": lambda it: listed(map(_map, _maps(it)), it.lang),
    "fine_map": lambda it: _map(_maps(it)[0]),
    "deep_map": lambda it: _map(_maps(it)[-1]),
    "deep_stride": lambda it: f"{_maps(it)[-1].stride[0]:g}",
    "pyramid_channels": lambda it: str(it.parts.pyramid.levels[0].map.shape[1]),
    "scales": lambda it: str(len(_strides(it))),
    "rpn_convolutions": lambda it: str(_rpn_convolutions(it)),
    "per_cell": lambda it: str(len(it.parts.anchors.base[0])),
    "finest_share": lambda it: f"{it.parts.anchors.counts[0] / len(it.parts.anchors):.0%}",
    "largest_anchor": lambda it: str(_largest_anchor(it)),
    "points_on_p5": lambda it: f"{_largest_anchor(it) / _maps(it)[-1].stride[0]:g}",
    "bins": lambda it: dims(it.parts.roi_heads.box.output_size),
    "box_weights": lambda it: listed((f"{w:g}" for w in it.parts.roi_heads.weights), it.lang),
    "least_score": _limit("score"),
    "most_boxes": _limit("top_n"),
}
"""Numbers of a recording by the names that slides' texts have for them."""
