"""What the commentary says of a run, held against what the anatomy reads out of the same run."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from recordings import shared
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

import tracer
from tracer.rcnn.anatomy import anatomy
from tracer.rcnn.demo.weights import demo_model
from tracer.rcnn.facts import Here, read
from tracer.rcnn.narration import commentary, questions
from tracer.record import Trace

pytestmark = pytest.mark.slow


def untrained(**options):
    torch.manual_seed(0)
    options = {"num_classes": 91, "min_size": 64, "max_size": 96, **options}
    return fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, **options).eval()


MODELS = {
    "trained": lambda: demo_model(min_size=96, max_size=128),
    "untrained": untrained,
    "nothing-left": lambda: untrained(box_score_thresh=0.999999, box_nms_thresh=0.3),
    "two-classes": lambda: untrained(num_classes=2, box_detections_per_img=7),
    "larger": lambda: untrained(min_size=96, max_size=160, rpn_post_nms_top_n_test=50),
    "training": lambda: untrained(num_classes=5).train(),
}


@cache
def run(name: str) -> Trace:
    def record() -> Trace:
        with torch.random.fork_rng(), torch.no_grad():
            model = MODELS[name]()
            torch.manual_seed(1)
            images = [torch.rand(3, 60, 90), torch.rand(3, 80, 50)]
            boxes = {"boxes": torch.tensor([[8.0, 8, 40, 50]]), "labels": torch.tensor([1])}
            targets = [boxes, boxes] if model.training else None
            return tracer.trace(model, images, targets, grain="line", keep="anatomy")

    return shared(f"claims-{name}", record)


def fact(name: str, trace: Trace) -> str | None:
    return read(name, Here(trace))


def listed(numbers) -> str:
    told = [each if isinstance(each, str) else f"{each:,}" for each in numbers]
    return (" / " if any("," in each for each in told) else ", ").join(told)


@pytest.mark.parametrize("name", MODELS)
def test_numbers_of_the_first_stage_are_the_anatomys(name):
    trace, found = run(name), anatomy(run(name))
    assert fact("resized_sizes", trace) == listed(
        "×".join(map(str, p.resized_size)) for p in found.pictures
    )
    assert fact("anchors_per_image", trace) == f"{found.rpn.proposals(0).funnel.total:,}"
    funnels = [found.rpn.proposals(i).funnel for i in (0, 1)]
    assert fact("proposals", trace) == listed(len(f.step("top_n").kept) for f in funnels)
    taken = funnels[0].counts(len(found.pyramid.levels))
    assert fact("top_per_level", trace) == listed(taken[1])


@pytest.mark.parametrize("name", [name for name in MODELS if name != "training"])
def test_numbers_of_the_answer_are_the_anatomys(name):
    trace, found = run(name), anatomy(run(name)).detections
    funnels = [d.funnel for d in found]
    assert fact("candidates", trace) == listed(f.total for f in funnels)
    assert fact("passing", trace) == listed(len(f.step("score").kept) for f in funnels)
    assert fact("detections", trace) == listed(map(len, found))
    assert fact("score_threshold", trace) == str(funnels[0].step("score").limit)
    assert fact("detection_nms", trace) == str(funnels[0].step("nms").limit)
    highest = max(d.candidate_scores.max() for d in found)
    assert float(fact("highest_candidate", trace)) == pytest.approx(highest, abs=1e-3)
    best = [d.scores.max() for d in found if len(d)]
    told = fact("best_score", trace)
    assert (told is None) == (not best)
    assert not best or float(told) == pytest.approx(max(best), abs=1e-3)


def test_the_settings_lead_to_different_answers():
    """So that no sentence which is always the same could be true of them all."""
    told = {name: fact("detections", run(name)) for name in MODELS if name != "training"}
    assert told["untrained"] == "100, 100"
    assert told["nothing-left"] == "0, 0"
    assert told["two-classes"] == "7, 7"
    assert float(fact("best_score", run("untrained"))) > 0.5


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_untrained_question_tells_of_this_run(lang):
    for name in ("untrained", "nothing-left", "two-classes"):
        asked = questions(lang, run(name))
        here = " ".join(next(q for q in asked if q.key == "untrained-detections").here)
        for fact_name in ("passing", "score_threshold", "highest_candidate", "even_share"):
            assert read(fact_name, Here(run(name), lang=lang)) in here, (name, fact_name)


def test_training_tells_what_an_even_guess_costs():
    trace = run("training")
    told = commentary(function="fastrcnn_loss", trace=trace)
    note = next(n for n in told.notes if n.anchor.startswith("classification_loss"))
    computed = next(x for x in anatomy(trace).losses.losses if x.name == "loss_classifier")
    assert note.here == (f"log 5 = 1.609; here {computed.value:.4g}.",)
    assert fact("detections", trace) is None
    assert fact("passing", trace) is None


@pytest.mark.parametrize("size", [(35, 52), (14, 21)])
def test_a_resized_pixels_middle_comes_from_where_the_commentary_says(size):
    """Pixel k from (k + ½) / factor, so that boxes times the factor and pixels move together."""
    original = (20, 30)
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in original), indexing="ij")
    ramp = torch.stack([columns, rows, columns])  # each pixel holds where its middle lies
    transform = GeneralizedRCNNTransform(min(size), 9999, [0.0] * 3, [1.0] * 3)
    box = {"boxes": torch.tensor([[6.0, 4.0, 24.0, 16.0]])}
    images, targets = transform([ramp], [box])
    found, factors = images.tensors[0], [n / o for n, o in zip(size, original, strict=True)]
    inside = slice(3, -3)
    for axis, factor in ((0, factors[1]), (1, factors[0])):
        along = found[axis, 5, : size[1]] if axis == 0 else found[axis, : size[0], 5]
        expected = (torch.arange(len(along)) + 0.5) / factor
        torch.testing.assert_close(along[inside], expected[inside])
    scale = torch.tensor([factors[1], factors[0]] * 2)
    torch.testing.assert_close(targets[0]["boxes"], box["boxes"] * scale)
