"""pytest's `golden`: hold a model to files beside the test; ``--golden-update`` writes them anew.

pytest loads this by itself where the package is installed; it loads nothing else until it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tracer.record import Trace

Golden = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.getgroup("tracer").addoption(
        "--golden-update",
        action="store_true",
        help="write the golden recordings and contracts anew instead of comparing with them",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    """Return ``golden(trace, name, tolerance=0)``, which compares with a file beside the test.

    A golden file that is missing is written only with ``--golden-update``. Where a recording
    differs, it is kept in the test's ``tmp_path``, and the failure says where.
    """

    def check(trace: Trace, name: str, *, tolerance: float = 0.0) -> None:
        from tracer.errors import TracerError
        from tracer.recording import Recording
        from tracer.testing import assert_same, require_golden, write_golden

        path = request.path.parent / name
        wrong = None
        try:
            require_golden(path)
            if request.config.getoption("--golden-update"):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_golden(trace, path)
                return
            if path.exists():
                assert_same(trace, path, tolerance=tolerance)
                return
            wrong = f"there is no {path}; run pytest with --golden-update to write it"
        except TracerError as error:
            wrong = str(error)
        except AssertionError as error:
            told = str(error)
        if wrong is not None:
            pytest.fail(wrong, pytrace=False)
        # outside of the handler: else pytest shows both errors, with the same words
        kept = Recording.of(trace).save(tmp_path / f"{Path(name).stem}.safetensors")
        pytest.fail(f"{told}\nthe recording is kept in {kept}", pytrace=False)

    return check
