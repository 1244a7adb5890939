"""Takes the sessions of sub-agents away some time after their ends were told.

The registry is the list of what is due, so nothing is forgotten in a restart. What a transcript
held is kept as that of any session that is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.agent.service import AgentService
from carapace.agent.subagents import records
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.sessions.service import Sessions
from carapace.store.ports import Database
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["EVERY_S", "SubagentArchive"]

EVERY_S: Final = 60.0
_AT_ONCE: Final = 50
_MINUTE_MS: Final = 60_000
_log = get_logger(__name__)


class SubagentArchive:
    """Looks once a minute.

    Args:
        agent: Ends what still runs there.
        sessions: Takes them away.
        after_minutes: `agents.defaults.subagents.archiveAfterMinutes` as it is now.
        database: The registry.
        clock: For the minutes.
    """

    def __init__(
        self,
        agent: AgentService,
        sessions: Sessions,
        *,
        after_minutes: Callable[[], int],
        database: Database,
        clock: Clock,
    ) -> None:
        self._agent = agent
        self._sessions = sessions
        self._after_minutes = after_minutes
        self._database = database
        self._clock = clock
        self._tasks = Tasks("archive of sub-agents", _report_death)

    @property
    def after_ms(self) -> int:
        """How long a session stays, in milliseconds."""
        return self._after_minutes() * _MINUTE_MS

    def start(self) -> None:
        """Look now, for what came due while nobody looked, and then every minute."""
        self._tasks.start(self._keep_looking(), name="look")

    async def aclose(self) -> None:
        """Look no longer; what is due is found after the next start."""
        await self._tasks.close()

    async def sweep(self) -> int:
        """Take away what is due, at most fifty; how many that were.

        Due are sessions whose end was told so long ago, if nothing was said there since.

        Raises:
            GatewayError: If the disk does not take it; the rest is still due.
        """
        before_ms = max(0, self._clock.now_ms() - self.after_ms)
        due = await self._database.read(lambda tx: records.due(tx, before_ms, limit=_AT_ONCE))
        for key in due:
            await self._agent.quiet(key)
            await self._sessions.delete(key)
            self._agent.forget_history(key)
        return len(due)

    async def _keep_looking(self) -> None:
        while True:
            try:
                while await self.sweep() == _AT_ONCE:
                    pass
            except GatewayError as error:
                _log.warning("sub-agents' sessions not archived yet", reason=error.message)
            await self._clock.sleep(EVERY_S)


def _report_death(task: str, error: BaseException) -> None:
    _log.error("archive of sub-agents died", task=task, exc_info=error)
