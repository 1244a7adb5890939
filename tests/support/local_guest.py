"""A guest in the test's own process, for what does not need a worker around it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carapace.plugins.frames import Answer, Call, InstanceKind, Load, WorkerLimits
from carapace.plugins.worker.engine import load_component, new_engine
from carapace.plugins.worker.guest import Guest
from carapace.plugins.worker.running import Deadline, RunningCall

__all__ = ["LocalGuest"]


@dataclass
class LocalGuest:
    """Runs on the test's thread; `answer` is the gateway."""

    code: Path
    grants: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    answer: Callable[[str, str, list[Any]], Answer] = lambda *_: Answer(0)
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    printed: str = ""

    def __post_init__(self) -> None:
        self.engine = new_engine()
        self.deadline = Deadline(self.engine)
        descriptor = os.open(self.code, os.O_RDONLY)
        try:
            component = load_component(self.engine, descriptor)
        finally:
            os.close(descriptor)
        load = Load(1, self.grants, self.exports, self.limits)
        self.guest = Guest(self.engine, component, load, self._ask)

    def _ask(
        self, running: RunningCall, interface: str, function: str, arguments: list[Any]
    ) -> Answer:
        return self.answer(interface, function, arguments)

    def _print(self, text: str) -> None:
        self.printed += text

    def call(
        self, interface: str, function: str, *arguments: Any, instance: InstanceKind = "fresh"
    ) -> Any:
        """One call; raises what the guest raises."""
        running = RunningCall(1, time.monotonic() + 30, limits=self.limits, write=self._print)
        message = Call(1, interface, function, list(arguments), 30_000, instance)
        try:
            return self.guest.run(message, running, self.deadline)
        finally:
            running.flush()

    def tidy(self) -> None:
        """As the worker does between two calls."""
        self.guest.tidy(self.deadline)
