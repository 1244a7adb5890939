"""Tools that look at conversations, those of the same agent only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble
from carapace.protocol.sessions import SessionRow, SessionsList
from carapace.sessions.keys import agent_of
from carapace.sessions.types import SessionEntry, StoredMessage

__all__ = ["TOOLS", "SessionStatus", "SessionsHistory", "SessionsListing", "status_text"]

TOOLS = Tools()
_MESSAGE_CHARS: Final = 1_000
_NANO: Final = 1_000_000_000


class SessionsListing(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `sessions_list`."""

    limit: Annotated[int, Meta(ge=1, le=50, description="How many sessions at most.")] = 10
    search: Annotated[str, Meta(max_length=200, description="Part of a label or key.")] | None = (
        None
    )


class SessionsHistory(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `sessions_history`."""

    key: Annotated[
        str, Meta(min_length=1, max_length=512, description="As sessions_list names it.")
    ]
    limit: Annotated[int, Meta(ge=1, le=50, description="How many messages at most.")] = 20


class SessionStatus(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `session_status`: none."""


@TOOLS.tool("sessions_list", risk=Risk.READ, is_core=True)
async def sessions_list(ctx: ToolContext, params: SessionsListing) -> str:
    """List your other conversations with the user, the most recent first."""
    page = await ctx.sessions.page(
        SessionsList(
            limit=params.limit,
            search=params.search,
            agent_id=ctx.agent_id,
            include_derived_titles=True,
        )
    )
    return "\n".join(_line(row) for row in page.sessions) or "There are no conversations."


@TOOLS.tool("sessions_history", risk=Risk.READ)
async def sessions_history(ctx: ToolContext, params: SessionsHistory) -> str:
    """Read the latest messages of one of your conversations with the user."""
    key = ctx.sessions.key(params.key)
    if agent_of(key, default=ctx.agent_id) != ctx.agent_id:
        raise ToolTrouble("that conversation belongs to another agent; use sessions_list")
    messages = await ctx.sessions.history(key, params.limit)
    return "\n\n".join(_quoted(one) for one in messages if one.text) or "Nothing was said there."


@TOOLS.tool("session_status", risk=Risk.READ, is_core=True)
async def session_status(ctx: ToolContext, params: SessionStatus) -> str:
    """Tell which model answers in this conversation and how many tokens it has used."""
    del params
    return status_text(await ctx.sessions.get(ctx.session_key), now_ms=ctx.clock.now_ms())


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


def _line(row: SessionRow) -> str:
    at = datetime.fromtimestamp(row.updated_at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = row.label or row.derived_title or row.display_name or "untitled"
    return f"{row.key}: {title} ({at})"


def _quoted(message: StoredMessage) -> str:
    text = message.text
    if len(text) > _MESSAGE_CHARS:
        text = text[:_MESSAGE_CHARS] + " [...]"
    return f"{message.role}: {text}"
