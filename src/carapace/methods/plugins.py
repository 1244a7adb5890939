"""`plugins.*`: install, agree, upgrade, switch, go back, remove. For admins alone.

No agent and nobody on a chat service can get here: there is no tool and no command for it
(advisory G06).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carapace.methods.context import Context, PluginHouse
from carapace.protocol.plugins import (
    PendingPlugin,
    PluginChanged,
    PluginConsent,
    PluginInstall,
    PluginItem,
    PluginListing,
    PluginNamed,
    PluginRollback,
    PluginUpgrade,
)
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope

if TYPE_CHECKING:  # a gateway without plugins does not load it
    from carapace.plugins.package.report import PendingVersion, PluginReport

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("plugins.list", scope=Scope.ADMIN)
async def plugins_list(ctx: Context) -> PluginListing:
    """List plugins: how each is and why, what it may do, and what waits for consent."""
    found = await ctx.services.plugins.list()
    return PluginListing(plugins=[_item(one) for one in found.reports], trouble=found.trouble)


@METHODS.method("plugins.install", scope=Scope.ADMIN)
async def plugins_install(ctx: Context, params: PluginInstall) -> PluginChanged:
    """Verify a package and keep it; it runs once somebody agreed to what it may do."""
    return _changed(await _current(ctx).install(params.source, accept=params.accept, by=_by(ctx)))


@METHODS.method("plugins.upgrade", scope=Scope.ADMIN)
async def plugins_upgrade(ctx: Context, params: PluginUpgrade) -> PluginChanged:
    """Use a newer version; if it asks for more, the old one runs until somebody agreed."""
    return _changed(
        await _current(ctx).upgrade(params.id, params.source, accept=params.accept, by=_by(ctx))
    )


@METHODS.method("plugins.consent", scope=Scope.ADMIN)
async def plugins_consent(ctx: Context, params: PluginConsent) -> PluginChanged:
    """Agree to what a waiting version asks for and use it, or let go of it."""
    return _changed(
        await _current(ctx).consent(params.id, params.digest, accept=params.accept, by=_by(ctx))
    )


@METHODS.method("plugins.enable", scope=Scope.ADMIN)
async def plugins_enable(ctx: Context, params: PluginNamed) -> PluginChanged:
    """Let a plugin run."""
    return _changed(await ctx.services.plugins.switch(params.id, enabled=True, by=_by(ctx)))


@METHODS.method("plugins.disable", scope=Scope.ADMIN)
async def plugins_disable(ctx: Context, params: PluginNamed) -> PluginChanged:
    """End a plugin, and do not run it again until it is enabled."""
    return _changed(await ctx.services.plugins.switch(params.id, enabled=False, by=_by(ctx)))


@METHODS.method("plugins.rollback", scope=Scope.ADMIN)
async def plugins_rollback(ctx: Context, params: PluginRollback) -> PluginChanged:
    """Use a version that is kept from before, as far back as its publisher allows."""
    return _changed(
        await ctx.services.plugins.rollback(
            params.id, params.version, accept=params.accept, by=_by(ctx)
        )
    )


@METHODS.method("plugins.remove", scope=Scope.ADMIN)
async def plugins_remove(ctx: Context, params: PluginNamed) -> PluginChanged:
    """End a plugin and delete all of its versions."""
    await ctx.services.plugins.remove(params.id, by=_by(ctx))
    return PluginChanged(ok=True)


def _current(ctx: Context) -> PluginHouse:
    """The plugins, judged by the file as it is now.

    Whoever trusts a publisher and installs at once is faster than the watch of the file.
    """
    ctx.services.config.reload()
    return ctx.services.plugins


def _by(ctx: Context) -> str:
    caller = ctx.caller
    return f"{caller.client_id} {caller.device_id or caller.credential}"


def _changed(report: PluginReport | None) -> PluginChanged:
    return PluginChanged(ok=True, plugin=_item(report) if report else None)


def _item(report: PluginReport) -> PluginItem:
    state = report.state
    return PluginItem(
        id=report.id,
        name=report.name,
        description=report.description or None,
        version=report.version,
        state=state.state,
        reason=state.reason or None,
        refusal=state.refusal.value if state.refusal else None,
        enabled=report.enabled,
        signed=report.publisher is not None,
        publisher=report.publisher,
        roles=list(report.roles),
        permissions=list(report.permissions),
        source=report.source,
        kept_at_ms=report.kept_at_ms,
        rollbacks=list(report.rollbacks),
        pending=_pending(report.pending) if report.pending else None,
    )


def _pending(pending: PendingVersion) -> PendingPlugin:
    return PendingPlugin(
        version=pending.version,
        digest=pending.digest,
        publisher=pending.publisher,
        signed=pending.publisher is not None,
        added=list(pending.added),
        removed=list(pending.removed),
    )
