"""A real hook bus for tests of what calls it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from carapace.clock import SystemClock
from carapace.hooks.bus import HookBus
from carapace.hooks.points import HookPoint
from carapace.telemetry.metrics import Metrics

__all__ = ["hook_bus", "overheard"]


@asynccontextmanager
async def hook_bus() -> AsyncGenerator[HookBus]:
    """A bus that is closed again."""
    bus = HookBus(SystemClock(), Metrics("0", with_process=False))
    try:
        yield bus
    finally:
        await bus.aclose()


def overheard(bus: HookBus, *points: HookPoint[Any]) -> list[Any]:
    """A list that fills with what watchers of `points` are told."""
    heard: list[Any] = []

    async def hear(payload: Any) -> None:
        heard.append(payload)

    for point in points:
        bus.register(point, hear, owner="a test")
    return heard
