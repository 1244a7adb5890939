"""`agent` and `agent.wait`: a run with two answers, and waiting for one."""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.agent.runs import Run
from carapace.agent.types import RunOutcome, Submission, words_of
from carapace.errors import Failed, Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.methods.attachments import images_of
from carapace.methods.context import Context
from carapace.methods.reply_routes import check_channels, delivering
from carapace.methods.thinking import level_of
from carapace.protocol.agent import (
    AgentAccepted,
    AgentFinal,
    AgentParams,
    AgentWait,
    AgentWaited,
)
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope, allows
from carapace.protocol.sessions import SessionsPatch
from carapace.sessions.keys import agent_of, main_session

__all__ = ["METHODS", "failure", "final_of"]

METHODS = Methods()

_NO_TARGET: Final = "Error: Pass --to <E.164>, --session-id, or --agent to choose a session"
_MAX_WAIT_S: Final = 24 * 3600.0


@METHODS.method("agent", scope=Scope.WRITE)
async def agent(ctx: Context, params: AgentParams) -> AgentFinal | AgentAccepted:
    """Run a message: answered `accepted` at once and again when the run has ended."""
    services = ctx.services
    known = await services.agent.recent(RunId(params.idempotency_key))
    if known is not None:
        return _known(known)
    _check(ctx, params)
    target = await _target(ctx, params)
    if target is None:
        return _without_target(ctx, params)
    key, shown = target
    to = await delivering(ctx, params, key)
    await _name(ctx, params, key)
    defaults = services.config.settings.agents.defaults
    accepted = await services.agent.accept(
        Submission(
            run_id=RunId(params.idempotency_key),
            session_key=key,
            shown_key=shown,
            agent_id=agent_of(key, default=services.profiles.default_id),
            message=params.message,
            images=images_of(params.attachments, defaults.media_max_mb),
            thinking=level_of(params.thinking),
            keeps_thinking=allows(ctx.caller.scopes, Scope.ADMIN),
            timeout_s=float(params.timeout) if params.timeout else None,
            extra_system_prompt=params.extra_system_prompt,
            lane=params.lane or "main",
            route=to.route,
            reply_route=to.reply,
            provenance=words_of(ctx.caller.scopes),
        )
    )
    run = accepted.run
    if not accepted.is_new:
        return _known(run)
    ctx.call.accept(AgentAccepted(run.run_id, "accepted", run.accepted_at_ms))
    outcome = await run.ended()
    services.health.changed()
    return final_of(run.run_id, outcome)


@METHODS.method("agent.wait", scope=Scope.WRITE)
async def agent_wait(ctx: Context, params: AgentWait) -> AgentWaited:
    """Wait until a run has ended, or until the time is over."""
    timeout_s = min(params.timeout_ms / 1000, _MAX_WAIT_S)
    outcome = await ctx.services.agent.wait(RunId(params.run_id), timeout_s)
    if outcome is None:
        return AgentWaited(params.run_id, "timeout")
    return AgentWaited(
        run_id=params.run_id,
        status=outcome.status,
        started_at=outcome.started_at_ms,
        ended_at=outcome.ended_at_ms,
        error=outcome.error,
    )


def final_of(run_id: RunId, outcome: RunOutcome) -> AgentFinal:
    """The last answer of `agent`.

    Raises:
        Failed: If the run failed; the payload travels beside the error.
    """
    if outcome.status == "error":
        raise failure(run_id, outcome.error or outcome.summary)
    return AgentFinal(run_id, "ok", outcome.summary, outcome.result)


def failure(run_id: str, message: str) -> Failed:
    """A run's failure as `agent` answers it."""
    return Failed(message, payload=AgentFinal(RunId(run_id), "error", message))


def _known(run: Run) -> AgentFinal | AgentAccepted:
    """A key that was used before: the stored answer, or word that it still runs."""
    if run.outcome is None:
        return AgentAccepted(run.run_id, "in_flight", run.accepted_at_ms)
    return final_of(run.run_id, run.outcome)


def _check(ctx: Context, params: AgentParams) -> None:
    """Refuse what names something that is not there, before anything is written."""
    if params.agent_id is not None and not ctx.services.profiles.knows(params.agent_id):
        raise Refused(f'invalid agent params: unknown agent id "{params.agent_id[:64]}"')
    check_channels(ctx, params)


async def _name(ctx: Context, params: AgentParams, key: SessionKey) -> None:
    """Give the session the label and the parent that the call names.

    Raises:
        Refused: If a value makes no sense, or the caller may not change sessions.
    """
    given = {
        name: value.strip()
        for name, value in (("label", params.label), ("spawned_by", params.spawned_by))
        if value and value.strip()
    }
    if given and not allows(ctx.caller.scopes, Scope.ADMIN):
        raise Refused(f"missing scope: {Scope.ADMIN}")
    if given:
        patch = msgspec.structs.replace(SessionsPatch(key=key), **given)
        await ctx.services.sessions.patch(patch)


async def _target(ctx: Context, params: AgentParams) -> tuple[SessionKey, str] | None:
    """The session a run goes to, and how the caller calls it; None if nothing names one.

    Raises:
        Refused: If agent and session key contradict each other.
    """
    services = ctx.services
    policy = services.policy()
    if params.session_key:
        key = services.sessions.key(params.session_key)
        owner = agent_of(key, default=services.profiles.default_id)
        if params.agent_id is not None and owner != params.agent_id.lower():
            raise Refused(
                f'invalid agent params: agent "{params.agent_id}" does not match session key '
                f'agent "{owner}"'
            )
        return key, params.session_key
    if params.session_id:
        found = await services.sessions.by_id(params.session_id)
        if found is not None:
            return found.key, found.key
    if params.agent_id is not None:
        key = main_session(AgentId(params.agent_id.lower()), policy.main_key)
        return key, key
    if params.to or params.session_id:
        key = main_session(services.profiles.default_id, policy.main_key)
        return key, key
    return None


def _without_target(ctx: Context, params: AgentParams) -> AgentFinal:
    """The Node gateway accepts such a run and then fails it; clients know these two answers."""
    now_ms = ctx.services.clock.now_ms()
    ctx.call.accept(AgentAccepted(RunId(params.idempotency_key), "accepted", now_ms))
    raise failure(params.idempotency_key, _NO_TARGET)
