"""A browser for the tests of what is shown in one, and the pages that they open in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
)


@contextmanager
def chromium(**options: object) -> Iterator[object]:
    """Start Debian's Chromium, or skip with the reason where it is not there."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium was found on the PATH: on Debian, apt install chromium")
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=path, args=list(FLAGS), **options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser():
    """One for all tests of a file."""
    with chromium() as started:
        yield started


class Opened:
    """A page in a browser, with all that it asked of the network and all that went wrong."""

    def __init__(self, browser, file, address: str = "", **options) -> None:
        options = {"viewport": {"width": 1440, "height": 900}, **options}
        self.context = browser.new_context(**options)
        self.view = self.context.new_page()
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.view.on("request", lambda request: self.requests.append(request.url))
        self.view.on("pageerror", lambda error: self.problems.append(str(error)))
        self.view.on("console", self._note)
        self.view.on("dialog", self._dismiss)
        self.url = file.as_uri()
        self.view.goto(self.url + address)
        self.view.wait_for_selector("html[data-ready]", state="attached")

    def _note(self, message) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _dismiss(self, dialog) -> None:
        self.problems.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *error) -> None:
        self.context.close()

    @property
    def tick(self) -> int:
        return self.view.evaluate("tracerPage.cursor.tick")

    @property
    def hash(self) -> str:
        return self.view.evaluate("tracerPage.address()")

    def until(self, expression: str) -> None:
        """Wait until it is true; asked through the debugger, which the policy does not bind."""
        deadline = time.monotonic() + 30
        while not self.view.evaluate(expression):
            assert time.monotonic() < deadline, f"never came true: {expression}"
            self.view.wait_for_timeout(20)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.view.keyboard.press(key)

    def drawn(self) -> None:
        """Draw now what the page would draw with its next picture."""
        self.view.evaluate("globalThis.tracerPage?.draw()")

    def text(self, selector: str) -> str:
        self.drawn()
        return self.view.locator(selector).first.inner_text()
