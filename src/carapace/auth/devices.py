"""What people do with devices: see them, approve and reject, rotate and revoke their tokens.

One rule stands over all of it: nobody gives more than they hold, and who is no admin touches
only the device it speaks from (advisories B01 to B05, B12).
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Final, Literal, TypeVar

from msgspec.structs import replace

from carapace.auth.pairing import REQUEST_TTL_MS
from carapace.auth.records import (
    Grant,
    PairedDevice,
    PairRequest,
    delete_request,
    delete_requests_before,
    find_device,
    find_request,
    list_devices,
    list_requests,
    request_of,
    save_device,
    save_grant,
)
from carapace.auth.revocation import Revocations
from carapace.auth.rows import device_row, request_row
from carapace.auth.scopes import covers, known, outside
from carapace.auth.tokens import DeviceTokens
from carapace.auth.types import Caller, CredentialKind
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.protocol.devices import (
    DeviceDecision,
    DevicePairList,
    DeviceTokenRevoked,
    DeviceTokenRotated,
    PairApproved,
    PairRejected,
)
from carapace.protocol.events import Event, Publish
from carapace.protocol.scopes import Scope
from carapace.store.ports import Database, Tx
from carapace.telemetry.audit import Audit, AuditKind

__all__ = ["Devices"]

_T = TypeVar("_T")
_RISKY: Final = ("system.", "browser.")
"""Node commands that run programs or drive a browser: only an admin lets a node offer them."""


class Devices:
    """The devices on record, for `device.pair.*` and `device.token.*`.

    Args:
        database: Where they are.
        tokens: Makes their tokens.
        revocations: Ends the connections a change disowns.
        clock: For times and ages.
        publish: Hears of decisions.
        audit: The same, for the trail.
    """

    def __init__(
        self,
        database: Database,
        tokens: DeviceTokens,
        *,
        revocations: Revocations,
        clock: Clock,
        publish: Publish,
        audit: Audit,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._revocations = revocations
        self._clock = clock
        self._publish = publish
        self._audit = audit

    async def page(self, caller: Caller) -> DevicePairList:
        """Requests that wait, and paired devices: all for an admin, else the caller's own."""
        oldest_ms = self._clock.now_ms() - REQUEST_TTL_MS
        requests, devices = await self._database.read(
            lambda tx: (list_requests(tx), list_devices(tx))
        )
        return DevicePairList(
            pending=[
                request_row(request) for request in requests if request.created_at_ms >= oldest_ms
            ],
            paired=[
                device_row(device) for device in devices if _may_touch(caller, device.device_id)
            ],
        )

    async def approve(self, caller: Caller, request_id: str) -> PairApproved:
        """Pair the device as it asked.

        Raises:
            Refused: If the request is unknown, decided or too old, or asks for more than
                `caller` holds.
        """
        request, device = await self._audited(
            caller, self._database.write(lambda tx: self._approve(tx, caller, request_id))
        )
        self._audit.record(
            AuditKind.DEVICE_PAIRED,
            device=request.device_id,
            role=request.role,
            scopes=" ".join(request.scopes),
            silent=False,
            by=_name_of(caller),
        )
        self._resolved(request, "approved")
        return PairApproved(request_id=request_id, device=device_row(device))

    async def reject(self, caller: Caller, request_id: str) -> PairRejected:
        """Turn the device away; it may ask again.

        Raises:
            Refused: If the request is unknown, decided or too old.
        """
        request = await self._database.write(lambda tx: self._take(tx, request_id))
        self._audit.record(
            AuditKind.PAIRING_REJECTED, device=request.device_id, by=_name_of(caller)
        )
        self._resolved(request, "rejected")
        return PairRejected(request_id=request_id, device_id=request.device_id)

    async def rotate(
        self, caller: Caller, device_id: str, role: str, scopes: Iterable[str] | None = None
    ) -> DeviceTokenRotated:
        """Give the device a new token; connections of the old one end.

        The connection that rotates its own token stays: it is the one that learns the new.

        Args:
            caller: Who asks.
            device_id: Whose token.
            role: Of which role.
            scopes: What the token shall be good for; None keeps it, empty means nothing.

        Raises:
            Refused: If there is no such grant, or the scopes go beyond what was approved or
                what `caller` holds. The old token then still works.
        """
        wanted = None if scopes is None else known(scopes)
        grant = await self._audited(
            caller,
            self._database.write(lambda tx: self._rotate(tx, caller, device_id, role, wanted)),
        )
        self._audit.record(
            AuditKind.DEVICE_TOKEN_ROTATED,
            device=device_id,
            role=grant.role,
            scopes=" ".join(grant.token_scopes),
            by=_name_of(caller),
        )
        self._revocations.disown(
            lambda live: (
                live.device_id == device_id
                and live.role is grant.role
                and live.credential is CredentialKind.DEVICE_TOKEN
                and live.conn_id != caller.conn_id
            ),
            "device token rotated",
        )
        return DeviceTokenRotated(
            device_id=device_id,
            role=grant.role.value,
            token=self._tokens.token_of(device_id, grant),
            scopes=list(grant.token_scopes),
            rotated_at_ms=grant.rotated_at_ms or grant.issued_at_ms,
        )

    async def revoke(self, caller: Caller, device_id: str, role: str) -> DeviceTokenRevoked:
        """Take the role from the device; all its connections end, also the caller's own.

        It gets back in only by a new approval, even where it would pair silently.

        Raises:
            Refused: If there is no such grant, or it is not `caller`'s to touch.
        """
        grant = await self._audited(
            caller, self._database.write(lambda tx: self._revoke(tx, caller, device_id, role))
        )
        self._audit.record(
            AuditKind.DEVICE_TOKEN_REVOKED, device=device_id, role=grant.role, by=_name_of(caller)
        )
        self._revocations.disown(
            lambda live: live.device_id == device_id and live.role is grant.role,
            "device token revoked",
        )
        return DeviceTokenRevoked(
            device_id=device_id,
            role=grant.role.value,
            revoked_at_ms=grant.revoked_at_ms or self._clock.now_ms(),
        )

    def _approve(self, tx: Tx, caller: Caller, request_id: str) -> tuple[PairRequest, PairedDevice]:
        request = self._take(tx, request_id)
        _check_may_give(caller, request.scopes, request.commands)
        now_ms = self._clock.now_ms()
        before = find_device(tx, request.device_id)
        old = before.grants.get(request.role) if before else None
        grant = self._approved(request, old, now_ms)
        save_device(tx, _device_of(request, before, now_ms))
        save_grant(tx, request.device_id, grant)
        device = find_device(tx, request.device_id)
        if device is None:
            raise LookupError("a device that was just saved is gone")
        return request, device

    def _approved(self, request: PairRequest, old: Grant | None, now_ms: int) -> Grant:
        """What the device has afterwards; a revoked grant gives nothing to build on."""
        who = request.device_id
        if old is None:
            first = self._tokens.first(who, request.role, request.scopes, now_ms=now_ms)
            return replace(first, commands=request.commands)
        if old.revoked_at_ms is not None:
            grant = replace(old, scopes=request.scopes, commands=request.commands)
            return self._tokens.rotated(who, grant, request.scopes, now_ms=now_ms)
        scopes = old.scopes + outside(request.scopes, old.scopes)
        grant = replace(old, scopes=scopes, commands=request.commands)
        if covers(old.token_scopes, request.scopes):
            return grant
        return self._tokens.rotated(who, grant, scopes, now_ms=now_ms)

    def _rotate(
        self, tx: Tx, caller: Caller, device_id: str, role: str, wanted: tuple[str, ...] | None
    ) -> Grant:
        grant = _grant(tx, caller, device_id, role)
        scopes = grant.token_scopes if wanted is None else wanted
        if beyond := outside(scopes, grant.scopes):
            raise _missing(beyond[0], f"the device is not approved for {beyond[0]}")
        _check_may_give(caller, scopes, ())
        rotated = self._tokens.rotated(device_id, grant, scopes, now_ms=self._clock.now_ms())
        save_grant(tx, device_id, rotated)
        return rotated

    def _revoke(self, tx: Tx, caller: Caller, device_id: str, role: str) -> Grant:
        grant = _grant(tx, caller, device_id, role)
        revoked = replace(grant, revoked_at_ms=self._clock.now_ms())
        save_grant(tx, device_id, revoked)
        if waiting := request_of(tx, device_id, grant.role):
            delete_request(tx, waiting.request_id)
        return revoked

    def _take(self, tx: Tx, request_id: str) -> PairRequest:
        delete_requests_before(tx, self._clock.now_ms() - REQUEST_TTL_MS)
        request = find_request(tx, request_id)
        if request is None or not delete_request(tx, request_id):
            raise Refused("unknown requestId")
        return request

    async def _audited(self, caller: Caller, work: Awaitable[_T]) -> _T:
        """Await `work`; a refusal for want of a scope goes to the trail."""
        try:
            return await work
        except Refused as refused:
            if refused.details and "missingScope" in refused.details:
                self._audit.record(
                    AuditKind.SCOPE_DENIED,
                    by=_name_of(caller),
                    scopes=str(refused.details["missingScope"]),
                )
            raise

    def _resolved(self, request: PairRequest, decision: Literal["approved", "rejected"]) -> None:
        payload = DeviceDecision(
            request_id=request.request_id,
            device_id=request.device_id,
            decision=decision,
            ts=self._clock.now_ms(),
        )
        self._publish(Event("device.pair.resolved", payload))


def _grant(tx: Tx, caller: Caller, device_id: str, role: str) -> Grant:
    """The live grant, if `caller` may touch it; one text for all that is not."""
    device = find_device(tx, device_id) if _may_touch(caller, device_id) else None
    found = (
        [grant for grant in device.grants.values() if grant.role.value == role] if device else []
    )
    if not found or found[0].revoked_at_ms is not None:
        raise Refused("unknown deviceId/role")
    return found[0]


def _may_touch(caller: Caller, device_id: str) -> bool:
    return Scope.ADMIN in caller.scopes or caller.device_id == device_id


def _check_may_give(caller: Caller, scopes: Iterable[str], commands: Iterable[str]) -> None:
    held = tuple(scope.value for scope in caller.scopes)
    if beyond := outside(scopes, held):
        raise _missing(beyond[0])
    if Scope.ADMIN not in caller.scopes and any(name.startswith(_RISKY) for name in commands):
        raise _missing(Scope.ADMIN.value)


def _missing(scope: str, why: str | None = None) -> Refused:
    return Refused(
        why or f"missing scope: {scope}", details={"code": "MISSING_SCOPE", "missingScope": scope}
    )


def _name_of(caller: Caller) -> str:
    return caller.device_id or caller.login or caller.client_id


def _device_of(request: PairRequest, before: PairedDevice | None, now_ms: int) -> PairedDevice:
    return PairedDevice(
        device_id=request.device_id,
        public_key=request.public_key,
        display_name=request.display_name,
        platform=request.platform,
        client_id=request.client_id,
        client_mode=request.client_mode,
        remote_ip=request.remote_ip,
        created_at_ms=before.created_at_ms if before else now_ms,
        approved_at_ms=now_ms,
    )
