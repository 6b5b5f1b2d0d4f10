"""A recording of the test run: made once, read by everybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import handmade
import pytest
import recordings

ASKED = """
import sys, pathlib
import handmade, recordings
recordings._Place.folder = pathlib.Path(sys.argv[1])
recordings.shared("tiny", lambda: print("made") or handmade.tiny_pass())
"""


@pytest.mark.slow
def test_a_recording_is_made_once_whatever_number_of_processes_asks(recordings_folder):
    start = [sys.executable, "-c", ASKED, str(recordings_folder)]
    options = {"stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parent}
    every = [subprocess.Popen(start, **options) for _ in range(3)]
    assert sorted(p.communicate()[0] for p in every) == ["", "", "made\n"]
    assert all(p.returncode == 0 for p in every)


def test_what_is_read_is_what_was_made():
    trace = handmade.tiny_pass()
    assert recordings.shared("read-again", lambda: trace) == trace
    assert recordings.shared("read-again", lambda: 1 / 0) == trace
