"""Files by reference: they pass the gateway's media store, not the plugin's memory."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from carapace_plugin.bodies import Media
from carapace_plugin.host import call

__all__ = ["Item", "Media", "fetch", "info", "link", "put"]

_DEFAULT_MAX_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """A stored file; its type is by content, not by claim."""

    handle: str
    content_type: str
    size_bytes: float
    width: int | None
    height: int | None
    duration_ms: float | None


def fetch(url: str, *, max_bytes: int = _DEFAULT_MAX_BYTES) -> Item:
    """Fetch a URL that plugin.toml admits into the store.

    Raises:
        HostError: If it was not allowed, is too large, or did not come.
    """
    return Item(**call("media", "fetch", url, float(max_bytes)))


def put(content: bytes, *, claimed_type: str = "application/octet-stream") -> Item:
    """Store bytes of the plugin's own."""
    text = base64.b64encode(content).decode("ascii")
    return Item(**call("media", "put", text, claimed_type))


def info(handle: str) -> Item:
    """What the store knows of a file.

    Raises:
        HostError: If it is not there any more.
    """
    return Item(**call("media", "info", handle))


def link(handle: str, *, ttl_s: float = 3600.0) -> str:
    """A public address that serves the file for a while, as often as asked."""
    return str(call("media", "link", handle, ttl_s * 1000.0))
