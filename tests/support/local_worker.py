"""A worker of the embedded model without a model: the real pipe protocol, a scripted engine.

The last message decides: `echo: TEXT` answers TEXT word by word, `tool: NAME` chooses a tool if a
schema is given, `crash` ends the process, `hang` never ends, `garbage` breaks the protocol,
`long` is too long a prompt, `fail` is an engine error, anything else is "hello". Verified by
`tests/contract/test_local_worker.py`, which runs on the real engine too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from carapace.agent.providers.local_wire import Done, Fault, Generate, Start
from carapace.agent.providers.local_worker import serve
from carapace.confine import confine

__all__ = ["COMMAND", "ScriptedEngine"]

COMMAND = (sys.executable, "-P", str(Path(__file__).resolve()))


class ScriptedEngine:
    """Stands in for llama.cpp; `start.model_path` may say how the loading goes."""

    def __init__(self, start: Start) -> None:
        content = Path(start.model_path).read_bytes()
        if b"no engine" in content:
            raise ImportError("No module named 'xllamacpp'")
        if b"broken" in content:
            raise RuntimeError("cannot load")
        if b"dies" in content:
            os.write(2, b"out of memory\n")
            os._exit(9)
        if b"slow" in content:
            time.sleep(60)

    def generate(self, request: Generate, on_text, is_cancelled) -> Done | Fault:
        words, reason = self._words(request)
        if isinstance(words, Fault):
            return words
        sent = 0
        for word in words:
            if is_cancelled():
                return Done(request.id, "cancelled", output_tokens=sent)
            on_text(word)
            sent += 1
            if sent >= request.max_tokens:
                reason = "length"
                break
        return Done(request.id, reason, input_tokens=7, output_tokens=sent, cached_tokens=2)

    def _words(self, request: Generate):
        text = request.messages[-1].content
        if request.schema is not None:
            said = text.removesuffix(" ->")
            name = said.removeprefix("tool: ") if said.startswith("tool: ") else "none"
            choice = {"tool": name} if name == "none" else {"tool": name, "arguments": {}}
            return [json.dumps(choice)], "stop"
        if text == "crash":
            os.write(2, b"segmentation fault\n")
            os.abort()
        if text == "garbage":
            os.write(1, b"this is no JSON\n")
        if text == "long":
            return Fault(request.id, "context", "request (9000 tokens) exceeds 512"), "stop"
        if text == "fail":
            raise RuntimeError("kernel panic")
        if text == "hang":
            return self._forever(), "stop"
        if text == "silent":
            time.sleep(60)
        said = text.removeprefix("echo: ") if text.startswith("echo: ") else "hello"
        return [f"{word} " for word in said.split()], "stop"

    def _forever(self):
        while True:
            time.sleep(0.005)
            yield "on "


if __name__ == "__main__":
    confine(parent_pid=int(sys.argv[1]))
    serve(
        sys.stdin.buffer,
        os.fdopen(os.dup(1), "wb"),
        ScriptedEngine,
        on_end=lambda: os._exit(0),
    )
