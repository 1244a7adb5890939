"""From what is stored to what clients are shown: pure conversions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec

from carapace.ids import SessionKey
from carapace.protocol.sessions import (
    PreviewItem,
    SessionCompacted,
    SessionDefaults,
    SessionState,
)
from carapace.sessions.excerpts import shorten, without_message_id
from carapace.sessions.transcripts import Excerpt
from carapace.sessions.types import SessionEntry, SessionPolicy

__all__ = ["defaults_of", "not_compacted", "preview_items", "shown", "state_of"]

_PREVIEW_ROLES: Final[dict[str, Literal["user", "assistant", "tool", "system"]]] = {
    "user": "user",
    "assistant": "assistant",
    "toolResult": "tool",
    "system": "system",
}
_DECODE_ANY: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
_STATE_FIELDS: Final = tuple(
    name
    for name in SessionState.__struct_fields__
    if name not in ("session_id", "updated_at", "delivery_context", "compaction_count")
)


def defaults_of(policy: SessionPolicy) -> SessionDefaults:
    """What a session without settings of its own uses, as clients see it."""
    return SessionDefaults(
        model_provider=policy.model.provider if policy.model else None,
        model=policy.model.model if policy.model else None,
        context_tokens=policy.context_tokens,
    )


def state_of(entry: SessionEntry) -> SessionState:
    """An entry as patch and reset answer it."""
    return SessionState(
        session_id=entry.session_id,
        updated_at=entry.updated_at_ms,
        delivery_context=entry.delivery,
        compaction_count=entry.compaction_count or None,
        **{name: getattr(entry, name) for name in _STATE_FIELDS},
    )


def not_compacted(
    name: SessionKey, *, reason: str | None = None, kept: int | None = None
) -> SessionCompacted:
    """Nothing was archived: why, or because everything fits."""
    return SessionCompacted(ok=True, key=name, compacted=False, reason=reason, kept=kept)


def shown(role: str, body: str) -> msgspec.Raw:
    """A stored message as clients see it; only a user's may hold a line to leave out."""
    if role != "user" or "[message_id:" not in body:
        return msgspec.Raw(body.encode())
    message: dict[str, Any] = _DECODE_ANY(body)
    for part in cast("list[dict[str, Any]]", message["content"]):
        if part.get("type") == "text":
            part["text"] = without_message_id(part["text"])
    return msgspec.Raw(_ENCODE(message))


def preview_items(excerpts: Sequence[Excerpt], max_chars: int) -> list[PreviewItem]:
    """Excerpts as `sessions.preview` lists them."""
    return [
        PreviewItem(role=_PREVIEW_ROLES[one.role], text=shorten(one.text, max_chars))
        for one in excerpts
    ]
