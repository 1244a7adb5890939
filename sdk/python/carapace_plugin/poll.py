"""A long request that the gateway holds; its answer comes back as `Service.on_poll`."""

from __future__ import annotations

from typing import Any

from carapace_plugin.host import call
from carapace_plugin.http import prepare

__all__ = ["start", "stop"]


def start(name: str, method: str, url: str, *, payload: str = "", **options: Any) -> None:
    """Begin, or change, the request under this name; options as `http.prepare` takes them."""
    call("poll", "start", name, prepare(method, url, **options), payload)


def stop(name: str) -> bool:
    """Whether there was such a request."""
    return bool(call("poll", "stop", name))
