"""Notebook kernels that begin with torch loaded: each a fork of one process that has loaded it.

A kernel of its own takes five seconds to load what every chapter imports, and a chapter runs in a
dozen. These differ from it in nothing else: a namespace of their own, real messages, the folder and
the environment of whoever starts them.

    with kernels(folder) as name:
        NotebookClient(notebook, kernel_name=name).execute()
"""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAME = "warm"


@contextmanager
def kernels(folder: Path) -> Iterator[str]:
    """Start the process that forks, and have Jupyter find it; yield the name of its kernels."""
    address, spec = folder / "socket", folder / "kernels" / NAME / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, __file__, str(address), "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": NAME, "language": "python"}), "utf-8")
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = str(folder)
    with subprocess.Popen(
        [sys.executable, __file__, str(address)], stdin=subprocess.PIPE
    ) as server:
        try:
            yield NAME
        finally:
            os.environ.pop("JUPYTER_PATH")
            if before is not None:
                os.environ["JUPYTER_PATH"] = before
            server.stdin.close()  # it ends


def serve(address: str) -> None:
    """Load what chapters import; then make a kernel of whoever asks for one, until stdin ends."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        import matplotlib.figure
        import torchvision.models.detection  # noqa: F401
        from ipykernel.kernelapp import IPKernelApp

        import tracer  # noqa: F401

        gc.collect()
        gc.freeze()  # what is loaded stays, in every kernel
        gc.set_threshold(50_000)  # as in `leftovers.py`
        threading.Thread(target=_until_stdin_ends, args=(door,), daemon=True).start()
        while True:
            try:
                asking, _ = door.accept()
            except OSError:  # the door was shut
                break
            if os.fork() == 0:
                door.close()
                _become_kernel(asking, IPKernelApp, matplotlib)
            asking.close()
    while True:  # of what they used, the caller is told
        try:
            os.wait()
        except ChildProcessError:
            break


def _until_stdin_ends(door: socket.socket) -> None:
    sys.stdin.buffer.read()
    door.shutdown(socket.SHUT_RDWR)


def _become_kernel(asking: socket.socket, kernel: type, matplotlib: Any) -> None:
    """Take the asking process's place; end with it."""
    asked = json.loads(asking.makefile().readline())
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    threading.Thread(target=lambda: (asking.recv(1), os._exit(0)), daemon=True).start()
    # A kernel names it before matplotlib, which reads it as it is loaded.
    inline = "module://matplotlib_inline.backend_inline"
    matplotlib.rcParams["backend"] = os.environ.setdefault("MPLBACKEND", inline)
    kernel.launch_instance(argv=["-f", asked["file"]])
    os._exit(0)


def ask(address: str, file: str) -> None:
    """Stand for a kernel: have one forked, and wait as long as it is there."""
    environment = {k: v for k, v in os.environ.items() if k != "JPY_PARENT_PID"}
    asked = {"file": file, "folder": os.getcwd(), "environment": environment}
    with socket.socket(socket.AF_UNIX) as asking:
        while asking.connect_ex(address):  # it is not listening yet
            threading.Event().wait(0.05)
        asking.sendall(json.dumps(asked).encode() + b"\n")
        asking.recv(1)


if __name__ == "__main__":
    serve(sys.argv[1]) if len(sys.argv) == 2 else ask(*sys.argv[1:])
