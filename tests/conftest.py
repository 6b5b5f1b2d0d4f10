"""What many tests share: one model and a few recordings of it, made once."""

from __future__ import annotations

import os

import pytest
from recordings import recordings_folder  # noqa: F401
from skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401

# Workers side by side (pytest-xdist) share the cores: with more threads than these, all wait.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")


def pytest_collection_modifyitems(items):
    """Keep a file's tests on one worker, for what they share; chapters are spread one by one."""
    for item in items:
        if item.path.name != "test_notebooks.py":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def rcnn():
    """fasterrcnn_resnet50_fpn with seeded random weights, in eval mode, at 64 pixels."""
    import torch
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = fasterrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, min_size=64, max_size=128, box_score_thresh=0.01
        )
    return model.eval()


@pytest.fixture
def in_training(rcnn):
    """The same model in training mode; afterwards it is as it was, its running statistics too."""
    before = {name: tensor.clone() for name, tensor in rcnn.state_dict().items()}
    yield rcnn.train()
    rcnn.load_state_dict(before)
    rcnn.eval()


@pytest.fixture(scope="session")
def two_images():
    """Two pictures of different sizes, float32 [3, H, W], 0–1."""
    import torch

    generator = torch.Generator().manual_seed(1)
    return [
        torch.rand(3, 60, 80, generator=generator),
        torch.rand(3, 100, 80, generator=generator),
    ]


@pytest.fixture(scope="session")
def two_targets():
    """A target for each of `two_images`: boxes x1, y1, x2, y2 in pixels of that picture."""
    import torch

    return [
        {
            "boxes": torch.tensor([[5.0, 5.0, 40.0, 50.0], [30.0, 10.0, 70.0, 40.0]]),
            "labels": torch.tensor([1, 2]),
        },
        {"boxes": torch.tensor([[10.0, 20.0, 60.0, 90.0]]), "labels": torch.tensor([3])},
    ]


@pytest.fixture(scope="session")
def recorded(rcnn, two_images):
    """A pass in eval mode with every grain, lines included."""
    import torch

    import tracer

    with torch.no_grad():
        return tracer.trace(rcnn, two_images, grain="line")


@pytest.fixture(scope="session")
def built():
    """The construction of fasterrcnn_resnet50_fpn, with lines."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    import tracer

    return tracer.trace(fasterrcnn_resnet50_fpn, weights=None, weights_backbone=None, grain="line")
