"""A small client of the Debug Adapter Protocol, for tests: raw bytes, no library."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def definitions():
    """The protocol's own schema, which debugpy ships."""
    package = Path(find_spec("debugpy").submodule_search_locations[0])
    return json.loads(next(package.rglob("debugProtocol.json")).read_text("utf-8"))["definitions"]


@cache
def validator(name):
    from jsonschema import Draft4Validator  # which reads a grammar first: a second

    return Draft4Validator({"$ref": f"#/definitions/{name}", "definitions": definitions()})


def name_of(message):
    """What the protocol calls a message."""
    kind = message["type"]
    if kind == "response" and not message["success"]:
        return "ErrorResponse"
    name = message["event" if kind == "event" else "command"]
    return f"{name[:1].upper()}{name[1:]}{kind.capitalize()}"


def require_valid(message):
    """Hold a message to the protocol, and what its body has to the names that are known there."""
    name = name_of(message)
    if "/" in name:
        return  # of our own
    errors = [error.message for error in validator(name).iter_errors(message)]
    assert not errors, (name, errors)
    parts = definitions()[name].get("allOf", [{}])[-1].get("properties", {})
    for part in ("body", "arguments"):
        where, found = parts.get(part, {}), message.get(part)
        known = definitions()[where["$ref"].split("/")[-1]] if "$ref" in where else where
        if isinstance(found, dict) and "properties" in known and name not in OPEN:
            assert set(found) <= set(known["properties"]), (name, found)


OPEN = ("LaunchRequest", "AttachRequest")
"""What they have is for the server to say."""


class Refused(Exception):
    """The server answered that a request cannot be carried out."""


class Client:
    """Talks to a server over two streams; every message that came is in `log`.

    Attributes:
        checks: whether messages are held to the protocol's schema.
    """

    checks = True

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.seq = 0
        self.log: list[dict[str, Any]] = []
        self.events: deque[dict[str, Any]] = deque()

    def send(self, command, valid=True, **arguments):
        self.seq += 1
        message = {"seq": self.seq, "type": "request", "command": command, "arguments": arguments}
        if valid and self.checks:
            require_valid(message)
        self.raw(frame(json.dumps(message).encode()))
        return self.seq

    def raw(self, data):
        self.writer.write(data)
        self.writer.flush()

    def read(self):
        """The next message; None at the end."""
        line = self.reader.readline()
        if not line:
            return None
        name, _, length = line.partition(b":")
        assert name == b"Content-Length"
        assert self.reader.readline() == b"\r\n"
        body = self.reader.read(int(length))
        message = json.loads(body)
        if self.checks:
            require_valid(message)
        assert message["seq"] == len(self.log) + 1
        self.log.append(message)
        return message

    def response(self, seq):
        while (message := self.read()) is not None:
            if message["type"] == "response" and message["request_seq"] == seq:
                return message
            self.events.append(message)
        raise EOFError("the server has gone")

    def ask(self, command, **arguments):
        found = self.response(self.send(command, **arguments))
        if not found["success"]:
            raise Refused(found["message"])
        return found.get("body") or {}

    def event(self, name):
        """The next event of this name; those before it are dropped."""
        while True:
            while self.events:
                if (found := self.events.popleft())["event"] == name:
                    return found["body"]
            message = self.read()
            if message is None:
                raise EOFError(f"the server has gone, and there was no {name}")
            self.events.append(message)

    # --- what most tests begin with ---

    def begin(self, **launch):
        self.ask("initialize", adapterID="rcnn-tracer", linesStartAt1=True, columnsStartAt1=True)
        self.ask("launch", **launch)
        self.event("initialized")
        self.ask("configurationDone")
        return self.event("stopped")

    def go(self, command, **arguments):
        self.ask(command, threadId=1, **arguments)
        return self.event("stopped")

    def top(self):
        return self.ask("stackTrace", threadId=1, levels=1)["stackFrames"][0]

    def scopes(self, frame=None):
        found = self.ask("scopes", frameId=frame or self.top()["id"])["scopes"]
        return {scope["name"]: scope["variablesReference"] for scope in found}

    def variables(self, reference, **page):
        found = self.ask("variables", variablesReference=reference, **page)["variables"]
        return {variable["name"]: variable for variable in found}

    def locals(self):
        return self.variables(self.scopes()["Locals"])

    def step(self):
        return self.ask("tracer/position")["step"]


def frame(body):
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


class Started(Client):
    """A client that has started the server as an editor does."""

    def __init__(self, *arguments, script=None, **options):
        ours = ["-m", "tracer", "dap"] if script is None else ["-c", script]
        words = [sys.executable, *ours, *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, **options)
        super().__init__(self.process.stdout, self.process.stdin)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@contextmanager
def over(connection):
    """A client at the other end of a socket, which is gone afterwards."""
    try:
        client = Client(connection.makefile("rb"), connection.makefile("wb"))
        client.connection = connection
        yield client
    finally:
        with contextlib.suppress(OSError):  # the server was faster
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


def connected(port):
    """The same, as soon as somebody waits at a port of this machine."""
    while True:
        try:
            return over(socket.create_connection(("127.0.0.1", port)))
        except ConnectionRefusedError:
            time.sleep(0.05)
