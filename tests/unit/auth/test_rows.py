"""The wire shapes are those of the recorded gateway, and hold no secret."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from carapace.auth.records import Grant, PairedDevice, PairRequest
from carapace.auth.rows import device_row, request_row
from carapace.ids import DeviceId
from carapace.protocol.scopes import Role

ME = DeviceId("a" * 64)
GRANT = Grant(Role.OPERATOR, ("operator.admin",), (), ("operator.admin",), 1, "digest", 10)
DEVICE = PairedDevice(
    ME, "key", "golden", "linux", "cli", "cli", "127.0.0.1", 10, 10, {Role.OPERATOR: GRANT}
)


def test_operator_row():
    assert msgspec.to_builtins(device_row(DEVICE)) == {
        "deviceId": ME,
        "publicKey": "key",
        "displayName": "golden",
        "platform": "linux",
        "clientId": "cli",
        "clientMode": "cli",
        "role": "operator",
        "roles": ["operator"],
        "scopes": ["operator.admin"],
        "remoteIp": "127.0.0.1",
        "createdAtMs": 10,
        "approvedAtMs": 10,
        "tokens": [{"role": "operator", "scopes": ["operator.admin"], "createdAtMs": 10}],
    }


def test_node_row_has_no_scopes():
    grant = replace(GRANT, role=Role.NODE, scopes=(), token_scopes=())
    row = msgspec.to_builtins(device_row(replace(DEVICE, grants={Role.NODE: grant})))
    assert "scopes" not in row
    assert row["role"] == "node"


def test_a_revoked_role_is_no_role_but_its_token_is_shown_as_revoked():
    grant = replace(GRANT, revoked_at_ms=20)
    row = device_row(replace(DEVICE, grants={Role.OPERATOR: grant}))
    assert (row.roles, row.scopes, row.role) == ([], None, "operator")
    assert row.tokens[0].revoked_at_ms == 20
    assert device_row(replace(DEVICE, grants={})).role == "operator"


def test_request_row():
    request = PairRequest(
        "r1", ME, "key", Role.OPERATOR, ("operator.admin",), (), "golden", "linux", "cli", "cli",
        None, is_repair=False, created_at_ms=7,
    )  # fmt: skip
    assert msgspec.to_builtins(request_row(request)) == {
        "requestId": "r1",
        "deviceId": ME,
        "publicKey": "key",
        "displayName": "golden",
        "platform": "linux",
        "clientId": "cli",
        "clientMode": "cli",
        "role": "operator",
        "roles": ["operator"],
        "scopes": ["operator.admin"],
        "silent": False,
        "isRepair": False,
        "ts": 7,
    }
