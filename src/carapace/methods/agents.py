"""`agents.list`, `agent.identity.get`: who the assistants are."""

from __future__ import annotations

from carapace.ids import AgentId
from carapace.methods.context import Context
from carapace.protocol.agent import AgentIdentity, AgentIdentityGet, AgentsPage
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Scope
from carapace.sessions.keys import agent_of

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("agents.list", scope=Scope.READ)
def agents_list(ctx: Context, params: EmptyParams) -> AgentsPage:  # noqa: ARG001 - row shape
    """The configured agents, the default one first."""
    policy = ctx.services.policy()
    return AgentsPage(
        default_id=ctx.services.profiles.default_id,
        main_key=policy.main_key,
        scope="global" if policy.one_for_all else "per-sender",
        agents=ctx.services.profiles.rows(),
    )


@METHODS.method("agent.identity.get", scope=Scope.READ)
def agent_identity_get(ctx: Context, params: AgentIdentityGet) -> AgentIdentity:
    """Name and avatar of an agent, or of the one a session belongs to."""
    profiles = ctx.services.profiles
    if params.agent_id is not None:
        return profiles.identity(AgentId(params.agent_id))
    if params.session_key is not None:
        key = ctx.services.sessions.key(params.session_key)
        return profiles.identity(agent_of(key, default=profiles.default_id))
    return profiles.identity(profiles.default_id)
