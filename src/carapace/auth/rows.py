"""The room's records in the shapes of the wire."""

from __future__ import annotations

from carapace.auth.records import Grant, PairedDevice, PairRequest
from carapace.protocol.devices import DeviceRow, PairRequestRow, TokenRow
from carapace.protocol.scopes import Role

__all__ = ["device_row", "request_row"]


def request_row(request: PairRequest) -> PairRequestRow:
    """A waiting request as clients show it."""
    return PairRequestRow(
        request_id=request.request_id,
        device_id=request.device_id,
        public_key=request.public_key,
        display_name=request.display_name,
        platform=request.platform,
        client_id=request.client_id,
        client_mode=request.client_mode,
        role=request.role.value,
        roles=[request.role.value],
        scopes=list(request.scopes),
        commands=list(request.commands) or None,
        remote_ip=request.remote_ip,
        silent=False,
        is_repair=request.is_repair,
        ts=request.created_at_ms,
    )


def device_row(device: PairedDevice) -> DeviceRow:
    """A paired device as clients show it; tokens without their secret."""
    live = [grant for grant in device.grants.values() if grant.revoked_at_ms is None]
    operator = next((grant for grant in live if grant.role is Role.OPERATOR), None)
    roles = [grant.role.value for grant in live]
    return DeviceRow(
        device_id=device.device_id,
        public_key=device.public_key,
        display_name=device.display_name,
        platform=device.platform,
        client_id=device.client_id,
        client_mode=device.client_mode,
        role=_main_role(device, live),
        roles=roles,
        scopes=list(operator.scopes) if operator else None,
        remote_ip=device.remote_ip,
        created_at_ms=device.created_at_ms,
        approved_at_ms=device.approved_at_ms,
        tokens=[_token_row(grant) for grant in device.grants.values()],
    )


def _main_role(device: PairedDevice, live: list[Grant]) -> str:
    """The role it was approved for last; a device without any was an operator or node once."""
    grants = live or list(device.grants.values())
    latest = max(grants, key=lambda grant: grant.issued_at_ms, default=None)
    return (latest.role if latest else Role.OPERATOR).value


def _token_row(grant: Grant) -> TokenRow:
    return TokenRow(
        role=grant.role.value,
        scopes=list(grant.token_scopes),
        created_at_ms=grant.issued_at_ms,
        rotated_at_ms=grant.rotated_at_ms,
        revoked_at_ms=grant.revoked_at_ms,
        last_used_at_ms=grant.last_used_at_ms,
    )
