"""Device results are camel case and leave out what is absent."""

from __future__ import annotations

import msgspec

from carapace.protocol.devices import DeviceTokenRevoked, DeviceTokenRotated, TokenRow


def test_absent_times_are_left_out():
    row = TokenRow(role="node", scopes=[], created_at_ms=1)
    assert msgspec.to_builtins(row) == {"role": "node", "scopes": [], "createdAtMs": 1}


def test_token_results():
    rotated = DeviceTokenRotated(
        device_id="d", role="operator", token="t", scopes=["operator.read"], rotated_at_ms=2
    )
    assert msgspec.to_builtins(rotated) == {
        "deviceId": "d",
        "role": "operator",
        "token": "t",
        "scopes": ["operator.read"],
        "rotatedAtMs": 2,
    }
    revoked = DeviceTokenRevoked(device_id="d", role="operator", revoked_at_ms=3)
    assert msgspec.to_builtins(revoked)["revokedAtMs"] == 3
