"""`config.get`, `config.schema` and the writes: what the gateway runs on, and how it may be set up.

Live settings count as soon as they are written. A restart follows where one is needed, and where a
client of `config.patch` or `config.apply` counts on it, by saying whom to tell or how long to wait.
"""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.config.schema import ConfigSchema
from carapace.config.snapshot import ConfigSnapshot
from carapace.config.writing import Draft
from carapace.errors import GatewayError
from carapace.ids import SessionKey
from carapace.methods.context import Context
from carapace.protocol.config import (
    ConfigChange,
    ConfigSet,
    ConfigWritten,
    RestartReport,
    RestartSentinel,
    SentinelReport,
    SentinelStats,
)
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()
_MAX_KEYS_SHOWN = 20


@METHODS.method("config.get", scope=Scope.ADMIN, result=ConfigSnapshot)
def config_get(ctx: Context, params: EmptyParams) -> msgspec.Raw:  # noqa: ARG001 - row shape
    """The file, its hash, what is in use and what is wrong; secrets are replaced by a marker."""
    return ctx.services.config.payload()


@METHODS.method("config.schema", scope=Scope.ADMIN, result=ConfigSchema)
def config_schema(ctx: Context, params: EmptyParams) -> Any:  # noqa: ARG001 - row shape
    """JSON Schema of the settings with hints for forms."""
    return ctx.services.config_schema()


@METHODS.method("config.set", scope=Scope.ADMIN)
async def config_set(ctx: Context, params: ConfigSet) -> ConfigWritten:
    """Write the whole configuration; what is live counts at once."""
    config = ctx.services.config
    await config.commit(config.draft(params.raw, base_hash=params.base_hash))
    return _written(ctx)


@METHODS.method("config.apply", scope=Scope.ADMIN)
async def config_apply(ctx: Context, params: ConfigChange) -> ConfigWritten:
    """Write the whole configuration, restart where needed or asked for, and tell a session."""
    draft = ctx.services.config.draft(params.raw, base_hash=params.base_hash)
    return await _changed(ctx, params, draft, "config.apply")


@METHODS.method("config.patch", scope=Scope.ADMIN)
async def config_patch(ctx: Context, params: ConfigChange) -> ConfigWritten:
    """Change parts of the configuration by a merge patch; comments stay. As `config.apply`."""
    draft = ctx.services.config.draft_patch(params.raw, base_hash=params.base_hash)
    return await _changed(ctx, params, draft, "config.patch")


async def _changed(ctx: Context, params: ConfigChange, draft: Draft, method: str) -> ConfigWritten:
    services = ctx.services
    is_asked = (params.session_key, params.note, params.restart_delay_ms) != (None, None, None)
    if not (is_asked or draft.needs_restart):
        await services.config.commit(draft)
        return _written(ctx)
    key = (params.session_key or "").strip()
    session = services.sessions.key(key) if key else None
    await _commit(ctx, draft, session, _told(method, draft, params.note))
    restart = services.restarts.schedule(method, params.restart_delay_ms)
    return _written(ctx, restart, _sentinel(ctx, params, method))


async def _commit(ctx: Context, draft: Draft, session: SessionKey | None, text: str) -> None:
    """Write the file with the note for the session kept before it, so that no crash loses it."""
    services = ctx.services
    if session is None:
        await services.config.commit(draft)
        return
    notes = services.restart_notes
    note_id = await notes.keep(session, text, config_hash=draft.hash)
    try:
        await services.config.commit(draft)
    except GatewayError:  # cancelled, nobody knows: the file itself will tell at the next start
        await notes.drop(note_id)
        raise
    await notes.confirm(note_id)


def _told(method: str, draft: Draft, note: str | None) -> str:
    """What the session reads: that it happened, what changed, and what the caller said of it."""
    shown = ", ".join(draft.keys[:_MAX_KEYS_SHOWN])
    more = len(draft.keys) - _MAX_KEYS_SHOWN
    keys = f"{shown} and {more} more" if more > 0 else shown or "nothing"
    said = f" Note: {note.strip()}" if note and note.strip() else ""
    return f"The gateway was restarted by {method}. Changed settings: {keys}.{said}"


def _sentinel(ctx: Context, params: ConfigChange, method: str) -> SentinelReport:
    paths = ctx.services.config.paths
    return SentinelReport(
        path=str(paths.state_dir / "carapace.db"),
        payload=RestartSentinel(
            kind="config-apply",
            status="ok",
            ts=ctx.services.clock.now_ms(),
            session_key=(params.session_key or "").strip() or None,
            message=(params.note or "").strip() or None,
            doctor_hint="Run: cara doctor",
            stats=SentinelStats(mode=method, root=str(paths.config_path)),
        ),
    )


def _written(
    ctx: Context, restart: RestartReport | None = None, sentinel: SentinelReport | None = None
) -> ConfigWritten:
    found = ctx.services.config.snapshot()
    return ConfigWritten(
        ok=True, path=found.path, config=found.config, restart=restart, sentinel=sentinel
    )
