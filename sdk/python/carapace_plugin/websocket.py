"""A connection that the gateway holds; what comes goes to `Service.on_websocket`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from carapace_plugin.host import call
from carapace_plugin.http import SecretUse

__all__ = ["close", "frame_of", "open_connection", "send"]


def open_connection(
    name: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    secrets: Sequence[SecretUse] = (),
) -> None:
    """Open, or replace, the connection of this name; the gateway tells when it is open."""
    shown = [{"name": each, "value": value} for each, value in (headers or {}).items()]
    call("websocket", "open", name, url, shown, [each.to_wire() for each in secrets])


def send(name: str, frame: str | bytes) -> None:
    """Send one message."""
    if isinstance(frame, bytes):
        wire = {"tag": "base64", "value": base64.b64encode(frame).decode("ascii")}
    else:
        wire = {"tag": "text", "value": frame}
    call("websocket", "send", name, wire)


def close(name: str) -> bool:
    """Whether there was such a connection."""
    return bool(call("websocket", "close", name))


def frame_of(wire: dict[str, Any]) -> str | bytes:
    """From the contract's variant `frame`."""
    value: str = wire["value"]
    return base64.b64decode(value) if wire["tag"] == "base64" else value
