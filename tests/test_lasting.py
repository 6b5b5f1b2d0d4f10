"""What a recording leaves in a process: nothing, after any number, in any order, interrupted."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import _get_current_function_mode
from torch.utils._python_dispatch import _get_current_dispatch_mode

import tracer
from tracer.capture import process, spill
from tracer.capture.keep import Store
from tracer.errors import InputError
from tracer.record.checks import problems

ROOT = Path(__file__).parent.parent
LONG = "TRACER_FUZZ" in os.environ
"""As `make test-all` runs them: more interrupts, and more recordings in one process."""


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(2))


def model_and_input():
    model, x = small().eval(), torch.randn(1, 3, 8, 8)
    model(x)
    return model, x


def left(model) -> list[str]:
    """Whatever a recorder changed and did not change back."""
    found = [
        f"hook on {name}"
        for name, m in model.named_modules()
        if m._forward_hooks or m._forward_pre_hooks
    ]
    found += [n for n, p in model.named_parameters() if p._post_accumulate_grad_hooks]
    if gc.get_threshold()[2] == process.NEVER:
        found.append("collector")
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        found.append("handler")
    if _get_current_function_mode() is not None or _get_current_dispatch_mode() is not None:
        found.append("mode")
    if process._recorded or process.held_signals.users or process._collector.users:
        found.append("register")
    return found


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("grain", ["module", "line"])
def test_a_recording_that_nobody_holds_is_gone_at_once(grain):
    """Without the collector, which may be told to leave old objects alone."""
    model, x = model_and_input()
    tracer.trace(model, x, grain=grain)
    gc.collect()
    gc.disable()
    try:
        with tracer.Recorder(model, grain=grain, keep=True) as recorder:
            model(x)
        gone = [weakref.ref(recorder.store), weakref.ref(recorder.states), weakref.ref(recorder)]
        gone.append(weakref.ref(recorder.trace))
        del recorder
        tracer.trace(nn.Identity(), x)  # `last_trace` is another one
        assert [ref() for ref in gone] == [None] * 4
    finally:
        gc.enable()


def test_also_one_of_a_run_that_failed():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 4))

    def record():
        recorder = tracer.Recorder(model, keep=True)
        with pytest.raises(RuntimeError), recorder:
            model(torch.randn(1, 3))
        return weakref.ref(recorder.store)

    gone = record()
    tracer.trace(nn.Identity(), torch.ones(1))
    gc.collect()
    assert gone() is None


@pytest.mark.slow
def test_fifty_recordings_take_no_more_memory_than_a_few():
    script = """
import resource, gc, sys, torch, tracer
from torch import nn
model = nn.Sequential(*[nn.Conv2d(8, 8, 3, padding=1) for _ in range(6)])
x = torch.randn(4, 8, 96, 96)
def used():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize() / 1e6
for i in range(int(sys.argv[1])):
    with torch.no_grad():
        tracer.trace(model, x, keep=True)
    if i == 9:
        before = used()
print(used() - before)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process uses: no /proc")
    done = subprocess.run(
        [sys.executable, "-c", script, "1000" if LONG else "50"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 30  # MB; one recording keeps 9


# --- several at once ------------------------------------------------------------------------------


def test_recorders_that_overlap_in_two_threads_leave_the_collector_as_it_was():
    before = gc.get_threshold()
    inside, leave = threading.Event(), threading.Event()

    def other():
        model, x = model_and_input()
        with tracer.Recorder(model):
            inside.set()
            model(x)
            leave.wait(10)

    thread = threading.Thread(target=other)
    model, x = model_and_input()
    with tracer.Recorder(model):
        thread.start()
        inside.wait(10)
        model(x)
    leave.set()
    thread.join()
    assert gc.get_threshold() == before
    assert left(model) == []


def test_two_coroutines_whose_recorders_end_in_the_order_in_which_they_began():
    async def record(model, x, first, second):
        with tracer.Recorder(model, keep=True) as recorder:
            await first.wait()
            expected = model(x).detach().clone()
            second.set()
            await asyncio.sleep(0)
        return recorder.trace, expected

    async def both():
        a, b, c = asyncio.Event(), asyncio.Event(), asyncio.Event()
        a.set()
        one = asyncio.create_task(record(*models[0], a, b))
        two = asyncio.create_task(record(*models[1], b, c))
        return await asyncio.gather(one, two)

    models = [model_and_input(), model_and_input()]
    for trace, expected in asyncio.run(both()):
        assert problems(trace) == []
        assert trace.error is None
        call = trace.calls[0]
        np.testing.assert_array_equal(trace.data(call.result.tensor), expected.numpy())
        conv = next(c for c in trace.calls if c.path == "0")
        (state,) = conv.result.tensors()
        assert trace.tensors[state].overwritten_by is not None  # the in-place ReLU was seen
    assert [left(model) for model, _ in models] == [[], []]


def test_one_model_in_several_threads_is_refused_and_the_passes_go_on():
    model, x = model_and_input()
    expected = model(x)
    start, found = threading.Barrier(4), []

    def run():
        start.wait()
        for _ in range(5):
            try:
                with tracer.Recorder(model) as recorder:
                    result = model(x)
                found.append(problems(recorder.trace))
            except InputError as error:
                found.append(str(error))
                continue
            assert torch.equal(result, expected)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(f == [] or "recorded in another thread" in f for f in found)
    assert left(model) == []


# --- interrupted ----------------------------------------------------------------------------------


def interrupted(model, x, at: int) -> bool:
    """Record with Ctrl-C at the so-manieth line of the recorder's own code; whether it came."""
    count = 0

    def events(frame, event, argument):
        nonlocal count
        if os.sep + "capture" + os.sep not in frame.f_code.co_filename:
            return None
        if event == "line":
            count += 1
            if count == at:
                signal.raise_signal(signal.SIGINT)
        return events

    before = sys.gettrace()
    sys.settrace(events)
    try:
        with tracer.Recorder(model, grain="op") as recorder, torch.no_grad():
            model(x)
        recorder.trace  # noqa: B018
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    assert count < at, "the interrupt was lost"
    return False


def interrupt_everywhere() -> None:
    """Of entering, running and leaving: every line of the recorder's code, in strides."""
    model, x = model_and_input()
    at, came = 1, 0
    while interrupted(model, x, at):
        assert left(model) == [], f"after an interrupt at line event {at}: {left(model)}"
        came += 1
        at += 1 if came < 150 else (11 if LONG else 23)
    assert left(model) == []
    assert problems(tracer.trace(model, x)) == []
    print(came)


@pytest.mark.slow
def test_an_interrupt_at_any_step_leaves_nothing():
    """In a process of its own: a trace function that raises may leave Python's own state askew."""
    script = "import test_lasting; test_lasting.interrupt_everywhere()"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > (500 if LONG else 200)


def test_an_interrupt_while_a_run_goes_on_is_the_users_own():
    class Stops(nn.Module):
        def forward(self, x):
            signal.raise_signal(signal.SIGINT)
            return x

    model = Stops()
    with pytest.raises(KeyboardInterrupt), tracer.Recorder(model) as recorder:
        model(torch.ones(1))
    assert recorder.trace.error.type == "KeyboardInterrupt"
    assert left(model) == []


def test_a_handler_of_the_users_set_meanwhile_stays():
    model, x = model_and_input()
    handler = lambda number, frame: None  # noqa: E731
    before = signal.getsignal(signal.SIGINT)
    try:
        with tracer.Recorder(model):
            signal.signal(signal.SIGINT, handler)
            model(x)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


# --- values on disk -------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_a_child_that_ends_leaves_its_parents_values(place):
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    store = Store(budget=0)
    store.put("data/0", torch.arange(5))
    child = subprocess.run(
        [sys.executable, "-c", FORKS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert child.stdout.split() == ["child", "[0,", "1,", "2,", "3,", "4]"]
    assert store.get("data/0").tolist() == [0, 1, 2, 3, 4]
    del store
    assert list(place.iterdir()) == []


FORKS = """
import os, sys, torch
from tracer.capture.keep import Store
store = Store(budget=0)
store.put("data/0", torch.arange(5))
if os.fork() == 0:
    print("child", flush=True)
    sys.exit()
os.wait()
print(store.get("data/0").tolist())
"""
KILLED = """
import os, signal, sys, tempfile, torch
tempfile.tempdir = sys.argv[1]
from tracer.capture.keep import Store
store = Store(budget=0)
store.put("data/0", torch.arange(5))
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_process_left_is_removed_by_the_next(number, place):
    used = spill.folder(living := Store(0))
    command = [sys.executable, "-c", KILLED, str(place), str(int(number))]
    assert subprocess.run(command, cwd=ROOT).returncode == -number
    assert len(list(place.iterdir())) == 2
    another = Store(0)
    fresh = spill.folder(another)
    assert set(place.iterdir()) == {used, fresh}
    del living, another
    assert list(place.iterdir()) == []
