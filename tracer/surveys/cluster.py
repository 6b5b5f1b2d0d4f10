"""A survey on more processes or machines, by Dask.

The model and the list of pictures travel once to each worker; pictures are read where the workers
are. Each finished chunk comes back at once and is added up here, pairs of equal size first, so that
a worker that dies takes nothing along but the chunk that it was at: Dask gives that to another one.
"""

from __future__ import annotations

import copy
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from tracer.errors import InputError
from tracer.surveys.data import Problem, Subject, Sum, Survey, empty
from tracer.surveys.gather import here
from tracer.surveys.parts import parts_of
from tracer.surveys.pictures import Pictures
from tracer.surveys.saving import Progress, Saving

PATIENCE = 6
"""Seconds that a scheduler has to answer."""

CHUNK = 16
"""Pictures that a worker takes at a time, at most."""

_CTRL_C_IS_OURS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""What local workers carry out at first: a terminal sends Ctrl-C to them as well."""

_lock = threading.Lock()  # hooks see every thread of a process: one chunk at a time
_placed: dict[str, nn.Module] = {}


@dataclass(frozen=True, eq=False)
class Job:
    """What each worker gets once.

    Attributes:
        token: tells one job from another.
        model: on the CPU, in eval mode.
        pictures: of the data set.
        subject: what is surveyed.
        device: ``"cpu"``, ``"cuda"`` or another kind.
    """

    token: str
    model: nn.Module
    pictures: Pictures
    subject: Subject
    device: str


def on_cluster(
    model: nn.Module,
    pictures: Pictures,
    subject: Subject,
    numbers: Sequence[int],
    workers: int,
    scheduler: str | None,
    keep: Saving,
    progress: Progress | None = None,
) -> Survey:
    """Survey pictures on a local cluster of so many workers, or on one that is running.

    Args:
        model: in eval mode.
        pictures: of the data set.
        subject: what is surveyed.
        numbers: of the pictures.
        workers: of a local cluster.
        scheduler: address of one that is running, instead.
        keep: where what there is is saved, see `Saving`.
        progress: called after each chunk.

    Raises:
        InputError: dask.distributed is not installed; no scheduler answers; it has no workers, or
            some of another version.
    """
    device = next((p.device.type for p in model.parameters()), "cpu")
    own = model if device == "cpu" else copy.deepcopy(model).cpu()
    token = f"{subject.fingerprint}-{id(own):x}"
    with connected(workers, scheduler) as client:
        count = checked_workers(client)
        job = client.scatter(Job(token, own, pictures, subject, device), broadcast=True, hash=False)
        whole = Sum(empty(subject, len(pictures)))
        try:
            for found in _chunks(client, job, subject, numbers, count, pictures):
                whole.add(found)
                if progress is not None:
                    last = found.names[-1] if found.names else ""
                    progress(len(whole), len(numbers), last)
                keep.now_and_then(whole.survey)
        except KeyboardInterrupt:
            pass
        return keep.last(whole.survey())


# --- the client's side ----------------------------------------------------------------------------


@contextmanager
def connected(workers: int, scheduler: str | None) -> Iterator[Any]:
    """Connect to a scheduler, or to a local cluster that lasts as long as the block.

    Raises:
        InputError: dask.distributed is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "more processes need dask.distributed: pip install rcnn-tracer[cluster]"
        ) from None
    if workers < 0:
        raise InputError(f"the number of workers is 1 or more; found {workers}")
    with ExitStack() as stack:
        if scheduler is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the dashboard's port is taken, or bokeh not there
                cluster = stack.enter_context(
                    LocalCluster(n_workers=workers, threads_per_worker=1, processes=True,
                                 silence_logs=logging.CRITICAL, preload=[_CTRL_C_IS_OURS])
                )  # fmt: skip
            yield stack.enter_context(Client(cluster))
            return
        yield stack.enter_context(_answering(scheduler, Client))


def _answering(scheduler: str, client: Callable[..., Any]) -> Any:
    """Return the client of a scheduler.

    What takes a connection and never says a word would be waited for without end: it is asked in a
    thread of its own.

    Raises:
        InputError: it does not answer in time.
    """
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(client(scheduler, timeout=PATIENCE))
        except Exception as error:  # what a wrong address, or another server, makes of it
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE + 1)
    if found and not isinstance(found[0], Exception):
        return found[0]
    reason = f" ({type(found[0]).__name__})" if found else ""
    raise InputError(
        f"no Dask scheduler answers at {scheduler!r} (waited {PATIENCE} s){reason}: see that it "
        "runs, and that the address is the one that it names itself, as in tcp://host:8786"
    )


def checked_workers(client: Any) -> int:
    """Return how many workers there are, having seen that each has this package and version.

    Raises:
        InputError: there is none, or one that lacks the package or has another version of it.
    """
    import tracer

    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise InputError(
            f"the Dask scheduler has no worker (waited {PATIENCE} s): start some, with dask worker "
            "and the scheduler's address"
        ) from None
    versions = client.run(eval, "__import__('tracer').__version__", on_error="return")
    for address, found in versions.items():
        if isinstance(found, Exception):
            reason = f"{type(found).__name__}: {found}"
            raise InputError(
                f"the worker {address} cannot use rcnn-tracer ({reason}): install it there, "
                f"version {tracer.__version__}"
            )
        if found != tracer.__version__:
            raise InputError(
                f"the worker {address} has rcnn-tracer {found}, and {tracer.__version__} is here: "
                "install the same version everywhere"
            )
    torches = client.run(eval, "__import__('torch').__version__", on_error="return")
    others = {str(each) for each in torches.values()} - {str(torch.__version__)}
    if others:
        warnings.warn(
            f"workers have torch {', '.join(sorted(others))}, and {torch.__version__} is here: "
            "results may differ by rounding",
            stacklevel=2,
        )
    return len(versions)


def _chunks(
    client: Any,
    job: Any,
    subject: Subject,
    numbers: Sequence[int],
    workers: int,
    pictures: Pictures,
) -> Iterator[Survey]:
    """Yield the survey of each chunk as it is done; what fails is tried picture by picture."""
    from distributed import as_completed

    size = max(1, min(CHUNK, -(-len(numbers) // (4 * workers))))
    chunks = [tuple(numbers[at : at + size]) for at in range(0, len(numbers), size)]
    of = {client.submit(take, job, chunk, pure=False): chunk for chunk in chunks}
    done = as_completed(of, with_results=False)
    try:
        for future in done:
            chunk = of.pop(future)
            error = None if future.status == "finished" else future.exception()
            if error is None:
                yield future.result()
            elif len(chunk) > 1:
                for number in chunk:
                    again = client.submit(take, job, (number,), pure=False)
                    of[again] = (number,)
                    done.add(again)
            else:
                yield _lost(subject, chunk[0], pictures, error)
    finally:
        client.cancel(list(of))


def _lost(subject: Subject, number: int, pictures: Pictures, error: BaseException) -> Survey:
    """The survey of a picture that no worker could look at."""
    text = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    problem = Problem(number, pictures.name(number), "failed", text)
    return replace(empty(subject, len(pictures)), problems=(problem,))


# --- the workers' side ----------------------------------------------------------------------------


def take(job: Job, numbers: Sequence[int]) -> Survey:
    """Survey some pictures on a worker."""
    with _lock:
        model = _placed.get(job.token)
        if model is None:
            _placed.clear()
            model = _placed[job.token] = job.model.to(_device(job.device))
        return here(parts_of(model), job.subject, job.pictures, numbers)


def _device(kind: str) -> torch.device:
    """A worker's own device: of several of this machine one each, by the worker's number."""
    if kind != "cuda":
        return torch.device(kind)
    from distributed import get_worker

    name = str(get_worker().name).rpartition("-")[2]
    number = int(name) if name.isdigit() else 0
    return torch.device("cuda", number % max(torch.cuda.device_count(), 1))
