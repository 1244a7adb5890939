"""A gateway as long as an event says; signals are the caller's business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from carapace.app.gateway import Gateway
from carapace.app.options import UpOptions

__all__ = ["run_gateway"]


async def run_gateway(
    options: UpOptions, *, on_ready: Callable[[dict[str, Any]], None], stop: asyncio.Event
) -> None:
    """Start a gateway, run it until `stop` is set, and end it in order.

    Args:
        options: The flags.
        on_ready: Told once, when it listens; see `carapace.app.options.Ready`.
        stop: Ends it.

    Raises:
        GatewayError: If it cannot start.
    """
    gateway = Gateway(options)
    ready = await gateway.start()
    try:
        on_ready(msgspec.to_builtins(ready))
        await stop.wait()
    finally:
        await gateway.stop()
