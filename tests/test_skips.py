"""A skip is a failure under CI=true, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CASES = {
    "skip": "import pytest\ndef test_a(): pytest.skip('no browser')",
    "skipif": "import pytest\n@pytest.mark.skipif(True, reason='no browser')\ndef test_a(): 1 / 0",
    "module": "import pytest\npytest.skip('no browser', allow_module_level=True)",
    "import": "import pytest\npytest.importorskip('no_such_package')",
}
MACHINE = "import pytest\n@pytest.mark.machine\ndef test_a(): pytest.skip('no GPU')"
XFAIL = "import pytest\n@pytest.mark.xfail\ndef test_a(): 1 / 0"
PASS = "def test_a(): pass"


def outcome(folder: Path, test: str, ci: str) -> tuple[int, str]:
    """Run one test file with the hooks; the exit code and what pytest printed."""
    hooks = "from skips import pytest_make_collect_report, pytest_runtest_makereport\n"
    (folder / "conftest.py").write_text(hooks)
    (folder / "test_case.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = machine\n")
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "CI": ci, "PYTHONPATH": here},
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("case", CASES)
def test_a_skip_fails_under_ci(tmp_path, case):
    code, text = outcome(tmp_path, CASES[case], ci="true")
    assert code in (1, 2)
    assert "may not be skipped under CI=true" in text
    assert "no browser" in text or "no_such_package" in text


@pytest.mark.parametrize("case", CASES)
def test_a_skip_is_a_skip_elsewhere(tmp_path, case):
    code, text = outcome(tmp_path, CASES[case], ci="")
    assert code in (0, 5)  # 5: nothing was collected
    assert "1 skipped" in text


@pytest.mark.parametrize(
    ("test", "says"), [(MACHINE, "1 skipped"), (XFAIL, "1 xfailed"), (PASS, "1 passed")]
)
def test_what_no_machine_can_be_given_may_be_skipped(tmp_path, test, says):
    code, text = outcome(tmp_path, test, ci="true")
    assert code == 0
    assert says in text
