"""The room's rows and their SQL, as functions over one transaction."""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.ids import DeviceId
from carapace.protocol.scopes import Role
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = [
    "Grant",
    "PairRequest",
    "PairedDevice",
    "count_requests",
    "delete_request",
    "delete_requests_before",
    "find_device",
    "find_request",
    "list_devices",
    "list_requests",
    "request_of",
    "save_device",
    "save_grant",
    "save_request",
    "touch_grant",
]

_MAX_DEVICES: Final = 1000
_MAX_REQUESTS: Final = 1000


class Grant(Value, frozen=True):
    """What one device may do in one role.

    Attributes:
        role: Operator or node.
        scopes: Approved, as names.
        commands: Of a node: approved commands.
        token_scopes: What its token is good for; within `scopes`.
        generation: Grows with every new token; part of what the token is derived from.
        token_digest: SHA-256 of the token, hex.
        issued_at_ms: When the first token was made.
        rotated_at_ms: When the present one was, if it is not the first.
        revoked_at_ms: Set: the device needs a new approval for this role.
        last_used_at_ms: When the token last let somebody in; a minute coarse.
    """

    role: Role
    scopes: tuple[str, ...]
    commands: tuple[str, ...]
    token_scopes: tuple[str, ...]
    generation: int
    token_digest: str
    issued_at_ms: int
    rotated_at_ms: int | None = None
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None


class PairedDevice(Value, frozen=True):
    """A device somebody approved, with its grants by role (revoked ones included)."""

    device_id: DeviceId
    public_key: str
    display_name: str | None
    platform: str
    client_id: str
    client_mode: str
    remote_ip: str | None
    created_at_ms: int
    approved_at_ms: int
    grants: dict[Role, Grant] = msgspec.field(default_factory=dict[Role, Grant])


class PairRequest(Value, frozen=True):
    """A device that waits for a person's decision.

    Attributes:
        is_repair: The device is known and wants more than it has.
    """

    request_id: str
    device_id: DeviceId
    public_key: str
    role: Role
    scopes: tuple[str, ...]
    commands: tuple[str, ...]
    display_name: str | None
    platform: str
    client_id: str
    client_mode: str
    remote_ip: str | None
    is_repair: bool
    created_at_ms: int


def find_device(tx: Tx, device_id: str) -> PairedDevice | None:
    """The device with its grants, or None."""
    row = tx.one("SELECT * FROM devices WHERE device_id = ?", (device_id,))
    if row is None:
        return None
    grants = tx.all("SELECT * FROM device_grants WHERE device_id = ?", (device_id,))
    return _device(row, grants)


def list_devices(tx: Tx) -> list[PairedDevice]:
    """All devices, latest approved first, at most 1000."""
    rows = tx.all("SELECT * FROM devices ORDER BY approved_at_ms DESC LIMIT ?", (_MAX_DEVICES,))
    grants: dict[str, list[Row]] = {}
    for row in tx.all("SELECT * FROM device_grants LIMIT ?", (2 * _MAX_DEVICES,)):
        grants.setdefault(row["device_id"], []).append(row)
    return [_device(row, grants.get(row["device_id"], [])) for row in rows]


def save_device(tx: Tx, device: PairedDevice) -> None:
    """Insert or refresh the device's own row; its grants are left alone."""
    tx.execute(
        """INSERT INTO devices (device_id, public_key, display_name, platform, client_id,
             client_mode, remote_ip, created_at_ms, approved_at_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (device_id) DO UPDATE SET display_name = excluded.display_name,
             platform = excluded.platform, client_id = excluded.client_id,
             client_mode = excluded.client_mode, remote_ip = excluded.remote_ip,
             approved_at_ms = excluded.approved_at_ms""",
        (
            device.device_id,
            device.public_key,
            device.display_name,
            device.platform,
            device.client_id,
            device.client_mode,
            device.remote_ip,
            device.created_at_ms,
            device.approved_at_ms,
        ),
    )


def save_grant(tx: Tx, device_id: str, grant: Grant) -> None:
    """Insert or replace the grant of one role."""
    tx.execute(
        """INSERT INTO device_grants (device_id, role, scopes, commands, token_scopes,
             generation, token_digest, issued_at_ms, rotated_at_ms, revoked_at_ms,
             last_used_at_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (device_id, role) DO UPDATE SET scopes = excluded.scopes,
             commands = excluded.commands, token_scopes = excluded.token_scopes,
             generation = excluded.generation, token_digest = excluded.token_digest,
             issued_at_ms = excluded.issued_at_ms, rotated_at_ms = excluded.rotated_at_ms,
             revoked_at_ms = excluded.revoked_at_ms,
             last_used_at_ms = excluded.last_used_at_ms""",
        (
            device_id,
            grant.role.value,
            _to_json(grant.scopes),
            _to_json(grant.commands),
            _to_json(grant.token_scopes),
            grant.generation,
            grant.token_digest,
            grant.issued_at_ms,
            grant.rotated_at_ms,
            grant.revoked_at_ms,
            grant.last_used_at_ms,
        ),
    )


def touch_grant(tx: Tx, device_id: str, role: Role, now_ms: int) -> None:
    """Note that the token was used."""
    tx.execute(
        "UPDATE device_grants SET last_used_at_ms = ? WHERE device_id = ? AND role = ?",
        (now_ms, device_id, role.value),
    )


def save_request(tx: Tx, request: PairRequest) -> None:
    """Insert; an older request of the same device and role is replaced, with its id."""
    tx.execute(
        "DELETE FROM device_requests WHERE device_id = ? AND role = ?",
        (request.device_id, request.role.value),
    )
    tx.execute(
        """INSERT INTO device_requests (request_id, device_id, public_key, role, scopes,
             commands, display_name, platform, client_id, client_mode, remote_ip, is_repair,
             created_at_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            request.request_id,
            request.device_id,
            request.public_key,
            request.role.value,
            _to_json(request.scopes),
            _to_json(request.commands),
            request.display_name,
            request.platform,
            request.client_id,
            request.client_mode,
            request.remote_ip,
            int(request.is_repair),
            request.created_at_ms,
        ),
    )


def find_request(tx: Tx, request_id: str) -> PairRequest | None:
    """The waiting request, or None."""
    row = tx.one("SELECT * FROM device_requests WHERE request_id = ?", (request_id,))
    return None if row is None else _request(row)


def request_of(tx: Tx, device_id: str, role: Role) -> PairRequest | None:
    """The waiting request of a device for a role, or None."""
    row = tx.one(
        "SELECT * FROM device_requests WHERE device_id = ? AND role = ?", (device_id, role.value)
    )
    return None if row is None else _request(row)


def list_requests(tx: Tx) -> list[PairRequest]:
    """All waiting requests, newest first."""
    rows = tx.all(
        "SELECT * FROM device_requests ORDER BY created_at_ms DESC LIMIT ?", (_MAX_REQUESTS,)
    )
    return [_request(row) for row in rows]


def delete_request(tx: Tx, request_id: str) -> bool:
    """Whether it was there: of many that decide at once, one gets True."""
    return tx.execute("DELETE FROM device_requests WHERE request_id = ?", (request_id,)) == 1


def delete_requests_before(tx: Tx, created_before_ms: int) -> None:
    """Forget requests made before that time."""
    tx.execute("DELETE FROM device_requests WHERE created_at_ms < ?", (created_before_ms,))


def count_requests(tx: Tx, remote_ip: str | None) -> tuple[int, int]:
    """How many wait in all, and how many of them from `remote_ip`."""
    row = tx.one(
        """SELECT count(*) AS everywhere, coalesce(sum(remote_ip IS ?), 0) AS here
           FROM device_requests""",
        (remote_ip,),
    )
    return (0, 0) if row is None else (row["everywhere"], row["here"])


def _device(row: Row, grants: list[Row]) -> PairedDevice:
    found = [_grant(grant) for grant in grants]
    return PairedDevice(
        device_id=DeviceId(row["device_id"]),
        public_key=row["public_key"],
        display_name=row["display_name"],
        platform=row["platform"],
        client_id=row["client_id"],
        client_mode=row["client_mode"],
        remote_ip=row["remote_ip"],
        created_at_ms=row["created_at_ms"],
        approved_at_ms=row["approved_at_ms"],
        grants={grant.role: grant for grant in found},
    )


def _grant(row: Row) -> Grant:
    return Grant(
        role=Role(row["role"]),
        scopes=_from_json(row["scopes"]),
        commands=_from_json(row["commands"]),
        token_scopes=_from_json(row["token_scopes"]),
        generation=row["generation"],
        token_digest=row["token_digest"],
        issued_at_ms=row["issued_at_ms"],
        rotated_at_ms=row["rotated_at_ms"],
        revoked_at_ms=row["revoked_at_ms"],
        last_used_at_ms=row["last_used_at_ms"],
    )


def _request(row: Row) -> PairRequest:
    return PairRequest(
        request_id=row["request_id"],
        device_id=DeviceId(row["device_id"]),
        public_key=row["public_key"],
        role=Role(row["role"]),
        scopes=_from_json(row["scopes"]),
        commands=_from_json(row["commands"]),
        display_name=row["display_name"],
        platform=row["platform"],
        client_id=row["client_id"],
        client_mode=row["client_mode"],
        remote_ip=row["remote_ip"],
        is_repair=bool(row["is_repair"]),
        created_at_ms=row["created_at_ms"],
    )


def _to_json(names: tuple[str, ...]) -> str:
    return msgspec.json.encode(names).decode()


def _from_json(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
