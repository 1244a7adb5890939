"""Tools that look at conversations, those of the same agent only.

Names, parameters and facts are those of the Node gateway's tools; what a transcript says is
shown to the model as JSON, so that no line of it looks like anything else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from carapace.agent.approval import Risk
from carapace.agent.tools.registry import (
    ToolAnswer,
    ToolContext,
    Tools,
    ToolTrouble,
    json_answer,
)
from carapace.protocol.sessions import DeliveryContext, SessionRow, SessionsList
from carapace.sessions.keys import SessionKind, agent_of, main_session, rest_of
from carapace.sessions.types import SessionEntry, StoredMessage

__all__ = ["TOOLS", "SessionStatus", "SessionsHistory", "SessionsListing", "status_text"]

TOOLS = Tools()
_MESSAGE_CHARS: Final = 2_000
_LISTED: Final = 20
_MAX_LISTED: Final = 200
_READ: Final = 20
_MAX_READ: Final = 200
_MAX_LATEST: Final = 20
_NANO: Final = 1_000_000_000

Kind = Literal["main", "group", "cron", "hook", "node", "other"]


class SessionsListing(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Arguments of `sessions_list`."""

    kinds: Annotated[list[Kind], Meta(max_length=6, description="Only these kinds.")] | None = None
    limit: Annotated[int, Meta(ge=1, description="How many sessions, 20 if absent.")] = _LISTED
    active_minutes: (
        Annotated[int, Meta(ge=1, le=2**31, description="Only what changed since.")] | None
    ) = None
    message_limit: Annotated[
        int, Meta(ge=0, description="Latest messages of each, at most 20.")
    ] = 0
    search: Annotated[str, Meta(max_length=200, description="Part of a label or key.")] | None = (
        None
    )


class SessionsHistory(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Arguments of `sessions_history`."""

    session_key: Annotated[
        str, Meta(min_length=1, max_length=512, description="As sessions_list names it.")
    ]
    limit: Annotated[int, Meta(ge=1, description="How many messages, 20 if absent.")] = _READ
    include_tools: Annotated[bool, Meta(description="Results of tools as well.")] = False


class SessionStatus(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Arguments of `session_status`."""

    session_key: (
        Annotated[str, Meta(min_length=1, max_length=512, description="Another of your sessions.")]
        | None
    ) = None


class _Listed(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One session as `sessions_list` tells it."""

    key: str
    kind: Kind
    channel: str
    label: str | None = None
    display_name: str | None = None
    title: str | None = None
    delivery_context: DeliveryContext | None = None
    updated_at: int
    session_id: str
    model: str | None = None
    context_tokens: int | None = None
    total_tokens: int
    thinking_level: str | None = None
    verbose_level: str | None = None
    system_sent: bool | None = None
    aborted_last_run: bool
    send_policy: str | None = None
    last_channel: str | None = None
    last_to: str | None = None
    last_account_id: str | None = None
    transcript_path: str
    messages: list[dict[str, Any]] | None = None


@TOOLS.tool("sessions_list", risk=Risk.READ, is_core=True)
async def sessions_list(ctx: ToolContext, params: SessionsListing) -> ToolAnswer:
    """List your other conversations with the user, the most recent first."""
    limit = min(params.limit, _MAX_LISTED)
    page = await ctx.sessions.page(
        SessionsList(
            # Kinds are told apart after the query, so it must not cut what they would leave.
            limit=None if params.kinds else limit,
            active_minutes=params.active_minutes,
            search=params.search,
            agent_id=ctx.agent_id,
            include_derived_titles=not params.kinds,
        )
    )
    rows = [_listed(row, ctx) for row in page.sessions]
    if params.kinds:
        rows = [row for row in rows if row.kind in params.kinds]
    rows = rows[:limit]
    for row in rows if params.message_limit else ():
        latest = min(params.message_limit, _MAX_LATEST)
        row.messages = await _messages(ctx, row.key, latest, with_tools=False)
    answer = _json(ctx, {"count": len(rows), "sessions": rows})
    # A model needs which there are, not what programs want to know of each.
    return answer if ctx.is_direct else replace(answer, text=_lines(rows))


@TOOLS.tool("sessions_history", risk=Risk.READ)
async def sessions_history(ctx: ToolContext, params: SessionsHistory) -> ToolAnswer:
    """Read the latest messages of one of your conversations with the user."""
    key = _own(ctx, params.session_key)
    limit = min(params.limit, _MAX_READ)
    messages = await _messages(ctx, key, limit, with_tools=params.include_tools)
    return _json(ctx, {"sessionKey": params.session_key, "messages": messages})


@TOOLS.tool("session_status", risk=Risk.READ, is_core=True)
async def session_status(ctx: ToolContext, params: SessionStatus) -> ToolAnswer:
    """Tell which model answers in this conversation and how many tokens it has used."""
    key = _own(ctx, params.session_key) if params.session_key else ctx.session_key
    entry = await ctx.sessions.get(key)
    if entry is None and params.session_key:
        raise ToolTrouble(f"Unknown sessionKey: {params.session_key}")
    text = status_text(entry, now_ms=ctx.clock.now_ms())
    # This tool reads: models are changed by people, with /model or sessions.patch.
    details = {"ok": True, "sessionKey": key, "changedModel": False, "statusText": text}
    return ToolAnswer(text, details)


def status_text(entry: SessionEntry | None, *, now_ms: int) -> str:
    """How a session stands, in a few lines for people and models."""
    if entry is None:
        return "This conversation is new: nothing has been said."
    model = f"{entry.model_provider}/{entry.model}" if entry.model else "none has answered yet"
    used, window = entry.total_tokens or 0, entry.context_tokens or 0
    share = f" of {window} ({round(100 * used / window)}%)" if window else ""
    age_s = max(0, now_ms - entry.updated_at_ms) // 1000
    return "\n".join(
        (
            f"Session: {entry.key}",
            f"Model: {model}",
            f"Thinking: {entry.thinking_level or 'default'}",
            f"Context: {used} tokens{share}, compacted {entry.compaction_count} times",
            f"Used so far: {entry.used.total} tokens, {entry.used.cost_nano_usd / _NANO:.4f} USD",
            f"Last change: {age_s} s ago",
        )
    )


def _own(ctx: ToolContext, text: str) -> str:
    """The canonical key of a session of this agent.

    Raises:
        ToolTrouble: If it is another agent's.
    """
    key = ctx.sessions.key(text)
    if agent_of(key, default=ctx.agent_id) != ctx.agent_id:
        raise ToolTrouble("that conversation belongs to another agent; use sessions_list")
    return key


def _listed(row: SessionRow, ctx: ToolContext) -> _Listed:
    kind = _kind(row, ctx)
    return _Listed(
        key=row.key,
        kind=kind,
        channel=_channel(row, kind),
        label=row.label,
        display_name=row.display_name,
        title=row.derived_title,
        delivery_context=row.delivery_context,
        updated_at=row.updated_at,
        session_id=row.session_id,
        model=row.model,
        context_tokens=row.context_tokens,
        total_tokens=row.total_tokens,
        thinking_level=row.thinking_level,
        verbose_level=row.verbose_level,
        system_sent=row.system_sent,
        aborted_last_run=row.aborted_last_run,
        send_policy=row.send_policy,
        last_channel=row.last_channel,
        last_to=row.last_to,
        last_account_id=row.last_account_id,
        transcript_path=f"{row.session_id}.jsonl",
    )


def _lines(rows: list[_Listed]) -> str:
    """One line each; what its people said in it stands in quotes."""
    return "\n".join(_line(row) for row in rows) or "There are no conversations."


def _line(row: _Listed) -> str:
    at = datetime.fromtimestamp(row.updated_at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = msgspec.json.encode(row.label or row.title or row.display_name or "untitled").decode()
    said = "".join(f"\n  {msgspec.json.encode(one).decode()}" for one in row.messages or ())
    return f"{row.key}: {title} ({at}){said}"


def _kind(row: SessionRow, ctx: ToolContext) -> Kind:
    if row.key in (main_session(ctx.agent_id), ctx.sessions.key("main")):
        return "main"
    rest = rest_of(row.key)
    for kind in ("cron", "hook", "node"):
        if rest.startswith((f"{kind}:", f"{kind}-")):
            return kind
    return "group" if row.kind == SessionKind.GROUP else "other"


def _channel(row: SessionRow, kind: Kind) -> str:
    if kind in ("cron", "hook", "node"):
        return "internal"
    known = row.delivery_context.channel if row.delivery_context else None
    parts = rest_of(row.key).split(":")
    of_key = parts[0] if len(parts) > 2 and parts[1] in ("group", "channel") else None  # noqa: PLR2004
    return known or row.last_channel or of_key or "unknown"


async def _messages(
    ctx: ToolContext, key: str, limit: int, *, with_tools: bool
) -> list[dict[str, Any]]:
    found = await ctx.sessions.history(key, limit)
    return [_message(one) for one in found if one.text and (with_tools or one.role != "toolResult")]


def _message(message: StoredMessage) -> dict[str, Any]:
    text = message.text
    if len(text) > _MESSAGE_CHARS:
        text = text[:_MESSAGE_CHARS] + " [...]"
    content = [{"type": "text", "text": text}]
    return {"role": message.role, "content": content, "timestamp": message.timestamp_ms}


def _json(ctx: ToolContext, facts: dict[str, Any]) -> ToolAnswer:
    return json_answer(ctx, msgspec.to_builtins(facts))
