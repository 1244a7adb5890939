"""`device.pair.*` and `device.token.*`: who may connect, and what takes that back."""

from __future__ import annotations

from carapace.methods.context import Context
from carapace.protocol.devices import (
    DevicePairList,
    DeviceTokenRevoke,
    DeviceTokenRevoked,
    DeviceTokenRotate,
    DeviceTokenRotated,
    PairApproved,
    PairDecide,
    PairRejected,
)
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("device.pair.list", scope=Scope.PAIRING)
async def device_pair_list(ctx: Context, params: EmptyParams) -> DevicePairList:
    """List devices that wait for approval and devices that are paired, without their secrets."""
    del params
    return await ctx.services.devices.page(ctx.caller)


@METHODS.method("device.pair.approve", scope=Scope.PAIRING)
async def device_pair_approve(ctx: Context, params: PairDecide) -> PairApproved:
    """Let a waiting device in, for no more than the approver holds itself."""
    return await ctx.services.devices.approve(ctx.caller, params.request_id)


@METHODS.method("device.pair.reject", scope=Scope.PAIRING)
async def device_pair_reject(ctx: Context, params: PairDecide) -> PairRejected:
    """Turn a waiting device away."""
    return await ctx.services.devices.reject(ctx.caller, params.request_id)


@METHODS.method("device.token.rotate", scope=Scope.PAIRING)
async def device_token_rotate(ctx: Context, params: DeviceTokenRotate) -> DeviceTokenRotated:
    """Replace a device's token; the new one is told once, here, and the old one is worthless."""
    return await ctx.services.devices.rotate(
        ctx.caller, params.device_id, params.role, params.scopes
    )


@METHODS.method("device.token.revoke", scope=Scope.PAIRING)
async def device_token_revoke(ctx: Context, params: DeviceTokenRevoke) -> DeviceTokenRevoked:
    """Take a role from a device; its connections end before this is answered."""
    return await ctx.services.devices.revoke(ctx.caller, params.device_id, params.role)
