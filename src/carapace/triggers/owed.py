"""What a hook was promised with 202 is begun again after a restart.

A program that was told 202 does not ask again, and nobody watches the run. So what it asked is kept
until the run has ended by itself; what a restart cut is begun anew under another id, a few times
and for an hour: an older answer would surprise more than it helps.
"""

from __future__ import annotations

import uuid
from typing import Final

from msgspec.structs import replace

from carapace.agent.types import RunState, Submission
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.ids import RunId
from carapace.store.ports import Database, Tx
from carapace.telemetry.log import get_logger
from carapace.triggers import owed_records as records
from carapace.triggers.owed_records import OwedRun
from carapace.triggers.ports import Runs

__all__ = ["OwedHooks"]

_log = get_logger(__name__)
_MAX_STARTS: Final = 3
_TTL_MS: Final = 3_600_000


class OwedHooks:
    """Begins runs for hooks, and again what was cut.

    Args:
        runs: The agent.
        database: Where what was asked is kept.
        clock: The time.
    """

    def __init__(self, runs: Runs, database: Database, clock: Clock) -> None:
        self._runs = runs
        self._database = database
        self._clock = clock
        self._beginning: set[RunId] = set()

    async def begin(self, submission: Submission) -> None:
        """Keep what is asked and begin it; both are on disk when this returns.

        Raises:
            Refused: If it cannot be taken now; nothing is kept then.
            Failed: If it could not be written down.
        """
        now_ms = self._clock.now_ms()

        def keep(tx: Tx) -> None:
            records.forget_ended(tx, before_ms=now_ms - _TTL_MS)
            records.keep(tx, submission, kept_at_ms=now_ms)

        self._beginning.add(submission.run_id)
        try:
            await self._database.write(keep)
            await self._runs.accept(submission)
        except GatewayError:
            await self._database.write(lambda tx: records.forget(tx, submission.run_id))
            raise
        finally:
            self._beginning.discard(submission.run_id)

    async def resume(self) -> int:
        """Begin again what the last process left; once, when runs can be accepted. How many."""
        before_ms = self._clock.now_ms() - _TTL_MS

        def work(tx: Tx) -> list[OwedRun]:
            records.forget_ended(tx, before_ms=before_ms)
            return records.owed(tx)

        begun = 0
        for run in await self._database.write(work):
            begun += await self._again(run)
        return begun

    async def _again(self, run: OwedRun) -> bool:
        asked = run.submission
        if await self._is_new(asked.run_id):
            return False
        if run.starts >= _MAX_STARTS:
            _log.error("hook run was cut too often", run_id=asked.run_id, starts=run.starts)
            await self._database.write(lambda tx: records.forget(tx, asked.run_id))
            return False
        renewed = replace(asked, run_id=_next_id(asked.run_id))
        await self._database.write(lambda tx: records.again(tx, run, renewed))
        try:
            await self._runs.accept(renewed)
        except GatewayError as error:
            # It stays kept: the next start tries again.
            _log.warning("hook run was not begun again", run_id=asked.run_id, why=error.message)
            return False
        _log.info("hook run begins again", run_id=renewed.run_id, was=asked.run_id)
        return True

    async def _is_new(self, run_id: RunId) -> bool:
        """Whether it is this process's own: requests come in while the last one's are resumed."""
        if run_id in self._beginning:
            return True
        known = await self._runs.find(run_id)
        if known is None:
            return False
        return known.outcome is None or known.outcome.state is not RunState.CUT


def _next_id(run_id: RunId) -> RunId:
    return RunId(str(uuid.uuid5(uuid.UUID(run_id), "again")))
