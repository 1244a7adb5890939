"""The `status` report: what the stock command line prints, built from the store.

A row of `recent` is `{key, kind, sessionId, updatedAt, age, thinkingLevel?, verboseLevel?,
..., inputTokens, outputTokens, totalTokens, remainingTokens, percentUsed, model,
contextTokens, flags}`.
"""

from __future__ import annotations

from typing import Any, Final

from carapace.ids import AgentId
from carapace.methods.context import Services
from carapace.protocol.health import (
    AgentStatus,
    HeartbeatOverview,
    HeartbeatStatus,
    SessionsStatus,
    StatusReport,
)
from carapace.sessions.keys import kind_of
from carapace.sessions.types import SessionEntry

__all__ = ["report", "row_of"]

_RECENT: Final = 10


async def report(services: Services) -> StatusReport:
    """Everything `status` says."""
    agents = services.profiles.ids
    path = services.sessions.path
    policy = services.policy()
    model = policy.model.model if policy.model else None
    context_tokens = policy.context_tokens
    now_ms = services.clock.now_ms()
    total, newest = await services.sessions.recent(_RECENT)
    by_agent: list[AgentStatus] = []
    for agent_id in agents:
        count, recent = await services.sessions.recent(_RECENT, agent_id=agent_id)
        rows = [row_of(entry, now_ms, model, context_tokens) for entry in recent]
        by_agent.append(AgentStatus(agent_id, path, count, rows))
    beats = [_beat(services, agent_id) for agent_id in agents]
    main_key = services.sessions.key(f"agent:{agents[0]}:main")
    rows = [row_of(entry, now_ms, model, context_tokens) for entry in newest]
    model_defaults = {"model": model, "contextTokens": context_tokens}
    return StatusReport(
        heartbeat=HeartbeatOverview(agents[0], beats),
        channel_summary=[line for one in services.accounts.health() for line in one.as_lines()],
        queued_system_events=[note.text for note in await services.wakes.queued(main_key)],
        sessions=SessionsStatus([path], total, model_defaults, rows, by_agent),
        config_issue=services.config.trouble(),
    )


def _beat(services: Services, agent_id: AgentId) -> HeartbeatStatus:
    """How often an agent looks by itself; "disabled" and null where it does not."""
    plan = services.heartbeats.plan(agent_id)
    if plan is None:
        return HeartbeatStatus(agent_id, enabled=False, every="disabled", every_ms=None)
    shown = plan.wire()
    return HeartbeatStatus(agent_id, shown.enabled, shown.every, shown.every_ms)


def row_of(
    entry: SessionEntry, now_ms: int, model: str | None, context_tokens: int | None
) -> dict[str, Any]:
    """One session as `status` lists it."""
    context = entry.context_tokens or context_tokens
    total = entry.total_tokens
    row: dict[str, Any] = {
        "agentId": entry.agent_id,
        "key": entry.key,
        "kind": kind_of(entry.key),
        "sessionId": entry.session_id,
        "updatedAt": entry.updated_at_ms,
        "age": max(0, now_ms - entry.updated_at_ms),
        "thinkingLevel": entry.thinking_level,
        "verboseLevel": entry.verbose_level,
        "reasoningLevel": entry.reasoning_level,
        "elevatedLevel": entry.elevated_level,
        "systemSent": entry.system_sent,
        "abortedLastRun": entry.aborted_last_run,
        "inputTokens": entry.input_tokens,
        "outputTokens": entry.output_tokens,
        "model": entry.model_override or entry.model or model,
        "contextTokens": context,
    }
    row = {name: value for name, value in row.items() if value is not None}
    row["totalTokens"] = total
    row |= _window(total, context)
    row["flags"] = _flags(entry)
    return row


def _window(total: int | None, context: int | None) -> dict[str, int | None]:
    """How much of the context is left; null where nothing is known. Halves round up."""
    if total is None or not context:
        return {"remainingTokens": None, "percentUsed": None}
    percent = (total * 200 + context) // (context * 2)
    return {"remainingTokens": max(0, context - total), "percentUsed": min(999, percent)}


def _flags(entry: SessionEntry) -> list[str]:
    """What the command line prints behind a session, such as `think:low`."""
    named = (
        ("think", entry.thinking_level),
        ("verbose", entry.verbose_level),
        ("reasoning", entry.reasoning_level),
        ("elevated", entry.elevated_level),
    )
    flags = [f"{name}:{value}" for name, value in named if value]
    if entry.system_sent:
        flags.append("system")
    if entry.aborted_last_run:
        flags.append("aborted")
    flags.append(f"id:{entry.session_id}")
    return flags
