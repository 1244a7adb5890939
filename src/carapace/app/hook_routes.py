"""What `hooks.*` uses of the other rooms."""

from __future__ import annotations

from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.auth.shared import SharedCredential
from carapace.channels.accounts.service import Accounts
from carapace.channels.types import DEFAULT_ACCOUNT, Target
from carapace.clock import Clock
from carapace.ids import SessionKey
from carapace.protocol.sessions import SessionsPatch
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionEntry
from carapace.store.ports import Database
from carapace.triggers.hooks import HookParts
from carapace.triggers.owed import OwedHooks
from carapace.triggers.wakes import Wakes

__all__ = ["LastRoute", "hook_parts"]


class LastRoute:
    """Satisfies `carapace.triggers.ports.Routing`.

    Args:
        sessions: Know where they were last spoken to from.
        accounts: The channels there are.
    """

    def __init__(self, sessions: Sessions, accounts: Accounts) -> None:
        self._sessions = sessions
        self._accounts = accounts

    def channels(self) -> tuple[str, ...]:
        """Ids of all channels."""
        return tuple(info.id for info in self._accounts.infos())

    async def last(self, session_key: SessionKey) -> Target | None:
        """Where the session was last spoken to from, if that is a channel of ours."""
        entry = await self._sessions.get(session_key)
        if entry is None or entry.last_channel is None or entry.last_to is None:
            return None
        if self._accounts.info(entry.last_channel) is None:
            return None
        return Target(
            channel=entry.last_channel,
            account=entry.last_account_id or DEFAULT_ACCOUNT,
            conversation=entry.last_to,
            thread_id=_thread(entry),
        )


def _thread(entry: SessionEntry) -> str | None:
    """The thread there, unless the noted delivery is to another place."""
    to = entry.delivery
    if to is None or (to.channel, to.to) != (entry.last_channel, entry.last_to):
        return None
    return to.thread_id


def hook_parts(
    agent: AgentService,
    sessions: Sessions,
    *,
    profiles: Profiles,
    accounts: Accounts,
    shared: SharedCredential,
    database: Database,
    clock: Clock,
) -> HookParts:
    """The parts, from the services of the house."""

    async def choose_model(key: SessionKey, model: str) -> None:
        await sessions.ensure(key)
        await sessions.patch(SessionsPatch(key=key, model=model))

    return HookParts(
        runs=agent,
        owed=OwedHooks(agent, database, clock),
        wakes=Wakes(database, clock),
        agents=profiles,
        routing=LastRoute(sessions, accounts),
        to_key=sessions.key,
        choose_model=choose_model,
        is_own_secret=shared.matches_bearer,
        clock=clock,
    )
