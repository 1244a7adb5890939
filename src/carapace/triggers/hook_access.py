"""Which agent and which session a hook may reach; pure.

The token says that a program may send, not that it may speak to everybody. An id is resolved
first and judged then, so that no spelling of it slips past the list (advisory D15). A session that
the request chose, in a field or through a template, needs the operator's consent and a prefix
(D16); the prefix is compared with the key as it will be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey
from carapace.sessions.keys import GLOBAL_KEY, UNKNOWN_KEY, agent_of, rest_of
from carapace.triggers.ports import Agents
from carapace.value import Value

__all__ = ["Denied", "HookAccess", "ToKey"]

_EVERY: Final = "*"

ToKey = Callable[[str], SessionKey]
"""A session's key as it is stored (`carapace.sessions.service.Sessions.key`)."""


class Denied(Refused):
    """The hook's token is right, and this is not for it: 403."""


class HookAccess(Value, frozen=True, kw_only=True):
    """What hooks may reach.

    Attributes:
        allowed_agents: `hooks.allowedAgentIds`; None is the default agent alone.
        may_choose_session: `hooks.allowRequestSessionKey`.
        prefixes: `hooks.allowedSessionKeyPrefixes`.
    """

    allowed_agents: tuple[str, ...] | None = None
    may_choose_session: bool = False
    prefixes: tuple[str, ...] = ()

    def agent(self, wanted: Any, agents: Agents, *, is_configured: bool) -> AgentId:
        """The agent that `wanted` means.

        Args:
            wanted: The id, or None or blank for the default agent.
            agents: Those that there are.
            is_configured: The configuration chose it, not the request.

        Raises:
            Refused: If it is no text.
            Denied: If there is no such agent, or hooks may not run it.
        """
        if wanted is not None and not isinstance(wanted, str):
            raise Refused("agentId must be a text")
        text = (wanted or "").strip().lower()
        found = AgentId(text or agents.default_id)
        if not agents.knows(found) or not self._is_allowed(
            found, agents, is_configured=is_configured
        ):
            raise Denied("agentId is not allowed for hooks: see hooks.allowedAgentIds")
        return found

    def _is_allowed(self, agent_id: AgentId, agents: Agents, *, is_configured: bool) -> bool:
        if self.allowed_agents is None:
            return is_configured or agent_id == agents.default_id
        allowed = {entry.strip().lower() for entry in self.allowed_agents}
        return _EVERY in allowed or agent_id in allowed

    def session(
        self, wanted: str, agent_id: AgentId, *, is_chosen: bool, to_key: ToKey
    ) -> SessionKey:
        """The session that `wanted` names.

        Args:
            wanted: A key, with or without its agent.
            agent_id: Who answers.
            is_chosen: The request chose it, wholly or through a template.
            to_key: Gives a key as it is stored.

        Raises:
            Denied: If it may not be chosen, or is another agent's.
            Refused: If it is no session key.
        """
        if is_chosen and not self.may_choose_session:
            raise Denied(
                "sessionKey may not be chosen by requests: set hooks.allowRequestSessionKey and "
                "hooks.allowedSessionKeyPrefixes, or leave it out"
            )
        is_whole = wanted.strip().lower().startswith("agent:")
        key = to_key(wanted if is_whole else f"agent:{agent_id}:{wanted.strip()}")
        if key == GLOBAL_KEY and not is_chosen:
            return key
        if key in (GLOBAL_KEY, UNKNOWN_KEY) or agent_of(key, default="") != agent_id:
            raise Denied("sessionKey is not one of this agent's sessions")
        if is_chosen and not _begins_with(rest_of(key), self.prefixes):
            raise Denied("sessionKey is not allowed: see hooks.allowedSessionKeyPrefixes")
        return key


def _begins_with(rest: str, prefixes: Sequence[str]) -> bool:
    """A blank prefix would allow everything, so it allows nothing."""
    kept = [prefix.strip().lower() for prefix in prefixes]
    return any(prefix and rest.startswith(prefix) for prefix in kept)
