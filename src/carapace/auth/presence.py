"""Who is connected: a bounded table with a version that grows with every change.

Pure: times are arguments. Newest first, the gateway itself before everybody. An entry stays
for a while after its client left, so that people see who was here; short-lived command line
clients are not listed. The list is encoded once per version, however many ask for it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.auth.types import Caller
from carapace.ids import ConnId
from carapace.protocol.presence import PresenceEntry

__all__ = ["MAX_ENTRIES", "TTL_MS", "Presence"]

TTL_MS: Final = 300_000
MAX_ENTRIES: Final = 200
_MAX_TEXT: Final = 200
_UNLISTED_MODE: Final = "cli"
_ENCODE = msgspec.json.Encoder().encode


class Presence:
    """The table.

    Args:
        own: The gateway's own entry; its `ts` is refreshed whenever the list is asked for.
        ttl_ms: How long an entry outlives its last change.
        max_entries: How many are kept; the stalest go first.
    """

    __slots__ = ("_encoded", "_entries", "_live", "_max", "_own", "_ttl_ms", "version")

    def __init__(
        self, own: PresenceEntry, *, ttl_ms: int = TTL_MS, max_entries: int = MAX_ENTRIES
    ) -> None:
        self._own = own
        self._ttl_ms = ttl_ms
        self._max = max_entries
        self._entries: dict[str, PresenceEntry] = {}
        self._live: dict[str, ConnId] = {}
        self._encoded: tuple[int, int, msgspec.Raw] | None = None
        self.version = 1

    def __len__(self) -> int:
        return len(self._entries) + 1

    def connected(self, caller: Caller, ip: str | None, now_ms: int) -> bool:
        """Enter `caller`; `ip` only if it is not this machine. False if it is not listed."""
        if caller.client_mode == _UNLISTED_MODE or caller.client is None:
            return False
        key = _key(caller)
        self._put(key, _entry(caller, None if caller.is_local else ip, "connect", now_ms))
        self._live[key] = caller.conn_id
        return True

    def disconnected(self, caller: Caller, now_ms: int) -> bool:
        """Mark `caller` as gone; False if another connection took its place or none was listed."""
        key = _key(caller)
        if self._live.get(key) != caller.conn_id:
            return False
        del self._live[key]
        entry = self._entries.get(key)
        if entry is None:
            return False
        self._put(key, msgspec.structs.replace(entry, reason="disconnect", ts=now_ms))
        return True

    def noted(self, key: str, entry: PresenceEntry) -> None:
        """Enter what a client says of itself; it leaves when its time to live is over.

        A client that is connected keeps its role, scopes and device as the gateway knows them.
        """
        known = self._entries.get(key)
        if known is not None and key in self._live:
            entry = msgspec.structs.replace(
                entry, roles=known.roles, scopes=known.scopes, device_id=known.device_id
            )
        self._put(key, entry)

    def entries(self, now_ms: int) -> list[PresenceEntry]:
        """The gateway's own entry, then the others, newest first."""
        self._expire(now_ms)
        others = sorted(self._entries.values(), key=lambda entry: entry.ts, reverse=True)
        return [msgspec.structs.replace(self._own, ts=now_ms), *others]

    def encoded(self, now_ms: int) -> msgspec.Raw:
        """`entries` as one JSON array; made again at most once a second or when it changed."""
        second = now_ms // 1000
        if self._encoded is None or self._encoded[:2] != (self.version, second):
            raw = msgspec.Raw(_ENCODE(self.entries(now_ms)))
            self._encoded = (self.version, second, raw)
        return self._encoded[2]

    def _put(self, key: str, entry: PresenceEntry) -> None:
        # Taken out first, so that the dictionary stays in the order of change.
        self._entries.pop(key, None)
        self._entries[key] = entry
        while len(self._entries) > self._max:
            del self._entries[next(iter(self._entries))]
        self.version += 1

    def _expire(self, now_ms: int) -> None:
        """Drop the entries of clients that left more than the time to live ago."""
        limit = now_ms - self._ttl_ms
        gone = [
            key
            for key, entry in self._entries.items()
            if entry.ts < limit and key not in self._live
        ]
        for key in gone:
            del self._entries[key]
        if gone:
            self.version += 1


def _key(caller: Caller) -> str:
    instance = caller.client.instance_id if caller.client else None
    return caller.device_id or instance or caller.conn_id


def _entry(caller: Caller, ip: str | None, reason: str, now_ms: int) -> PresenceEntry:
    client = caller.client
    assert client is not None  # noqa: S101 - `connected` lets nobody pass without
    host = (client.display_name or client.id)[:_MAX_TEXT]
    where = f" ({ip})" if ip else ""
    return PresenceEntry(
        host=host,
        ip=ip,
        version=client.version[:_MAX_TEXT],
        platform=client.platform[:_MAX_TEXT],
        device_family=client.device_family and client.device_family[:_MAX_TEXT],
        model_identifier=client.model_identifier and client.model_identifier[:_MAX_TEXT],
        mode=client.mode,
        device_id=caller.device_id,
        roles=(str(caller.role),),
        scopes=caller.granted or None,
        instance_id=caller.device_id or (client.instance_id and client.instance_id[:_MAX_TEXT]),
        reason=reason,
        text=f"Node: {host}{where} · mode {client.mode}",
        ts=now_ms,
    )
