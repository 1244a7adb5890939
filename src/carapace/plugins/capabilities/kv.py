"""`kv`: a small store of the plugin's own."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from carapace.clock import Clock
from carapace.plugins.capabilities import kv_records as records
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.kv_records import Entry
from carapace.store.ports import Database, Tx

__all__ = ["MAX_SCANNED", "MAX_VALUE_BYTES", "KvCapability"]

MAX_VALUE_BYTES: Final = 1024 * 1024
MAX_SCANNED: Final = 100
_MAX_SCANNED_BYTES: Final = 4 * 1024 * 1024
_MAX_KEY_BYTES: Final = 512
_MAX_TTL_MS: Final = 10 * 366 * 86_400_000

_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_KEY_BYTES)]
_Prefix = Annotated[str, msgspec.Meta(max_length=_MAX_KEY_BYTES)]
_Ttl = Annotated[float, msgspec.Meta(gt=0, le=_MAX_TTL_MS)] | None
_Revision = Annotated[int, msgspec.Meta(ge=0)] | None
_Limit = Annotated[int, msgspec.Meta(ge=0)]


class KvCapability:
    """The entries of one plugin.

    Args:
        plugin_id: Whose; every statement is bound to it.
        database: Where they are.
        clock: For entries that end.
        max_bytes: Quota: keys, values and 64 bytes for each entry.
    """

    def __init__(self, plugin_id: str, database: Database, *, clock: Clock, max_bytes: int) -> None:
        self._plugin_id = plugin_id
        self._database = database
        self._clock = clock
        self._max_bytes = max_bytes
        self.call = Dispatch(
            "kv",
            {
                "get": Operation(tuple[_Key], self._get),
                "put": Operation(tuple[_Key, str, _Ttl], self._put),
                "compare-and-set": Operation(
                    tuple[_Key, _Revision, str, _Ttl], self._compare_and_set
                ),
                "delete": Operation(tuple[_Key], self._delete),
                "scan": Operation(tuple[_Prefix, _Prefix | None, _Limit], self._scan),
            },
        )

    async def _get(self, key: str) -> Entry | None:
        now_ms = self._clock.now_ms()
        return await self._database.read(
            lambda tx: records.find(tx, self._plugin_id, key, now_ms=now_ms)
        )

    async def _put(self, key: str, value: str, ttl_ms: float | None) -> int:
        _check(key, value)
        now_ms = self._clock.now_ms()
        return self._within(
            await self._database.write(lambda tx: self._write(tx, key, value, ttl_ms, now_ms))
        )

    async def _compare_and_set(
        self, key: str, expected: int | None, value: str, ttl_ms: float | None
    ) -> int | None:
        _check(key, value)
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> tuple[bool, int | None]:
            there = records.find(tx, self._plugin_id, key, now_ms=now_ms)
            if (None if there is None else there.revision) != expected:
                return False, None
            return True, self._write(tx, key, value, ttl_ms, now_ms)

        was_expected, revision = await self._database.write(work)
        return self._within(revision) if was_expected else None

    async def _delete(self, key: str) -> bool:
        now_ms = self._clock.now_ms()
        return await self._database.write(
            lambda tx: records.delete(tx, self._plugin_id, key, now_ms=now_ms)
        )

    async def _scan(self, prefix: str, after: str | None, limit: int) -> list[Entry]:
        now_ms = self._clock.now_ms()
        found = await self._database.read(
            lambda tx: records.scan(
                tx,
                self._plugin_id,
                prefix,
                after=after,
                limit=min(limit, MAX_SCANNED),
                now_ms=now_ms,
            )
        )
        return _fitting(found)

    def _write(self, tx: Tx, key: str, value: str, ttl_ms: float | None, now_ms: int) -> int | None:
        return records.put(
            tx,
            self._plugin_id,
            (key, value),
            expires_at_ms=None if ttl_ms is None else now_ms + max(1, round(ttl_ms)),
            max_bytes=self._max_bytes,
            now_ms=now_ms,
        )

    def _within(self, revision: int | None) -> int:
        if revision is None:
            raise guest_error(
                Code.QUOTA,
                f"this plugin may keep {self._max_bytes} bytes and would have more: delete "
                "something, or ask for more in kv_max_bytes",
            )
        return revision


def _check(key: str, value: str) -> None:
    if len(key.encode()) > _MAX_KEY_BYTES:
        raise guest_error(Code.TOO_LARGE, f"a key is longer than {_MAX_KEY_BYTES} bytes")
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise guest_error(Code.TOO_LARGE, f"a value is longer than {MAX_VALUE_BYTES} bytes")


def _fitting(found: list[Entry]) -> list[Entry]:
    """As many as fit into one answer, at least one; the caller goes on after the last."""
    total = 0
    for number, entry in enumerate(found):
        total += len(entry.key.encode()) + len(entry.value.encode())
        if number and total > _MAX_SCANNED_BYTES:
            return found[:number]
    return found
