"""Surveys on Dask: equal to those of one process, whatever dies meanwhile."""

from __future__ import annotations

import signal
import socket
import time

import pytest
import torch
from surveyed import Deadly, Scenes, tiny_detector
from test_surveys import same

import tracer
from tracer.errors import InputError
from tracer.surveys import cluster
from tracer.surveys.cluster import connected

distributed = pytest.importorskip("distributed")


@pytest.mark.slow
def test_three_workers_one_of_them_killed_in_the_middle(tmp_path):
    torch.set_num_threads(1)
    model, flag = tiny_detector(), tmp_path / "killed"
    found = tracer.survey(model, Deadly(24, 13, flag), workers=3, path=tmp_path / "s.safetensors")
    assert flag.exists(), "no worker was killed"
    assert not found.problems
    same(found, tracer.survey(model, Scenes(24)))
    same(found, tracer.load_survey(tmp_path / "s.safetensors"))


@pytest.mark.slow
def test_ctrl_c_is_for_the_one_who_asked_and_not_for_local_workers():
    with connected(1, None) as client:
        (handler,) = client.run(signal.getsignal, signal.SIGINT).values()
    assert handler == signal.SIG_IGN


def test_a_scheduler_that_is_not_there_is_said_soon():
    start = time.monotonic()
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        tracer.survey(tiny_detector(), Scenes(1), scheduler="tcp://127.0.0.1:1")
    assert time.monotonic() - start < 120  # 6 s, and what a busy machine adds


@pytest.mark.slow
def test_a_server_that_is_no_scheduler_is_said_soon():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match="no Dask scheduler answers"):
            tracer.survey(tiny_detector(), Scenes(1), scheduler=address)


def test_an_address_that_is_none_is_said():
    with pytest.raises(InputError, match="no Dask scheduler answers at 'nonsense://'"):
        tracer.survey(tiny_detector(), Scenes(1), scheduler="nonsense://")


class Client:
    """What `checked_workers` asks of a client."""

    def __init__(self, answers):
        self.answers = answers

    def wait_for_workers(self, count, timeout):
        if not self.answers:
            raise TimeoutError

    def run(self, function, code, on_error):
        return {f"tcp://w{at}": function(code) if each is None else each
                for at, each in enumerate(self.answers)}  # fmt: skip


def test_workers_of_another_version_or_without_the_package_are_refused():
    assert cluster.checked_workers(Client([None, None])) == 2
    with pytest.raises(InputError, match=r"worker tcp://w1 has rcnn-tracer 0\.0\.1"):
        cluster.checked_workers(Client([None, "0.0.1"]))
    with pytest.raises(InputError, match=r"worker tcp://w0 cannot use rcnn-tracer \(ModuleNotFou"):
        cluster.checked_workers(Client([ModuleNotFoundError("No module named 'tracer'")]))
    with pytest.raises(InputError, match="has no worker"):
        cluster.checked_workers(Client([]))


def test_another_torch_is_warned_of():
    class Mixed(Client):
        def run(self, function, code, on_error):
            return super().run(function, code, on_error) if "torch" not in code else {"w": "1.0"}

    with pytest.warns(UserWarning, match=r"workers have torch 1\.0"):
        cluster.checked_workers(Mixed([None]))


def test_a_number_of_workers_is_not_negative():
    with pytest.raises(InputError, match="1 or more"), connected(-1, None):
        pass
