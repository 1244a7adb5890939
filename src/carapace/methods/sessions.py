"""`sessions.*` and `chat.history`: conversations, as lists, settings and transcripts."""

from __future__ import annotations

import msgspec

from carapace.methods.context import Context
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.sessions import (
    ChatHistory,
    ChatHistoryPage,
    SessionCompacted,
    SessionDeleted,
    SessionPatched,
    SessionResetDone,
    SessionResolved,
    SessionsCompact,
    SessionsDelete,
    SessionsList,
    SessionsPage,
    SessionsPatch,
    SessionsPreview,
    SessionsPreviews,
    SessionsReset,
    SessionsResolve,
)

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("sessions.list", scope=Scope.READ, result=SessionsPage)
async def sessions_list(ctx: Context, params: SessionsList) -> msgspec.Raw:
    """List sessions, most recently active first."""
    return await ctx.services.sessions.encoded_page(params)


@METHODS.method("sessions.preview", scope=Scope.READ)
async def sessions_preview(ctx: Context, params: SessionsPreview) -> SessionsPreviews:
    """The newest messages of several sessions, shortened."""
    return await ctx.services.sessions.previews(params)


@METHODS.method("sessions.resolve", scope=Scope.ADMIN, advertised=False)
async def sessions_resolve(ctx: Context, params: SessionsResolve) -> SessionResolved:
    """The key of the session that a key, a transcript's id or a label names."""
    return await ctx.services.sessions.resolve(params)


@METHODS.method("sessions.patch", scope=Scope.ADMIN)
async def sessions_patch(ctx: Context, params: SessionsPatch) -> SessionPatched:
    """Change a session's label, levels, model or policies; null clears."""
    done = await ctx.services.sessions.patch(params)
    ctx.services.health.changed()
    return done


@METHODS.method("sessions.reset", scope=Scope.ADMIN)
async def sessions_reset(ctx: Context, params: SessionsReset) -> SessionResetDone:
    """Begin a new, empty transcript under the same key; what runs there is ended first."""
    key = ctx.services.sessions.key(params.key)
    await ctx.services.agent.quiet(key)
    done = await ctx.services.sessions.reset(params.key)
    ctx.services.agent.forget_history(key)
    ctx.services.health.changed()
    return done


@METHODS.method("sessions.delete", scope=Scope.ADMIN)
async def sessions_delete(ctx: Context, params: SessionsDelete) -> SessionDeleted:
    """Take a session away; its transcript is archived, what runs there is ended first."""
    key = ctx.services.sessions.deletable(params.key)
    await ctx.services.agent.quiet(key)
    done = await ctx.services.sessions.delete(
        params.key, delete_transcript=params.delete_transcript
    )
    ctx.services.agent.forget_history(key)
    ctx.services.health.changed()
    return done


@METHODS.method("sessions.compact", scope=Scope.ADMIN)
async def sessions_compact(ctx: Context, params: SessionsCompact) -> SessionCompacted:
    """Keep the newest messages of a transcript and archive the rest."""
    done = await ctx.services.sessions.truncate(params.key, params.max_lines)
    ctx.services.agent.forget_history(ctx.services.sessions.key(params.key))
    ctx.services.health.changed()
    return done


@METHODS.method("chat.history", scope=Scope.READ)
async def chat_history(ctx: Context, params: ChatHistory) -> ChatHistoryPage:
    """The newest messages of a session, oldest first."""
    return await ctx.services.sessions.history_page(params.session_key, params.limit)
