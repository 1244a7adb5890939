"""Wire types of `sessions.*` and `chat.history` (protocol 3, section 2.3).

What comes in is strict; of the patch, a field that is absent stays, one that is null is
cleared. What goes out leaves absent what is not known. Messages of a transcript are in the
Node gateway's shape, which is also how they are stored.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

__all__ = [
    "MAX_LABEL_CHARS",
    "ChatHistory",
    "ChatHistoryPage",
    "DeliveryContext",
    "MessageCost",
    "MessageUsage",
    "PreviewItem",
    "SessionCompacted",
    "SessionDefaults",
    "SessionDeleted",
    "SessionOrigin",
    "SessionPatched",
    "SessionPreview",
    "SessionResetDone",
    "SessionResolved",
    "SessionRow",
    "SessionState",
    "SessionsCompact",
    "SessionsDelete",
    "SessionsList",
    "SessionsPage",
    "SessionsPatch",
    "SessionsPreview",
    "SessionsPreviews",
    "SessionsReset",
    "SessionsResolve",
    "TranscriptMessage",
]

MAX_LABEL_CHARS: Final = 64

Key = Annotated[str, Meta(min_length=1, max_length=512, description="Session key or alias.")]
Word = Annotated[str, Meta(min_length=1, max_length=256)]
Label = Annotated[str, Meta(min_length=1, max_length=MAX_LABEL_CHARS)]
Maybe = Word | UnsetType | None


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What comes in: camel case, nothing unknown."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """What goes out: camel case, absent rather than null."""


class SessionsList(_In, frozen=True, kw_only=True):
    """Params of `sessions.list`; without a limit the newest 1000, and never more than 2000."""

    limit: Annotated[int, Meta(ge=1, description="How many rows at most.")] | None = None
    active_minutes: (
        Annotated[int, Meta(ge=1, le=2**31, description="Only what changed since.")] | None
    ) = None
    include_global: bool = False
    include_unknown: bool = False
    include_derived_titles: bool = False
    include_last_message: bool = False
    label: Label | None = None
    spawned_by: Key | None = None
    agent_id: Word | None = None
    search: Annotated[str, Meta(max_length=512)] | None = None


class SessionsResolve(_In, frozen=True, kw_only=True):
    """Params of `sessions.resolve`: one of key, transcript id or label; the rest narrows it."""

    key: Key | None = None
    session_id: Word | None = None
    label: Label | None = None
    agent_id: Word | None = None
    spawned_by: Key | None = None
    include_global: bool = False
    include_unknown: bool = False


class SessionsPreview(_In, frozen=True, kw_only=True):
    """Params of `sessions.preview`; the first 64 keys are answered."""

    keys: Annotated[list[Key], Meta(min_length=1)]
    limit: Annotated[int, Meta(ge=1, description="Items per session, 12 if absent.")] | None = None
    max_chars: (
        Annotated[int, Meta(ge=20, description="Characters per item, 240 if absent.")] | None
    ) = None


class SessionsPatch(_In, frozen=True, kw_only=True):
    """Params of `sessions.patch`: null clears a field, absence leaves it."""

    key: Key
    label: Label | UnsetType | None = UNSET
    thinking_level: Maybe = UNSET
    verbose_level: Maybe = UNSET
    reasoning_level: Maybe = UNSET
    response_usage: Literal["off", "tokens", "full", "on"] | UnsetType | None = UNSET
    elevated_level: Maybe = UNSET
    exec_host: Maybe = UNSET
    exec_security: Maybe = UNSET
    exec_ask: Maybe = UNSET
    exec_node: Maybe = UNSET
    model: Maybe = UNSET
    spawned_by: Maybe = UNSET
    send_policy: Literal["allow", "deny"] | UnsetType | None = UNSET
    group_activation: Literal["mention", "always"] | UnsetType | None = UNSET


class SessionsReset(_In, frozen=True, kw_only=True):
    """Params of `sessions.reset`."""

    key: Key


class SessionsDelete(_In, frozen=True, kw_only=True):
    """Params of `sessions.delete`; the transcript is archived, not destroyed."""

    key: Key
    delete_transcript: bool = True


class SessionsCompact(_In, frozen=True, kw_only=True):
    """Params of `sessions.compact`; the newest 400 messages stay if not said otherwise."""

    key: Key
    max_lines: Annotated[int, Meta(ge=1, le=2**31)] | None = None


class ChatHistory(_In, frozen=True, kw_only=True):
    """Params of `chat.history`; the newest 200 messages if not said otherwise."""

    session_key: Key
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None


class SessionOrigin(_Out, frozen=True, kw_only=True):
    """Where the session's newest message came from."""

    label: str | None = None
    provider: str | None = None
    surface: str | None = None
    chat_type: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    account_id: str | None = None
    thread_id: str | None = None


class DeliveryContext(_Out, frozen=True, kw_only=True):
    """Where an answer without an address would go."""

    channel: str | None = None
    to: str | None = None
    account_id: str | None = None
    thread_id: str | None = None


class SessionDefaults(_Out, frozen=True, kw_only=True):
    """What a session without settings of its own uses."""

    model_provider: str | None = None
    model: str | None = None
    context_tokens: int | None = None


class SessionRow(_Out, frozen=True, kw_only=True):
    """One session of `sessions.list`."""

    key: str
    kind: str
    label: str | None = None
    display_name: str | None = None
    derived_title: str | None = None
    last_message_preview: str | None = None
    subject: str | None = None
    chat_type: str | None = None
    origin: SessionOrigin | None = None
    updated_at: int
    session_id: str
    system_sent: bool | None = None
    aborted_last_run: bool
    thinking_level: str | None = None
    verbose_level: str | None = None
    reasoning_level: str | None = None
    elevated_level: str | None = None
    send_policy: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int
    response_usage: str | None = None
    model_provider: str | None = None
    model: str | None = None
    context_tokens: int | None = None
    delivery_context: DeliveryContext | None = None
    last_channel: str | None = None
    last_to: str | None = None
    last_account_id: str | None = None


class SessionsPage(_Out, frozen=True, kw_only=True):
    """Answer of `sessions.list`, most recently changed first; `count` is that of the rows."""

    ts: int
    path: str
    count: int
    defaults: SessionDefaults
    sessions: list[SessionRow]


class PreviewItem(_Out, frozen=True, kw_only=True):
    """One message, shortened."""

    role: Literal["user", "assistant", "tool", "system"]
    text: str


class SessionPreview(_Out, frozen=True, kw_only=True):
    """The newest messages of one session, oldest first; the key as the caller wrote it."""

    key: str
    status: Literal["ok", "empty", "missing"]
    items: list[PreviewItem]


class SessionsPreviews(_Out, frozen=True, kw_only=True):
    """Answer of `sessions.preview`."""

    ts: int
    previews: list[SessionPreview]


class SessionState(_Out, frozen=True, kw_only=True):
    """`entry` of patch and reset: everything a session keeps."""

    session_id: str
    updated_at: int
    system_sent: bool | None = None
    aborted_last_run: bool
    label: str | None = None
    display_name: str | None = None
    subject: str | None = None
    chat_type: str | None = None
    origin: SessionOrigin | None = None
    delivery_context: DeliveryContext | None = None
    last_channel: str | None = None
    last_to: str | None = None
    last_account_id: str | None = None
    spawned_by: str | None = None
    thinking_level: str | None = None
    verbose_level: str | None = None
    reasoning_level: str | None = None
    elevated_level: str | None = None
    response_usage: str | None = None
    exec_host: str | None = None
    exec_security: str | None = None
    exec_ask: str | None = None
    exec_node: str | None = None
    send_policy: str | None = None
    group_activation: str | None = None
    provider_override: str | None = None
    model_override: str | None = None
    model_provider: str | None = None
    model: str | None = None
    context_tokens: int | None = None
    compaction_count: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class SessionPatched(_Out, frozen=True, kw_only=True):
    """Answer of `sessions.patch`."""

    ok: bool
    path: str
    key: str
    entry: SessionState


class SessionResetDone(_Out, frozen=True, kw_only=True):
    """Answer of `sessions.reset`."""

    ok: bool
    key: str
    entry: SessionState


class SessionResolved(_Out, frozen=True, kw_only=True):
    """Answer of `sessions.resolve`: the key under which the session is kept."""

    ok: bool
    key: str


class SessionDeleted(_Out, frozen=True, kw_only=True):
    """Answer of `sessions.delete`; `archived` names the transcript that was put away."""

    ok: bool
    key: str
    deleted: bool
    archived: list[str]


class SessionCompacted(_Out, frozen=True, kw_only=True):
    """Answer of `sessions.compact`."""

    ok: bool
    key: str
    compacted: bool
    archived: str | None = None
    kept: int | None = None
    reason: str | None = None


class MessageCost(_Out, frozen=True, kw_only=True, omit_defaults=False):
    """US dollars of one request, by kind of token; zeros are said."""

    input: float = 0
    output: float = 0
    cache_read: float = 0
    cache_write: float = 0
    total: float = 0


class MessageUsage(_Out, frozen=True, kw_only=True):
    """Tokens of the request that made a message; the caches are absent on injected ones."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    total_tokens: int
    cost: MessageCost | None = None


class TranscriptMessage(_Out, frozen=True, kw_only=True):
    """One message as transcripts keep it and `chat.history` shows it."""

    role: Literal["user", "assistant", "toolResult", "system"]
    tool_call_id: str | None = None
    tool_name: str | None = None
    content: list[dict[str, Any]]
    details: Any = None
    is_error: bool | None = None
    api: str | None = None
    provider: str | None = None
    model: str | None = None
    usage: MessageUsage | None = None
    stop_reason: str | None = None
    timestamp: int
    error_message: str | None = None


class ChatHistoryPage(_Out, frozen=True, kw_only=True):
    """Answer of `chat.history`, oldest first, at most 6 MB.

    Each message is a `TranscriptMessage`, kept encoded.
    """

    session_key: str
    session_id: str | None = None
    messages: list[
        Annotated[msgspec.Raw, Meta(extra_json_schema={"$ref": "#/$defs/TranscriptMessage"})]
    ]
    thinking_level: str
