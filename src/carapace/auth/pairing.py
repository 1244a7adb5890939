"""How a proven device gets in: at once, cut to its approval, or after a person's decision.

`rule` is pure and holds the whole policy. `Pairing` applies it in one transaction, so that
two connects of one device, or a connect and an approval, cannot both win.

- First time in a role, local, with the shared credential: paired silently. The holder of the
  shared credential on this machine owns the gateway anyway.
- Known: gets what it wishes within what was approved. A wider wish is not granted but
  becomes a request (advisory A06); so do commands a node did not have before, and a platform
  that it was not approved as (A07, A08).
- Everybody else, and whoever was revoked, waits for an approval (B11).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from carapace.auth.device import Device
from carapace.auth.platform import platform_of
from carapace.auth.records import (
    Grant,
    PairedDevice,
    PairRequest,
    count_requests,
    delete_requests_before,
    find_device,
    request_of,
    save_device,
    save_grant,
    save_request,
    touch_grant,
)
from carapace.auth.rows import request_row
from carapace.auth.scopes import DEFAULT_WISH, known, narrow, outside
from carapace.auth.tokens import DeviceTokens
from carapace.auth.types import ConnectRefused, CredentialKind
from carapace.clock import Clock
from carapace.ids import new_id
from carapace.protocol.connect import ClientInfo
from carapace.protocol.devices import DeviceDecision
from carapace.protocol.errors import ErrorCode
from carapace.protocol.events import Event, Publish
from carapace.protocol.scopes import Role
from carapace.store.ports import Database, Tx
from carapace.telemetry.audit import Audit, AuditKind
from carapace.value import Value

__all__ = ["REQUEST_TTL_MS", "Asking", "Enter", "Entered", "Pair", "Pairing", "Wait", "rule"]

REQUEST_TTL_MS: Final = 300_000
_MAX_REQUESTS: Final = 100
_MAX_REQUESTS_PER_ADDRESS: Final = 10
_TOUCH_EVERY_MS: Final = 60_000
_MAX_COMMANDS: Final = 256
_MAX_TEXT: Final = 256


class Asking(Value, frozen=True):
    """A device with a right credential that wants in.

    Attributes:
        wish: Scopes as asked for; None if the client named none.
        commands: What a node offers.
        is_local: See `Origin`.
        credential: What it came with.
    """

    device: Device
    role: Role
    wish: tuple[str, ...] | None
    commands: tuple[str, ...]
    client: ClientInfo
    remote_ip: str
    is_local: bool
    credential: CredentialKind


class Pair(Value, frozen=True):
    """Approve it now, for these scopes."""

    scopes: tuple[str, ...]


class Enter(Value, frozen=True):
    """It is approved for `granted`; what it wants beyond that, if anything, is `upgrade`.

    `platform` is what it was approved as.
    """

    grant: Grant
    granted: tuple[str, ...]
    upgrade: tuple[str, ...] | None
    platform: str


class Wait(Value, frozen=True):
    """A person has to decide about these scopes."""

    scopes: tuple[str, ...]


class Entered(Value, frozen=True):
    """A device that is in, with what it got."""

    grant: Grant
    granted: tuple[str, ...]
    commands: tuple[str, ...]
    platform: str


class _Settled(Value, frozen=True):
    """What the transaction did."""

    entered: Entered | None
    request: PairRequest | None = None
    is_new: bool = False
    is_paired: bool = False


def rule(known_device: PairedDevice | None, asking: Asking) -> Pair | Enter | Wait:
    """The policy; see the head of this file."""
    wish = _wish(asking)
    grant = known_device.grants.get(asking.role) if known_device else None
    if known_device is None or grant is None:
        is_trusted = asking.is_local and asking.credential.is_shared
        was_revoked = known_device is not None and any(
            other.revoked_at_ms is not None for other in known_device.grants.values()
        )
        return Pair(wish) if is_trusted and not was_revoked else Wait(wish)
    if grant.revoked_at_ms is not None:
        return Wait(wish)
    is_by_token = asking.credential is CredentialKind.DEVICE_TOKEN
    ceiling = grant.token_scopes if is_by_token else grant.scopes
    wants_more = asking.wish is not None and bool(outside(wish, grant.scopes))
    offers_more = bool(set(asking.commands) - set(grant.commands))
    is_moved = asking.role is Role.NODE and (
        platform_of(asking.client.platform) is not platform_of(known_device.platform)
    )
    upgrade = wish if wants_more or offers_more or is_moved else None
    return Enter(grant, narrow(wish, ceiling), upgrade, known_device.platform)


def _wish(asking: Asking) -> tuple[str, ...]:
    """What it may be approved for: a node for no scope of operators, whatever it asks for."""
    if asking.role is Role.NODE:
        return ()
    return DEFAULT_WISH if asking.wish is None else known(asking.wish)


class Pairing:
    """Lets devices in.

    Args:
        database: Where devices and requests are.
        tokens: Makes their tokens.
        clock: For ages.
        publish: Hears of requests and silent approvals.
        audit: The same, for the trail.
    """

    def __init__(
        self,
        database: Database,
        tokens: DeviceTokens,
        *,
        clock: Clock,
        publish: Publish,
        audit: Audit,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._publish = publish
        self._audit = audit

    async def find(self, device_id: str) -> PairedDevice | None:
        """The device as it is on record."""
        return await self._database.read(lambda tx: find_device(tx, device_id))

    async def enter(self, asking: Asking, on_record: PairedDevice | None) -> Entered:
        """Let `asking` in as far as the policy allows.

        Args:
            asking: Its key is proven and its credential right.
            on_record: From `find`, moments ago; saves the transaction for the usual case.

        Raises:
            ConnectRefused: NOT_PAIRED, with the request's id if a person can approve it.
        """
        ruling = rule(on_record, asking)
        if isinstance(ruling, Enter) and not self._needs_write(asking, ruling):
            return _entered(ruling, asking)
        settled = await self._database.write(lambda tx: self._settle(tx, asking))
        self._tell(settled, asking)
        if settled.entered is not None:
            return settled.entered
        raise _not_paired(settled.request)

    def _needs_write(self, asking: Asking, ruling: Enter) -> bool:
        return (
            ruling.upgrade is not None
            or not self._tokens.is_current(asking.device.id, ruling.grant)
            or self._is_stale(asking, ruling.grant)
        )

    def _is_stale(self, asking: Asking, grant: Grant) -> bool:
        if asking.credential is not CredentialKind.DEVICE_TOKEN:
            return False
        return self._clock.now_ms() - (grant.last_used_at_ms or 0) >= _TOUCH_EVERY_MS

    def _settle(self, tx: Tx, asking: Asking) -> _Settled:
        """Rule again on what is true inside the transaction, and write it down."""
        device = find_device(tx, asking.device.id)
        match rule(device, asking):
            case Pair(scopes):
                return self._pair(tx, asking, device, scopes)
            case Wait(scopes):
                request, is_new = self._request(tx, asking, scopes, is_repair=device is not None)
                return _Settled(None, request, is_new)
            case Enter() as ruling:
                return self._let_in(tx, asking, ruling)

    def _pair(
        self, tx: Tx, asking: Asking, device: PairedDevice | None, scopes: tuple[str, ...]
    ) -> _Settled:
        now_ms = self._clock.now_ms()
        grant = replace(
            self._tokens.first(asking.device.id, asking.role, scopes, now_ms=now_ms),
            commands=asking.commands[:_MAX_COMMANDS],
        )
        save_device(tx, _device_of(asking, now_ms, device))
        save_grant(tx, asking.device.id, grant)
        entered = Entered(grant, scopes, grant.commands, asking.client.platform)
        return _Settled(entered, is_paired=True)

    def _let_in(self, tx: Tx, asking: Asking, ruling: Enter) -> _Settled:
        grant, now_ms = ruling.grant, self._clock.now_ms()
        if not self._tokens.is_current(asking.device.id, grant):
            grant = self._tokens.rotated(asking.device.id, grant, grant.token_scopes, now_ms=now_ms)
            save_grant(tx, asking.device.id, grant)
        elif self._is_stale(asking, grant):
            touch_grant(tx, asking.device.id, grant.role, now_ms)
        entered = _entered(replace(ruling, grant=grant), asking)
        if ruling.upgrade is None:
            return _Settled(entered)
        request, is_new = self._request(tx, asking, ruling.upgrade, is_repair=True)
        return _Settled(entered, request, is_new)

    def _request(
        self, tx: Tx, asking: Asking, scopes: tuple[str, ...], *, is_repair: bool
    ) -> tuple[PairRequest | None, bool]:
        """The waiting request for exactly this; None if too many wait.

        A different wish makes a new id: nobody may widen what an approver is looking at.
        """
        now_ms = self._clock.now_ms()
        delete_requests_before(tx, now_ms - REQUEST_TTL_MS)
        request = _request_of(asking, scopes, now_ms, is_repair=is_repair)
        waiting = request_of(tx, asking.device.id, asking.role)
        if waiting is not None:
            if (waiting.scopes, waiting.commands) == (request.scopes, request.commands):
                return waiting, False
        else:
            everywhere, here = count_requests(tx, request.remote_ip)
            if everywhere >= _MAX_REQUESTS or here >= _MAX_REQUESTS_PER_ADDRESS:
                return None, False
        save_request(tx, request)
        return request, True

    def _tell(self, settled: _Settled, asking: Asking) -> None:
        who = asking.device.id
        if settled.is_paired and settled.entered is not None:
            scopes = " ".join(settled.entered.granted)
            self._audit.record(
                AuditKind.DEVICE_PAIRED, device=who, role=asking.role, scopes=scopes, silent=True
            )
            decision = DeviceDecision(
                request_id=new_id(), device_id=who, decision="approved", ts=self._clock.now_ms()
            )
            self._publish(Event("device.pair.resolved", decision))
        if settled.request is not None and settled.is_new:
            self._audit.record(
                AuditKind.PAIRING_REQUESTED,
                device=who,
                role=asking.role,
                scopes=" ".join(settled.request.scopes),
                address=asking.remote_ip,
                request=settled.request.request_id,
            )
            self._publish(Event("device.pair.requested", request_row(settled.request)))


def _entered(ruling: Enter, asking: Asking) -> Entered:
    approved = set(ruling.grant.commands)
    commands = tuple(name for name in asking.commands if name in approved)
    return Entered(ruling.grant, ruling.granted, commands, ruling.platform)


def _not_paired(request: PairRequest | None) -> ConnectRefused:
    if request is None:
        return ConnectRefused(
            "pairing required, but too many devices wait already: approve or reject some, "
            "or try again in five minutes",
            reason="pairing-full",
            code=ErrorCode.NOT_PAIRED,
            retry_after_ms=REQUEST_TTL_MS,
        )
    return ConnectRefused(
        "pairing required",
        reason="pairing-required",
        code=ErrorCode.NOT_PAIRED,
        details={"requestId": request.request_id},
    )


def _device_of(asking: Asking, now_ms: int, before: PairedDevice | None) -> PairedDevice:
    client = asking.client
    return PairedDevice(
        device_id=asking.device.id,
        public_key=asking.device.public_key,
        display_name=_cut(client.display_name),
        platform=client.platform[:_MAX_TEXT],
        client_id=client.id,
        client_mode=client.mode,
        remote_ip=asking.remote_ip,
        created_at_ms=before.created_at_ms if before else now_ms,
        approved_at_ms=now_ms,
    )


def _request_of(
    asking: Asking, scopes: tuple[str, ...], now_ms: int, *, is_repair: bool
) -> PairRequest:
    client = asking.client
    return PairRequest(
        request_id=new_id(),
        device_id=asking.device.id,
        public_key=asking.device.public_key,
        role=asking.role,
        scopes=scopes,
        commands=asking.commands[:_MAX_COMMANDS],
        display_name=_cut(client.display_name),
        platform=client.platform[:_MAX_TEXT],
        client_id=client.id,
        client_mode=client.mode,
        remote_ip=asking.remote_ip,
        is_repair=is_repair,
        created_at_ms=now_ms,
    )


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_MAX_TEXT]
