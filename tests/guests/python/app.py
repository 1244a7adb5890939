"""A tool in Python that does what it is told, good or bad."""

import datetime
import encodings.idna
import json
import os
import random
import secrets
import socket
import sys
import time
import uuid

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import manifest, tool
from wit_world.imports import kv, log, types

COUNTER = 0


def fail(code, message, retryable=False, after=None):
    raise Err(types.Error(code, message, retryable, after))


class Manifest(exports.Manifest):
    def describe(self):
        return manifest.Info("python-guest", "1.0.0")


class Tool(exports.Tool):
    def definitions(self):
        return [tool.Definition("echo", "Give it back.", "{}", tool.Risk.READ)]

    def invoke(self, name, parameters):
        global COUNTER
        COUNTER += 1
        given = json.loads(parameters)
        if name == "echo":
            return parameters
        if name == "count":
            return str(COUNTER)
        if name == "fail":
            fail("NO", "said no", True, 5)
        if name == "clock":
            return json.dumps([time.time(), time.monotonic(), datetime.datetime.now().year])
        if name == "random":
            return json.dumps([random.random(), secrets.token_hex(8), str(uuid.uuid4())])
        if name == "surroundings":
            seen = {"environ": dict(os.environ), "argv": sys.argv}
            for what in ("/", "/etc/passwd", "/proc/self/environ", "/tmp"):
                try:
                    seen[what] = os.listdir(what) if what in ("/", "/tmp") else open(what).read()
                except OSError as error:
                    seen[what] = type(error).__name__
            try:
                socket.create_connection(("127.0.0.1", given["port"]), 1)
                seen["socket"] = "connected"
            except OSError as error:
                seen["socket"] = type(error).__name__
            return json.dumps(seen)
        if name == "sleep":
            time.sleep(given["s"])
            return "woke"
        if name == "spin":
            while True:
                pass
        if name == "recurse":
            sys.setrecursionlimit(10**7)

            def deeper(n):
                return deeper(n + 1) + 1

            return str(deeper(0))
        if name == "allocate":
            held = []
            while True:
                held.append(bytearray(1 << 20))
        if name == "print":
            for _ in range(given["lines"]):
                print("x" * 100)
            return "printed"
        if name == "huge":
            return "x" * given["bytes"]
        if name == "crash":
            raise RuntimeError("as asked")
        if name == "exit":
            sys.exit(3)
        if name == "kv":
            revision = kv.put(given["key"], given["value"], None)
            got = kv.get(given["key"])
            return json.dumps([revision, got.value, got.revision])
        if name == "cas":
            try:
                return json.dumps(kv.compare_and_set(given["key"], None, "v", None))
            except Err as error:
                return json.dumps([error.value.code, error.value.retry_after_ms])
        if name == "log":
            log.emit(log.Level.WARN, given["text"])
            return "logged"
        fail("UNKNOWN_TOOL", name)
