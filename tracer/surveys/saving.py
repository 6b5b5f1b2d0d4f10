"""What there is of a survey is saved as it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tracer.surveys.data import Survey, combined
from tracer.surveys.store import save_survey

Progress = Callable[[int, int, str], None]
"""Told how many pictures are done, of how many, and what the last one is called."""

EVERY = 30.0
"""Seconds after which what there is is saved again."""


class Saving:
    """Where what there is goes, and what was there before."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        before: Survey | None,
        overwrite: bool = False,
    ) -> None:
        """Get ready."""
        self.path, self.before, self.overwrite = path, before, overwrite
        self._saved = time.monotonic()

    def now_and_then(self, survey: Callable[[], Survey]) -> None:
        """Save, if that was some time ago."""
        if self.path is not None and time.monotonic() - self._saved > EVERY:
            self.last(survey())
            self._saved = time.monotonic()

    def last(self, survey: Survey) -> Survey:
        """Save, and return all that there is."""
        whole = survey if self.before is None else combined([self.before, survey])
        if self.path is not None:
            save_survey(whole, self.path, overwrite=self.overwrite)
        return whole
