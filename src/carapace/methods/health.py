"""`health`, `status`, `system-presence`, `channels.status`: how things are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from carapace.methods.channel_probe import probe_accounts
from carapace.methods.context import Context
from carapace.methods.status import report
from carapace.protocol.channels import ChannelsStatus, ChannelsStatusParams
from carapace.protocol.health import HealthParams, HealthSnapshot, StatusReport
from carapace.protocol.presence import PresenceEntry
from carapace.protocol.registry import AnyParams, Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("health", scope=Scope.READ, lenient=True, result=HealthSnapshot)
def health(
    ctx: Context, params: HealthParams
) -> msgspec.Raw | Callable[[], Awaitable[msgspec.Raw]]:
    """The health snapshot, from memory; with `probe` it is made anew."""
    return ctx.services.health.fresh if params.probe else ctx.services.health.answer()


@METHODS.method("status", scope=Scope.READ, lenient=True)
async def status(ctx: Context, params: AnyParams) -> StatusReport:  # noqa: ARG001 - row shape
    """Sessions with their models and tokens, heartbeats, channels."""
    return await report(ctx.services)


@METHODS.method("system-presence", scope=Scope.READ, lenient=True, result=list[PresenceEntry])
def system_presence(ctx: Context, params: AnyParams) -> msgspec.Raw:  # noqa: ARG001 - row shape
    """Who is connected, the gateway itself first."""
    return ctx.services.presence.encoded(ctx.services.clock.now_ms())


@METHODS.method("channels.status", scope=Scope.READ)
async def channels_status(ctx: Context, params: ChannelsStatusParams) -> ChannelsStatus:
    """The chat services and their accounts; `probe` asks those of plugins how they are."""
    if params.probe:
        await probe_accounts(ctx.services, params.timeout_ms)
    return ctx.services.accounts.report()
