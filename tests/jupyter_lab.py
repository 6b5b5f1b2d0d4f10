"""JupyterLab as its users have it: a server over a folder, and a notebook open in a browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TOKEN = "reader"
WIDE = {"width": 1500, "height": 1000}


@contextmanager
def jupyter_lab(folder: Path, **environment: str) -> Iterator[str]:
    """Serve a folder; give the address.

    Args:
        folder: with the notebooks; what the server writes goes there too.
        environment: more variables, for it and its kernels.
    """
    pytest.importorskip("jupyterlab", reason="JupyterLab is missing: pip install jupyterlab")
    own = {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(_settings(folder / "settings")),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1"]
    log = folder / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **own, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _address(server, log)
        finally:
            server.terminate()
            server.wait(timeout=30)


def _settings(folder: Path) -> Path:
    """What the lab's user has chosen: no news, and every cell in the document, seen or not."""
    chosen = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in chosen.items():
        file = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")
    return folder


def _address(server, log) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8"))
        if found:
            with urllib.request.urlopen(f"{found[0]}/api?token={TOKEN}") as answer:
                assert answer.status == 200
            return found[0]
        assert server.poll() is None, log.read_text("utf-8")
        time.sleep(0.2)
    raise AssertionError("JupyterLab did not start: " + log.read_text("utf-8"))


_BEGUN = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(
    (prompt) => /\\[[*\\d]/.test(prompt.textContent)
)"""
_ALL_RAN = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
    return prompts.length > 3 && prompts.every((p) => /\\[\\d+\\]/.test(p.textContent));
}"""


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, browser, address: str, name: str) -> None:
        from playwright.sync_api import TimeoutError as TimeIsUp

        self.timeout = TimeIsUp
        self.name = name
        self.url = f"{address}/lab/tree/{name}.ipynb?token={TOKEN}&reset"
        self.view = browser.new_context(viewport=WIDE).new_page()

    def open(self) -> None:
        """Open it and wait for its kernel."""
        self.view.goto(self.url)
        self.view.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        self.view.wait_for_function(
            "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'",
            timeout=120_000,
        )

    def run_all(self) -> None:
        """Run every cell and wait until the last one is done.

        JupyterLab loses what it is told while it still connects to a kernel, and no cell begins:
        then once more.
        """
        for last in (False, False, True):
            self.open()
            self.view.locator(".lm-MenuBar-item", has_text="Run").first.click()
            self.view.locator(".lm-Menu-item", has_text="Run All Cells").first.click()
            try:
                self.view.wait_for_function(_BEGUN, timeout=60_000 if last else 10_000)
            except self.timeout:
                if last:
                    raise
            else:
                break
        self.view.wait_for_function(_ALL_RAN, timeout=400_000)

    def keep_a_look(self, what: str) -> None:
        """Take a screenshot, where a folder for them is named: for people to look at."""
        if "RCNN_TRACER_SCREENSHOTS" in os.environ:
            folder = Path(os.environ["RCNN_TRACER_SCREENSHOTS"])
            self.view.screenshot(path=folder / f"{self.name}-{what}.png")

    def picture_of(self, explorer) -> str:
        return explorer.locator("img").first.get_attribute("src") or ""
