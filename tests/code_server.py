"""VS Code as a web server, with the extension installed, and a hand in a browser that uses it.

What it needs lies in `TOOLS`, where ``make editors`` puts it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tracer import __version__
from tracer.editors.vsix import vsix

TOOLS = Path(sys.prefix) / "editors"
"""Node, Neovim and packages of npm, beside the environment that the tests run in."""

MERGE = "last_inner = inner_lateral + inner_top_down"

SETTINGS = {
    "files.readonlyInclude": {"**": True},  # the sources that it opens are the installed ones
    "files.autoSave": "off",
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.colorTheme": "Default Light Modern",
    "chat.disableAIFeatures": True,
    "chat.commandCenter.enabled": False,
    "workbench.layoutControl.enabled": False,
    "breadcrumbs.enabled": False,
    "editor.minimap.enabled": False,
    "editor.stickyScroll.enabled": False,
    "debug.internalConsoleOptions": "neverOpen",
    "debug.inlineValues": "on",
    "debug.toolBarLocation": "docked",
    "remote.autoForwardPorts": False,
    "git.enabled": False,
    "extensions.autoCheckUpdates": False,
    "extensions.ignoreRecommendations": True,
    "telemetry.telemetryLevel": "off",
}


def merge() -> tuple[Path, int]:
    """Where the pyramid adds two levels: its file and line."""
    from torchvision.ops import feature_pyramid_network as module

    file = Path(module.__file__)
    lines = file.read_text("utf-8").split("\n")
    return file, next(n for n, line in enumerate(lines, 1) if MERGE in line)


def tool(*parts: str) -> Path:
    """The path of a tool, or a skip with the reason where it is not there, or not whole."""
    path = TOOLS.joinpath(*parts)
    if not (path.exists() and (TOOLS / ".stamp").exists()):
        pytest.skip(f"{parts[-1]} is not in {TOOLS}: make editors")
    return path


@contextmanager
def code_server(folder: Path, python: str = sys.executable, lang: str = "en") -> Iterator[str]:
    """Serve VS Code with the extension, on a folder of its own; give its address.

    Args:
        folder: an empty one, for all that it writes.
        python: which one the extension is told to use.
        lang: that VS Code speaks to its extensions; its own words stay English.
    """
    node = tool("bin", "node")
    command = [str(node), str(tool("node_modules", "code-server", "out", "node", "entry.js"))]
    data, extensions = folder / "data", folder / "extensions"
    command += [f"--user-data-dir={data}", f"--extensions-dir={extensions}"]
    command += [f"--config={folder / 'none.yaml'}"]
    for name, settings in (
        ("User", SETTINGS),
        ("Machine", {"rcnn-tracer.python": python}),
    ):
        (data / name).mkdir(parents=True)
        (data / name / "settings.json").write_text(json.dumps(settings), "utf-8")
    file = folder / "rcnn-tracer.vsix"
    file.write_bytes(vsix(__version__))
    subprocess.run([*command, f"--install-extension={file}"], check=True, capture_output=True)
    speak(lang, data)
    port = free_port()
    serving = [f"--bind-addr=127.0.0.1:{port}", "--auth=none", "--disable-telemetry"]
    serving += ["--disable-update-check", "--disable-workspace-trust", f"--locale={lang}"]
    address = f"http://127.0.0.1:{port}/"
    with open(folder / "log.txt", "wb") as log:
        server = subprocess.Popen(
            [*command, *serving], stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(address, server, folder / "log.txt")
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def speak(lang: str, data: Path) -> None:
    """Let a language be there, as its language pack would, without any words in it."""
    words = data / f"{lang}.json"
    words.write_text(json.dumps({"": [], "version": "1.0.0", "contents": {}}), "utf-8")
    by = {"extensionIdentifier": {"id": "tests.language"}, "version": "1.0.0"}
    pack = {"hash": "1", "extensions": [by], "translations": {"vscode": str(words)}, "label": lang}
    (data / "languagepacks.json").write_text(json.dumps({lang: pack}), "utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 300
    while True:
        assert server.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline, log.read_text("utf-8")
        try:
            urllib.request.urlopen(f"{address}healthz", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)


class Hand:
    """What a reader does in VS Code: keys, menus, and what is then to be seen.

    VS Code draws its lists anew whenever it likes, so that a click may meet what is about to go.
    Whatever is done here is done again until it had its effect.
    """

    def __init__(self, page, address: str, folder: Path) -> None:
        self.page = page
        page.goto(f"{address}?folder={folder}", timeout=300_000)
        page.wait_for_selector(".monaco-workbench", timeout=300_000)
        page.set_default_timeout(10_000)  # of one attempt

    def until(self, found, what: str):
        """Try until something is found, and return it."""
        from playwright.sync_api import Error

        deadline = time.monotonic() + 300
        failed: Error | None = None
        while time.monotonic() < deadline:
            try:
                if it := found():
                    return it
            except Error as error:
                failed = error
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never came true: {what}\n{failed or ''}\n{self.seen()}")

    def seen(self) -> str:
        return self.page.locator(".monaco-workbench").inner_text()

    def menu(self, find, name: str) -> None:
        """Choose from the context menu of what is found; at first the extension is not there."""
        menu = self.page.locator(".context-view .monaco-menu")
        entry = menu.get_by_role("menuitem", name=name)

        def opened() -> bool:
            if menu.count():
                self.page.keyboard.press("Escape")
                menu.wait_for(state="hidden")
            find().click(button="right")
            menu.get_by_role("menuitem").first.wait_for()
            return entry.count() > 0

        self.until(opened, f"{name} in the menu")
        # a menu takes no click in its first tenth of a second
        self.until(lambda: not menu.count() or entry.click(timeout=1000), f"{name} is taken")

    def pick(self, key: str, text: str, entry: str) -> None:
        """Open the palette by a key, write into it, and take an entry."""
        palette = self.page.locator(".quick-input-widget")

        def picked() -> bool:
            if palette.is_visible():
                self.page.keyboard.press("Escape")
                palette.wait_for(state="hidden")
            self.page.keyboard.press(key)
            palette.locator("input").fill(text)
            palette.locator(".quick-input-list .monaco-list-row", has_text=entry).first.click()
            return True

        self.until(picked, f"{entry} in the palette")

    def command(self, name: str) -> None:
        """Carry out a command by its name in the palette."""
        self.pick("F1", f">{name}", name)

    def open(self, file: Path, line: int) -> None:
        """Open a file at a line, wherever it lies."""
        self.pick("Control+p", f"{file}:{line}", file.name)
        self.until(lambda: self.line() == line, f"line {line} of {file.name}")

    def breakpoint(self, condition: str) -> None:
        """Set a breakpoint with a condition where the editor's cursor stands."""
        self.command("Debug: Add Conditional Breakpoint...")
        field = self.page.locator(".breakpoint-widget .monaco-editor.focused")
        self.until(field.is_visible, "the field of a condition")
        self.page.keyboard.type(condition)
        self.page.keyboard.press("Enter")
        self.until_set("conditional")

    def until_set(self, kind: str) -> None:
        """Wait until the server has taken a breakpoint of this kind."""
        mark = self.page.locator(f".debug-breakpoints .codicon-debug-breakpoint-{kind}")
        self.until(mark.is_visible, f"a breakpoint, {kind}")

    def line(self) -> int:
        """The line that the editor's cursor stands at."""
        status = self.page.locator("#status\\.editor\\.selection").inner_text()
        found = re.search(r"Ln (\d+)", status)
        return int(found[1]) if found else 0

    def press(self, button: str) -> None:
        """Press a button of the debugger, by its icon."""

        def pressed() -> bool:
            self.page.locator(f".codicon-debug-{button}").first.click()
            return True

        self.until(pressed, f"the button {button}")

    def file(self, name: str):
        """A file in the explorer."""
        return self.page.get_by_role("treeitem", name=name)

    def until_at(self, frame: str, line: int | None = None) -> None:
        """Wait until the innermost call has this name, and stands at this line."""
        ends = "" if line is None else f"{line}:1"

        def is_there() -> bool:
            now = next(iter(self.frames()), "")
            return frame in now and now.endswith(ends)

        self.until(is_there, f"{frame} {ends}")

    def until_within(self, frame: str) -> None:
        """Wait until the innermost call is made by one of this name: it comes after the first."""
        self.until(lambda: frame in " ".join(self.frames()[1:2]), f"a call within {frame}")

    def until_holds(self, name: str, value: str) -> None:
        """Wait until a variable reads so; what is seen at first may be of the stop before."""
        self.until(lambda: value in self.variable(name).inner_text(), f"{name} = {value}")

    def shown_address(self) -> str:
        """The address of the step that the page beside the source shows."""
        from playwright.sync_api import Error

        for frame in self.page.frames:
            with suppress(Error):  # it is being loaded, or has gone
                if frame.evaluate("Boolean(globalThis.tracerPage)"):
                    return frame.evaluate("tracerPage.address()")
        return ""

    def frames(self) -> list[str]:
        """The stack of calls, the innermost first."""
        rows = self.page.locator(".debug-call-stack .stack-frame")
        return [" ".join(text.split()) for text in rows.all_inner_texts()]

    def variable(self, name: str):
        """The row of a variable."""
        exact = re.compile(rf"^\s*{re.escape(name)}\s*[:=]")
        return self.page.locator(".debug-variables .monaco-list-row", has_text=exact).first

    def item(self, name: str, index: str):
        """The row of an item within a variable, which it opens where it is closed."""
        item = self.variable(index)
        if not item.count():
            self.variable(name).click()
            item.wait_for()
        return item
