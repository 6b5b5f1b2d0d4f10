"""Drives the full-screen stepper without a terminal, and reads its screen as text."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable
from typing import Any

from rich.cells import cell_len

from tracer.record import Trace
from tracer.stepper import Stepper
from tracer.views.screen import StepperApp

CELL = 12.2  # width of a character in Textual's SVG


def play(
    trace: Trace,
    keys: str = "",
    size: tuple[int, int] = (80, 24),
    lang: str = "en",
    then: Callable[[StepperApp, Any], Any] | None = None,
) -> tuple[StepperApp, str]:
    """Press keys in a stepper's screen; return the app and what its screen shows.

    Args:
        trace: what to step through.
        keys: names of keys, parted by blanks.
        size: of the terminal, columns × rows.
        lang: of the words.
        then: an async function of the app and Textual's pilot, run afterwards.
    """

    async def run() -> str:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            for key in keys.split():
                await pilot.press(key)
            if then is not None:
                await then(app, pilot)
            await pilot.pause()
            await pilot.pause()
            return screen_text(app)

    app = StepperApp(Stepper(trace, lang=lang))
    return app, asyncio.run(run())


def screen_text(app: StepperApp) -> str:
    """Return the screen's characters, a line per row, without colours."""
    rows: dict[int, list[tuple[float, str]]] = {}
    pattern = r'<text class="[^"]*-r\d+" x="([\d.]+)"[^>]*-line-(\d+)\)">([^<]*)</text>'
    for x, row, text in re.findall(pattern, app.export_screenshot()):
        rows.setdefault(int(row), []).append((float(x), html.unescape(text).replace("\xa0", " ")))
    last = max(rows, default=0)
    return "".join(f"{_joined(rows.get(row, []))}\n" for row in range(last + 1))


def _joined(parts: list[tuple[float, str]]) -> str:
    line = ""
    for x, text in sorted(parts):
        line += " " * (round(x / CELL) - cell_len(line)) + text
    return line.rstrip()
