"""A provider that says what a test wrote down, and remembers what it was asked.

A verified fake: the contract suite runs on it as on every real adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from carapace.agent.providers.ports import (
    ModelEvent,
    ModelRequest,
    ProviderError,
    Stop,
    TextDelta,
    TextPart,
    ToolCall,
    Usage,
)

__all__ = ["Hang", "Script", "ScriptedProvider", "call_tool", "echo", "say"]


@dataclass(frozen=True)
class Hang:
    """Wait here until the request is cancelled, or until `until` is set."""

    until: asyncio.Event | None = None


Step = ModelEvent | ProviderError | Hang
Script = Sequence[Step]


def say(*words: str, usage: Usage | None = None) -> Script:
    """An answer in pieces."""
    return (*(TextDelta(word) for word in words), usage or Usage(10, len(words)), Stop("stop"))


def call_tool(name: str, arguments: str = "{}", *, call_id: str = "call_1") -> Script:
    """An answer that asks for one tool."""
    return (ToolCall(call_id, name, arguments), Usage(10, 8), Stop("tool_calls"))


def echo(request: ModelRequest) -> Script:
    """Says the newest user text back."""
    texts = [
        part.text
        for message in request.messages
        if message.role == "user"
        for part in message.parts
        if isinstance(part, TextPart)
    ]
    return say("Echo:", " " + texts[-1])


class ScriptedProvider:
    """Plays one script a request, in order; the last one again when they run out."""

    def __init__(self, *scripts: Script | Callable[[ModelRequest], Script]) -> None:
        self._scripts = list(scripts) or [echo]
        self.requests: list[ModelRequest] = []
        self.hanging = asyncio.Event()
        self.cancelled = 0
        self.is_closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        at = min(len(self.requests), len(self._scripts)) - 1
        script = self._scripts[at]
        steps = script(request) if callable(script) else script
        try:
            for step in steps:
                if isinstance(step, ProviderError):
                    raise step
                if isinstance(step, Hang):
                    self.hanging.set()
                    await (step.until or asyncio.Event()).wait()
                else:
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def aclose(self) -> None:
        self.is_closed = True
