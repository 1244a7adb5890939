"""Keeping the outbox small and its figures true: forgets old rows, counts what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.channels.outbox import records
from carapace.channels.outbox.types import OutboxState
from carapace.clock import Clock
from carapace.errors import Failed
from carapace.store.ports import Database, Tx
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["KEEP_DEAD_S", "KEEP_DELIVERED_S", "ReleaseMedia", "Upkeep"]

_log = get_logger(__name__)
_DAY_S: Final = 86_400.0
_COUNT_EVERY_S: Final = 10.0
_PRUNE_EVERY_S: Final = 3_600.0
_BATCH: Final = 500

KEEP_DELIVERED_S: Final = 7 * _DAY_S
"""How long a delivered row, and so its idempotency key, is remembered."""

KEEP_DEAD_S: Final = 30 * _DAY_S
"""How long a dead row can be retried."""

ReleaseMedia = Callable[[Tx, str], object]
"""Let go of the media that an owner (`outbox_records.media_owner`) keeps alive."""


class _Kept(Value, frozen=True, kw_only=True):
    state: OutboxState
    keep_s: float


class Upkeep:
    """Runs beside the sender.

    Args:
        database: Where the rows are.
        clock: When.
        metrics: Gets the figures.
        release_media: See `ReleaseMedia`; called as rows are forgotten.
        keep_delivered_s: How long delivered rows are kept.
        keep_dead_s: How long dead rows are kept.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        release_media: ReleaseMedia | None = None,
        keep_delivered_s: float = KEEP_DELIVERED_S,
        keep_dead_s: float = KEEP_DEAD_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._release_media = release_media
        self._kept = (
            _Kept(state=OutboxState.DELIVERED, keep_s=keep_delivered_s),
            _Kept(state=OutboxState.DEAD, keep_s=keep_dead_s),
        )

    async def run(self) -> None:
        """Count and forget, until cancelled."""
        prune_at_s = self._clock.monotonic()
        while True:
            try:
                await self.count()
                if self._clock.monotonic() >= prune_at_s:
                    await self.prune()
                    prune_at_s = self._clock.monotonic() + _PRUNE_EVERY_S
            except Failed as error:
                # The database says so itself, and readiness shows it; here it can wait.
                _log.debug("outbox upkeep waits for the database", reason=error.message)
            await self._clock.sleep(_COUNT_EVERY_S)

    async def count(self) -> None:
        """Set the gauges."""
        counts = await self._database.read(records.counts)
        self._metrics.outbox_waiting.set(counts.waiting)
        age_ms = 0 if counts.oldest_at_ms is None else self._clock.now_ms() - counts.oldest_at_ms
        self._metrics.outbox_oldest_age.set(max(0, age_ms) / 1000)

    async def prune(self) -> int:
        """Forget what is old enough, in small transactions; how many rows."""
        forgotten = 0
        for kept in self._kept:
            before_ms = self._clock.now_ms() - round(1000 * kept.keep_s)
            gone = _BATCH
            while gone == _BATCH:
                gone = await self._database.write(
                    lambda tx, kept=kept, before_ms=before_ms: self._prune(tx, kept, before_ms)
                )
                forgotten += gone
        return forgotten

    def _prune(self, tx: Tx, kept: _Kept, before_ms: int) -> int:
        ids = records.prune(tx, kept.state, before_ms=before_ms, limit=_BATCH)
        if self._release_media is not None:
            for outbox_id in ids:
                self._release_media(tx, records.media_owner(outbox_id))
        return len(ids)
