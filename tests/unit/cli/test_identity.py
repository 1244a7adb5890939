"""The device signs what the gateway verifies."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from carapace.auth.device import prove
from carapace.auth.types import ConnectRefused
from carapace.cli.identity import Identity, new_seed
from carapace.protocol.connect import ClientInfo, ConnectParams

PARAMS = ConnectParams(
    3, 3, ClientInfo("cli", "1", "linux", "cli"), role="operator", scopes=["operator.admin"]
)


def test_the_gateway_accepts_the_proof():
    identity = Identity(new_seed())
    signed = identity.sign(PARAMS, role="operator", nonce="n1", signed_at=1000)
    device = prove(signed, role="operator", nonce="n1", now_ms=1000, is_local=False)
    assert device is not None
    assert device.id == identity.id


def test_the_proof_binds_nonce_and_scopes():
    signed = Identity(new_seed()).sign(PARAMS, role="operator", nonce="n1", signed_at=1000)
    with pytest.raises(ConnectRefused):
        prove(signed, role="operator", nonce="other", now_ms=1000, is_local=False)
    wider = replace(signed, scopes=["operator.admin", "operator.pairing"])
    with pytest.raises(ConnectRefused):
        prove(wider, role="operator", nonce="n1", now_ms=1000, is_local=False)


def test_a_seed_is_one_device_and_another_seed_another():
    seed = new_seed()
    assert Identity(seed).id == Identity(seed).id != Identity(new_seed()).id
