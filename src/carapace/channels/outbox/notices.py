"""Telling what became of messages: at once as event and audit line, and the dead ones for sure.

The owner and the agent must hear of a dead message, whatever happens.
Whether somebody was told is kept in the row, so that a crash between a message's death and
the telling costs nothing: the next start tells. Hence somebody may be told twice; what is told
carries the row's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from carapace.channels.outbox import records
from carapace.channels.outbox.types import OutboxRow, OutboxState
from carapace.clock import Clock
from carapace.protocol.delivery import DeliveryEvent
from carapace.protocol.events import Event, Publish
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger

__all__ = ["Notices", "OnDead"]

_log = get_logger(__name__)
_FIRST_PAUSE_S: Final = 1.0
_MAX_PAUSE_S: Final = 60.0

OnDead = Callable[[tuple[OutboxRow, ...]], Awaitable[None]]
"""Tell of dead messages, oldest first, at most 200 at once; called again if it raises."""


class Notices:
    """Reads dead rows that nobody was told of, tells, and marks them.

    Args:
        database: Where the rows are.
        clock: For the pause after a failure.
        on_dead: See `OnDead`.
        audit: Told of what died.
        publish: Told of what ended, as the event `delivery`.
        timeout_s: Deadline of one call of `on_dead`.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_dead: OnDead,
        *,
        audit: Audit,
        publish: Publish,
        timeout_s: float = 60.0,
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_dead = on_dead
        self._audit = audit
        self._publish = publish
        self._timeout_s = timeout_s
        self._is_due = asyncio.Event()
        self._is_due.set()

    def wake(self) -> None:
        """Something may have died that `tell` was not called for."""
        self._is_due.set()

    def tell(self, row: OutboxRow) -> None:
        """`row` has ended, and that is on disk; must not and does not raise."""
        if row.state is OutboxState.DEAD:
            self._is_due.set()
            self._audit.record(
                AuditKind.DELIVERY_DEAD,
                outbox_id=row.outbox_id,
                channel=row.channel,
                account=row.account,
                cause=row.cause,
                reason=row.reason,
            )
        try:
            self._publish(Event("delivery", _payload(row)))
        except Exception as error:  # noqa: BLE001 - whoever listens may raise anything
            _log.error("an event was not published", outbox_id=row.outbox_id, error=repr(error))

    async def run(self) -> None:
        """Tell, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                await self.tell_all()
            except Exception as error:  # noqa: BLE001 - the teller may raise anything
                _log.error("dead messages could not be told of yet", reason=repr(error))
                self._is_due.set()
                await self._clock.sleep(pause_s)
                pause_s = min(_MAX_PAUSE_S, 2 * pause_s)
            else:
                pause_s = _FIRST_PAUSE_S

    async def tell_all(self) -> int:
        """Tell of every dead row that nobody was told of; how many there were.

        Raises:
            Exception: What `on_dead` or the database raised; what was told stays told.
        """
        told = 0
        while rows := await self._database.read(records.untold):
            async with asyncio.timeout(self._timeout_s):
                await self._on_dead(rows)
            ids = tuple(row.outbox_id for row in rows)
            await self._database.write(lambda tx, ids=ids: records.mark_told(tx, ids))
            told += len(rows)
        return told


def _payload(row: OutboxRow) -> DeliveryEvent:
    return DeliveryEvent(
        id=row.outbox_id,
        channel=row.channel,
        account=row.account,
        conversation=row.conversation,
        state="dead" if row.state is OutboxState.DEAD else "delivered",
        ts=row.ended_at_ms or 0,
        run_id=row.run_id,
        message_id=row.message_id,
        may_be_repeat=row.may_be_repeat,
        cause=row.cause,
        reason=row.reason,
    )
