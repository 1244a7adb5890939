"""What jobs use of other rooms, in one value."""

from __future__ import annotations

from collections.abc import Callable

from carapace.clock import Clock
from carapace.ids import AgentId, SessionKey
from carapace.protocol.events import Publish
from carapace.store.ports import Database
from carapace.triggers.cron.turns import JobTurns
from carapace.triggers.ports import Agents
from carapace.value import Value

__all__ = ["CronParts"]


class CronParts(Value, frozen=True, kw_only=True):
    """What jobs use of other rooms.

    Attributes:
        turns: Runs the turns of isolated jobs.
        agents: Which agents there are.
        to_key: A session's key as it is stored.
        wake: Asks for a turn of an agent's main session; takes the reason.
        publish: Takes the events `cron`.
        database: Where jobs and ledger are.
        clock: The time.
    """

    turns: JobTurns
    agents: Agents
    to_key: Callable[[str], SessionKey]
    wake: Callable[[AgentId, str], None]
    publish: Publish
    database: Database
    clock: Clock
