"""Lists of conversations, and their changes."""

from __future__ import annotations

from support.native.frames import NativeStruct

__all__ = [
    "Preview",
    "PreviewItem",
    "SessionChanged",
    "SessionRow",
    "SessionsDefaults",
    "SessionsList",
    "SessionsPreview",
]


class SessionRow(NativeStruct, kw_only=True):
    key: str
    kind: str | None = None
    display_name: str | None = None
    updated_at: int | None = None
    session_id: str | None = None
    system_sent: bool | None = None
    aborted_last_run: bool | None = None
    thinking_level: str | None = None
    verbose_level: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    model: str | None = None
    context_tokens: int | None = None


class SessionsDefaults(NativeStruct, kw_only=True):
    model: str | None = None
    context_tokens: int | None = None


class SessionsList(NativeStruct, kw_only=True):
    path: str
    count: int
    sessions: list[SessionRow]
    ts: int | None = None
    defaults: SessionsDefaults | None = None


class PreviewItem(NativeStruct):
    role: str
    text: str


class Preview(NativeStruct):
    key: str
    status: str
    items: list[PreviewItem]


class SessionsPreview(NativeStruct):
    ts: int
    previews: list[Preview]


class SessionChanged(NativeStruct, kw_only=True):
    """Of patch, reset, delete and compact the apps read that it worked."""

    ok: bool
    key: str
