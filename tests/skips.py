"""Under ``CI=true`` a test that is skipped fails: there, nothing may be left out unseen.

Excepted are tests marked ``machine``, which need what a machine may lack and perhaps nobody can
install on it: a GPU, another version of Python, an editor.
"""

from __future__ import annotations

import os

import pytest


def _forbid(report, what: str) -> None:
    """Turn a skip into a failure that says why it was skipped."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{what} may not be skipped under CI=true: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.get_closest_marker("machine") is None:
        _forbid(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    _forbid(report, collector.nodeid)
    return report
