"""`sessions.list`: from its filters to one indexed query, and from entries to wire rows."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from carapace.protocol.sessions import (
    DeliveryContext,
    SessionOrigin,
    SessionRow,
    SessionsList,
)
from carapace.sessions.excerpts import fallback_title, title_from
from carapace.sessions.keys import SessionKind, kind_of, rest_of
from carapace.sessions.records import COLUMNS, entry_of
from carapace.sessions.types import SessionEntry, SessionPolicy
from carapace.store.ports import Row, Tx

__all__ = ["MAX_ROWS", "columns_of", "list_rows", "recent", "row_of", "selection"]

MAX_ROWS: Final = 2000
"""About a megabyte of JSON: more would overrun what a client may leave unread."""
_UNASKED_ROWS: Final = 1000
"""For who sets no limit: more than a person scrolls through, and half of what may be asked for."""

_NEWEST: Final = "ORDER BY updated_at_ms DESC, key LIMIT :limit"
_ROW: Final = (
    "key, updated_at_ms, session_id, aborted_last_run, label, display_name, subject,"
    " chat_type, origin, system_sent, thinking_level, verbose_level, reasoning_level,"
    " elevated_level, send_policy, input_tokens, output_tokens, total_tokens, response_usage,"
    " provider_override, model_override, model_provider, model, context_tokens, delivery,"
    " last_channel, last_to, last_account_id"
)
_FIRST_SAID: Final = (
    "(SELECT excerpt FROM messages AS m WHERE m.session_id = sessions.session_id"
    " AND m.role = 'user' AND m.excerpt <> '' ORDER BY m.seq LIMIT 1)"
)
"""How the conversation began, even if that part is archived by now."""

_LAST_SAID: Final = (
    "(SELECT excerpt FROM (SELECT m.seq, m.role, m.excerpt FROM messages AS m"
    " WHERE m.session_id = sessions.session_id AND m.archived_at_ms IS NULL AND m.excerpt <> ''"
    " ORDER BY m.seq DESC LIMIT 8) WHERE role IN ('user', 'assistant') ORDER BY seq DESC LIMIT 1)"
)
"""The newest thing a person or the model said; tool results and summaries are neither."""

_DECODE_ORIGIN: Final = msgspec.json.Decoder(SessionOrigin).decode
_DECODE_DELIVERY: Final = msgspec.json.Decoder(DeliveryContext).decode


def list_rows(
    tx: Tx, query: SessionsList, policy: SessionPolicy, *, now_ms: int
) -> list[SessionRow]:
    """The sessions that `query` asks for, most recently changed first."""
    tail, values = selection(query, now_ms)
    sql = f"SELECT {columns_of(query)} FROM sessions {tail}"  # noqa: S608 - values are bound
    return [row_of(row, query, policy) for row in tx.all(sql, values)]


def selection(query: SessionsList, now_ms: int) -> tuple[str, dict[str, Any]]:
    """Which sessions and in which order, as the end of a statement, and its values."""
    conditions, values = _conditions(query, now_ms)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return f"{where}{_NEWEST}", values | {"limit": min(query.limit or _UNASKED_ROWS, MAX_ROWS)}


def columns_of(query: SessionsList) -> str:
    """What `row_of` unpacks, by position; texts are only looked up where they are asked for."""
    first = _FIRST_SAID if query.include_derived_titles else "NULL"
    last = _LAST_SAID if query.include_last_message else "NULL"
    return f"{_ROW}, {first}, {last}, revision, rowid AS row"


def recent(tx: Tx, *, limit: int, agent_id: str | None = None) -> list[SessionEntry]:
    """The newest sessions of one agent or of all, for health and status."""
    where, values = "", {"limit": limit}
    if agent_id is not None:
        where, values = "WHERE agent_id = :agent_id", {"limit": limit, "agent_id": agent_id}
    sql = f"SELECT {COLUMNS} FROM sessions {where} {_NEWEST}"  # noqa: S608 - our own text
    return [entry_of(row) for row in tx.all(sql, values)]


def _conditions(query: SessionsList, now_ms: int) -> tuple[list[str], dict[str, Any]]:
    """SQL conditions, each only where it is asked for, so that the indexes fit."""
    found: list[str] = []
    values: dict[str, Any] = {}
    belongs = query.agent_id is not None or query.spawned_by is not None
    hidden = [
        name
        for name, shown in (("global", query.include_global), ("unknown", query.include_unknown))
        if belongs or not shown
    ]
    found += [f"key <> '{name}'" for name in hidden]
    if query.agent_id is not None:
        found.append("agent_id = :agent_id")
        values["agent_id"] = query.agent_id.strip().lower()
    if query.spawned_by is not None:
        found.append("spawned_by = :spawned_by")
        values["spawned_by"] = query.spawned_by
    if query.label is not None:
        found.append("label = :label")
        values["label"] = query.label.strip()
    if query.active_minutes is not None:
        found.append("updated_at_ms >= :since_ms")
        values["since_ms"] = now_ms - query.active_minutes * 60_000
    needle = (query.search or "").strip().casefold()
    if needle:
        found.append("instr(search_text, :needle) > 0")
        values["needle"] = needle
    return found, values


def row_of(row: Row, query: SessionsList, policy: SessionPolicy) -> SessionRow:
    """A row of `columns_of` as clients list it; what it does not say comes from the defaults."""
    (
        key, updated_at, session_id, aborted, label, display_name, subject,
        chat_type, origin_json, sent, thinking, verbose, reasoning,
        elevated, send_policy, input_tokens, output_tokens, total, response_usage,
        provider_override, model_override, provider, model, context_tokens, delivery,
        last_channel, last_to, last_account_id, first_said, last_said, _, _,
    ) = row  # fmt: skip
    kind = kind_of(key, chat_type)
    origin = _DECODE_ORIGIN(origin_json) if origin_json else None
    if model_override:
        provider, model = provider_override, model_override
    elif policy.model is not None:
        provider, model = policy.model.provider, policy.model.model
    title = None
    if query.include_derived_titles:
        # What a person would call the session: how it began, or at least which one it is.
        title = subject or (title_from(first_said) if first_said else None)
        title = title or fallback_title(session_id, updated_at)
    return SessionRow(
        key=key,
        kind=kind,
        label=label,
        display_name=display_name
        or (_group_name(key, kind, subject) if label is None else label)
        or (origin.label if origin else None),
        derived_title=title,
        last_message_preview=last_said,
        subject=subject,
        chat_type=chat_type or (origin.chat_type if origin else None),
        origin=origin,
        updated_at=updated_at,
        session_id=session_id,
        system_sent=None if sent is None else sent == 1,
        aborted_last_run=aborted == 1,
        thinking_level=thinking,
        verbose_level=verbose,
        reasoning_level=reasoning,
        elevated_level=elevated,
        send_policy=send_policy,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=(input_tokens or 0) + (output_tokens or 0) if total is None else total,
        response_usage=response_usage,
        model_provider=provider,
        model=model,
        context_tokens=context_tokens or policy.context_tokens,
        delivery_context=_DECODE_DELIVERY(delivery) if delivery else None,
        last_channel=last_channel,
        last_to=last_to,
        last_account_id=last_account_id,
    )


def _group_name(key: str, kind: SessionKind, subject: str | None) -> str | None:
    """What to call a group that nobody named."""
    return (subject or rest_of(key)) if kind is SessionKind.GROUP else None
