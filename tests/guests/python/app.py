"""A tool in Python that does what it is told, good or bad.

It is built with componentize-py, which generates `wit_world`.
"""

# pyright: basic, reportMissingImports=false
# Reason: the bindings exist only where the guest is built.

from __future__ import annotations

import datetime as dt
import encodings.idna  # noqa: F401 - only what is imported at the top is in the component
import json
import os
import random
import secrets
import socket
import sys
import time
import uuid
from pathlib import Path

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import manifest, tool
from wit_world.imports import kv, log, types

calls = []
"".encode("utf-16-le")  # a codec that is used here is in the component


def surroundings(given):
    seen = {"environ": dict(os.environ), "argv": sys.argv}
    for what in ("/etc/passwd", "/proc/self/environ"):
        try:
            seen[what] = Path(what).read_text("utf-8")
        except OSError as error:
            seen[what] = type(error).__name__
    try:
        seen["/"] = [str(one) for one in Path("/").iterdir()]
    except OSError as error:
        seen["/"] = type(error).__name__
    try:
        socket.create_connection((given["host"], given["port"]), 1).close()
        seen["socket"] = "connected"
    except OSError as error:
        seen["socket"] = type(error).__name__
    return seen


def deeper(level):
    return deeper(level + 1) + 1


def recurse(_given):
    sys.setrecursionlimit(10**7)
    return deeper(0)


def allocate(_given):
    held = []
    while True:
        held.append(bytearray(1 << 20))


def spin(_given):
    while True:
        continue


def crash(_given):
    raise RuntimeError("as asked")


def use_kv(given):
    revision = kv.put(given["key"], given["value"], 1.5)
    got = kv.get(given["key"])
    return [revision, got.value, got.revision]


def compare(given):
    try:
        return kv.compare_and_set(given["key"], None, "v", None)
    except Err as error:
        return [error.value.code, error.value.retryable, error.value.retry_after_ms]


def fail(_given):
    raise Err(types.Error("NO", "said no", True, 1500))


TOOLS = {
    "echo": lambda given: given,
    "count": lambda _: len(calls),
    "fail": fail,
    "clock": lambda _: [time.time(), time.monotonic(), dt.datetime.now(dt.UTC).year],
    "random": lambda _: [random.random(), secrets.token_hex(8), str(uuid.uuid4())],
    "surroundings": surroundings,
    "sleep": lambda given: time.sleep(given["s"]),
    "spin": spin,
    "recurse": recurse,
    "allocate": allocate,
    "print": lambda given: [print("x" * 99) for _ in range(given["lines"])],
    "huge": lambda given: "x" * given["bytes"],
    "crash": crash,
    "exit": lambda _: sys.exit(3),
    "encode": lambda given: "x".encode(given["codec"]).hex(),
    "kv": use_kv,
    "compare": compare,
    "log": lambda given: log.emit(log.Level.WARN, given["text"]),
}


class Manifest(exports.Manifest):
    """What it is."""

    def describe(self):
        return manifest.Info("python-guest", "1.0.0")


class Tool(exports.Tool):
    """What it can."""

    def definitions(self):
        return [tool.Definition("echo", "Give it back.", "{}", tool.Risk.READ)]

    def invoke(self, name, parameters):
        calls.append(name)
        return json.dumps(TOOLS[name](json.loads(parameters)))
