"""The page of one 800-pixel pass with all grains: its size, how soon it is ready, how long a step.

The pass is the demo's: its scene, its detector (or random weights with --random). The times are
headless Chromium's; a step is measured from the key to the finished layout and the drawn pictures,
which the page itself leaves to the screen's next frame. `cpu` is the mean of what the page's own
thread worked: unlike the times, it says the same on a busy machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import tracer
from tracer.rcnn import models
from tracer.rcnn.demo import default_scene
from tracer.record import Trace
from tracer.views.page import BUDGET, page
from tracer.views.page.shell import bundle, static

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
)
TARGETS = {"MB": BUDGET / 1e6, "ready": 1500, "step": 50}

# Presses a key many times; each time the layout is asked for, so that its cost is in the sum.
PRESS = """([key, times]) => Array.from({ length: times }, () => {
  const start = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  tracerPage.draw();
  document.body.getBoundingClientRect();
  document.querySelector(".line.here")?.getBoundingClientRect();
  return performance.now() - start;
})"""
SCRUB = """(times) => Array.from({ length: times }, (_, i) => {
  const slider = document.querySelector('.strip input');
  const start = performance.now();
  const index = (i * 7919) % Number(slider.max);
  tracerPage.go(tracerPage.cursor.positions[index].tick);
  tracerPage.draw();
  document.body.getBoundingClientRect();
  return performance.now() - start;
})"""


def record(size: int, weights: str | None) -> Trace:
    """One pass over the demo's scene, with lines and what the drawings need."""
    model = models.build("fasterrcnn_resnet50_fpn", weights, min_size=size, max_size=1333).eval()
    image = torch.as_tensor(default_scene().image).permute(2, 0, 1).float() / 255
    with torch.no_grad():
        return tracer.trace(model, [image], grain="line", keep="anatomy")


def browse(file: Path, repeats: int) -> dict[str, tuple[list[float], float]]:
    """Open the page several times, then step and scrub; each time, and the mean of the thread's.

    All in milliseconds.
    """
    from playwright.sync_api import sync_playwright

    found: dict[str, tuple[list[float], float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        ready, worked = [], []
        for _ in range(repeats):
            view = browser.new_page(viewport={"width": 1440, "height": 900})
            session = view.context.new_cdp_session(view)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            view.goto(file.as_uri())
            view.wait_for_selector("html[data-ready]", state="attached")
            worked.append(_worked(session))
            ready.append(float(view.evaluate("document.documentElement.dataset.ready")))
        found["ready"] = ready, statistics.mean(worked)
        view.wait_for_timeout(2000)  # as a reader, who looks before pressing a key
        acts = [("into, s", PRESS, ["s", 200]), ("over, →", PRESS, ["ArrowRight", 200])]
        for name, script, given in [*acts, ("stage, [", PRESS, ["[", 10]), ("scrub", SCRUB, 200)]:
            before = _worked(session)
            times = view.evaluate(script, given)
            found[name] = times, (_worked(session) - before) / len(times)
        browser.close()
    return found


def _worked(session: Any) -> float:
    """Milliseconds that the page's main thread has worked."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def main() -> None:
    """Record, build, browse and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=800, help="shorter side in pixels")
    parser.add_argument("--random", action="store_true", help="random weights")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    trace = record(args.size, None if args.random else "demo")
    start = time.perf_counter()
    text = page(trace)
    print(f"{trace}\nbuilt in {time.perf_counter() - start:.1f} s")
    print(f"page     {len(text) / 1e6:8.2f} MB   target {TARGETS['MB']:.0f} MB")
    own = [len(text.encode()) / 1e3 for text in (bundle(), static("page.css"), static("page.html"))]
    print(f"own      {sum(own):8.0f} kB   script {own[0]:.0f}, style {own[1]:.0f}; uncompressed")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(text, "utf-8")
        _print(browse(file, args.repeats))


def _print(found: dict[str, Any]) -> None:
    for name, (times, cpu) in found.items():
        target = TARGETS["ready" if name == "ready" else "step"]
        worst = sorted(times)[max(0, int(len(times) * 0.95) - 1)]
        print(
            f"{name:<10} median {statistics.median(times):7.1f} ms   "
            f"95 % {worst:7.1f} ms   worst {max(times):7.1f} ms   "
            f"cpu {cpu:6.1f} ms   target {target} ms"
        )


if __name__ == "__main__":
    main()
