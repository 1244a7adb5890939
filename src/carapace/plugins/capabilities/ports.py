"""What capabilities need of the rest of the house; the floor above brings it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from carapace.config.secret import Secret
from carapace.ids import RunId
from carapace.net.policy import EgressCaller
from carapace.plugins.capabilities.inbound_wire import InboundEvent, InboundStatus
from carapace.provenance import Provenance
from carapace.value import Value

__all__ = [
    "InboundDoor",
    "MediaDoor",
    "PluginConfig",
    "SecretHolder",
    "ServiceEvents",
    "StatusBoard",
    "StoredFile",
    "TurnStarter",
]


class PluginConfig(Protocol):
    """The plugin's own part of the configuration, as it is now."""

    def settings(self) -> Mapping[str, Any]:
        """Plain values; secrets may be plain text or `Secret`."""
        ...


class SecretHolder(Protocol):
    """The secrets of one plugin."""

    def names(self) -> tuple[str, ...]:
        """Handles of the secrets that have a value now."""
        ...

    def secret(self, name: str) -> Secret | None:
        """The value of a handle, or None if it has none."""
        ...


class StoredFile(Value, frozen=True, kw_only=True):
    """A file in the media store.

    Attributes:
        handle: Its id there.
        content_type: By its content.
        size_bytes: Its length.
        width_px: Of a picture, if known.
        height_px: Likewise.
        duration_ms: Of a recording, if known.
    """

    handle: str
    content_type: str
    size_bytes: int
    width_px: int | None = None
    height_px: int | None = None
    duration_ms: int | None = None


class MediaDoor(Protocol):
    """The media store, as plugins may use it."""

    async def put(
        self, pieces: AsyncIterable[bytes], *, max_bytes: int | None, source: str
    ) -> StoredFile:
        """Store what `pieces` gives.

        Raises:
            Refused: If it is empty, too long or of a kind that is not taken.
            Failed: If the store is full or the disk fails.
        """
        ...

    async def fetch(self, url: str, caller: EgressCaller, *, max_bytes: int) -> StoredFile:
        """Fetch a file under the caller's rules into the store.

        Raises:
            Refused: If a rule refuses it.
            Failed: If the server does not give it.
        """
        ...

    async def find(self, handle: str) -> StoredFile | None:
        """What is known of a file, or None."""
        ...

    def open(
        self, handle: str
    ) -> AbstractAsyncContextManager[tuple[StoredFile, AsyncGenerator[bytes]]]:
        """A file and its bytes in pieces.

        Raises:
            Refused: If there is no such file.
            Failed: If it cannot be read.
        """
        ...

    async def link(self, handle: str, *, ttl_s: int) -> str:
        """A public address that serves the file for that long.

        Raises:
            Refused: If there is no such file, or no public address is set.
        """
        ...


class InboundDoor(Protocol):
    """Where a chat service's events go."""

    async def deliver(self, plugin_id: str, event: InboundEvent) -> InboundStatus:
        """Write it down and decide about it.

        Raises:
            Refused: If the account is not configured, or the inbox is full.
            Failed: If it could not be written down.
        """
        ...


class TurnStarter(Protocol):
    """Where turns begin."""

    async def start(
        self, session_key: str, text: str, *, idempotency_key: str, provenance: Provenance
    ) -> RunId:
        """Begin a turn, or find the one that this key began before.

        Raises:
            Refused: If it cannot be taken.
            Failed: If it could not be written down.
        """
        ...


class StatusBoard(Protocol):
    """Where people see how a plugin's accounts are."""

    def set(self, plugin_id: str, account: str, *, state: str, detail: str) -> None:
        """Show it; `state` is one of the contract's, `detail` is one line."""
        ...


class ServiceEvents(Protocol):
    """The plugin's service instance.

    Each call returns when the plugin has taken the event; whatever is raised means that it has
    not. `answer` and `event` are plain values, as they travel to the plugin.
    """

    async def on_timer(self, name: str, payload: str) -> None:
        """A timer's time has come."""
        ...

    async def on_poll(self, name: str, answer: Mapping[str, Any], payload: str) -> None:
        """A held request was answered: `{"ok": response}` or `{"err": error}`."""
        ...

    async def on_websocket(self, name: str, event: Mapping[str, Any]) -> None:
        """A held connection opened, gave a frame or closed."""
        ...
