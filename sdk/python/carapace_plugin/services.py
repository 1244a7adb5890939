"""Services: the only instance of a plugin that lives on."""

from __future__ import annotations

from typing import Any, TypeVar

from carapace_plugin.errors import HostError, PluginError
from carapace_plugin.http import Response, response_of
from carapace_plugin.websocket import frame_of

__all__ = ["Service", "on_poll", "on_websocket", "registered", "service"]


class Service:
    """What a plugin does in the background; override what it needs.

    The instance is new after a restart or a trap: what must last belongs into `kv`.
    """

    def start(self) -> None:
        """Called once, before anything else."""

    def stop(self) -> None:
        """Called once, when the plugin is to end."""

    def tick(self, now_ms: float) -> None:
        """Called about once a second with the milliseconds since 1970."""

    def health(self) -> str | None:
        """Why it is not well, if so."""

    def on_timer(self, name: str, payload: str) -> None:
        """An alarm of `timers` has gone off."""

    def on_poll(self, name: str, answer: Response | PluginError, payload: str) -> None:
        """A request of `poll` was answered, or did not work."""

    def on_websocket_open(self, name: str) -> None:
        """A connection of `websocket` is open."""

    def on_websocket_frame(self, name: str, frame: str | bytes) -> None:
        """A message came."""

    def on_websocket_closed(self, name: str, why: str) -> None:
        """A connection has ended."""


_Class = TypeVar("_Class", bound=Service)
_registered: list[Service] = []


def service(decorated: type[_Class]) -> type[_Class]:
    """Make a class the plugin's service.

    Raises:
        ValueError: If there is one already.
    """
    if _registered:
        raise ValueError("a plugin has one service")
    _registered.append(decorated())
    return decorated


def registered() -> Service:
    """The plugin's service; one that does nothing if it has none of its own."""
    return _registered[0] if _registered else Service()


def on_poll(name: str, answer: dict[str, Any], payload: str) -> None:
    """The contract's `service.on-poll`."""
    if "err" in answer:
        registered().on_poll(name, HostError.from_wire(answer["err"]), payload)
    else:
        registered().on_poll(name, response_of(answer["ok"]), payload)


def on_websocket(name: str, event: dict[str, Any]) -> None:
    """The contract's `service.on-websocket`."""
    if event["tag"] == "opened":
        registered().on_websocket_open(name)
    elif event["tag"] == "frame":
        registered().on_websocket_frame(name, frame_of(event["value"]))
    else:
        registered().on_websocket_closed(name, event["value"])
