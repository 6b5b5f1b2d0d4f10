"""How the tests are run, and what many of them share: one model and a few recordings of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import hypothesis
import pytest
from browsers import browser  # noqa: F401
from leftovers import (  # noqa: F401
    forgetful,
    pytest_collection_finish,
    pytest_runtest_logfinish,
)
from recordings import recordings_folder, shared  # noqa: F401
from skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401

# Workers side by side (pytest-xdist) share the cores, and inherit this from the first process.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What commands say is in the language of whoever runs them: here, English.
os.environ["LC_ALL"] = "C.UTF-8"

# What a shell runs in the background ignores Ctrl-C; some tests send it, and look who gets it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test has a time limit: how long an example takes is the machine's business.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")

# Files that take longest, in the order in which they are begun: none of them is left for the end,
# where the other worker would wait for it. All others follow by name.
LONGEST = (
    "test_notebooks",
    "test_figures",
    "test_notebooks_browser",
    "test_anatomy",
    "test_capture_rcnn",
    "test_page_browser",
    "test_explorers",
    "test_doctor",
)

# Who uses one of these, directly or through another fixture, is slow; a file that needs as much
# without them says so by `pytestmark = pytest.mark.slow`.
SLOW = {"browser", "lab", "rcnn", "built", "relatives"}


def pytest_ignore_collect(collection_path, config):
    """Without the slow tests, leave their files unread: to import what they need takes a while."""
    if config.option.markexpr == "not slow" and collection_path.suffix == ".py":
        return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text("utf-8") or None
    return None


def pytest_collection_modifyitems(items):
    """Mark the slow tests, and sort the files."""
    for item in items:
        if SLOW.intersection(item.fixturenames):
            item.add_marker("slow")
    order = {stem: place for place, stem in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


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
        return shared("eval-line", lambda: tracer.trace(rcnn, two_images, grain="line"))


@pytest.fixture(scope="session")
def built():
    """The construction of fasterrcnn_resnet50_fpn, with lines."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    import tracer

    options = {"weights": None, "weights_backbone": None, "grain": "line"}
    return shared("built-line", lambda: tracer.trace(fasterrcnn_resnet50_fpn, **options))


@pytest.fixture(scope="session")
def in_node(tmp_path_factory):
    """What runs a script of this folder in node, with the page's modules at hand."""
    from tracer.views.page.shell import modules, static

    node = shutil.which("node")
    if node is None:
        pytest.skip("no node was found on the PATH: on Debian, apt install nodejs")
    folder = tmp_path_factory.mktemp("page")
    for name in modules():
        (folder / name).write_text(static(name), "utf-8")
    (folder / "package.json").write_text('{"type": "module"}')

    def run(script, *arguments, given=None):
        path = Path(__file__).with_name(script)
        command = [node, str(path), str(folder), *map(str, arguments)]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
