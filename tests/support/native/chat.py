"""Chats and the runs behind them."""

from __future__ import annotations

from typing import Any

from support.native.frames import NativeStruct

__all__ = [
    "AgentAccepted",
    "AgentEvent",
    "ChatAbort",
    "ChatEvent",
    "ChatHistory",
    "ChatMessage",
    "ChatPart",
    "ChatSend",
    "ChatUsage",
]


class AgentEvent(NativeStruct, kw_only=True):
    run_id: str
    seq: int
    stream: str
    ts: int
    data: dict[str, Any]
    session_key: str | None = None
    summary: str | None = None


class ChatPart(NativeStruct, kw_only=True):
    type: str
    text: str | None = None


class ChatUsage(NativeStruct, kw_only=True):
    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    total_tokens: int | None = None
    cost: dict[str, float] | None = None


class ChatMessage(NativeStruct, kw_only=True):
    role: str
    content: str | list[ChatPart]
    timestamp: int | None = None
    usage: ChatUsage | None = None
    stop_reason: str | None = None


class ChatEvent(NativeStruct, kw_only=True):
    run_id: str
    session_key: str
    state: str
    seq: int | None = None
    message: ChatMessage | None = None
    error_message: str | None = None


class ChatSend(NativeStruct):
    run_id: str
    status: str


class ChatHistory(NativeStruct, kw_only=True):
    session_key: str
    messages: list[ChatMessage]
    session_id: str | None = None
    thinking_level: str | None = None


class ChatAbort(NativeStruct, kw_only=True):
    ok: bool
    aborted: bool
    run_ids: list[str]


class AgentAccepted(NativeStruct, kw_only=True):
    run_id: str
    status: str
