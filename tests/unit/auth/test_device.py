"""A device is who holds its key, now, on this connection."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.auth.device import MAX_SKEW_MS, device_id_of, prove, signed_text
from carapace.auth.types import ConnectRefused
from support.auth import NONCE, Identity, connect_params

NOW_MS = 1_767_225_600_000


def _prove(params: Any, *, is_local: bool = False, now_ms: int = NOW_MS, nonce: str = NONCE):
    role = params.role or "operator"
    return prove(params, role=role, nonce=nonce, now_ms=now_ms, is_local=is_local)


def test_a_signed_device_is_proven():
    me = Identity()
    device = _prove(connect_params(me))
    assert device is not None
    assert device.id == me.id == device_id_of(me.raw)
    assert device.public_key == me.public


@pytest.mark.parametrize("form", ["pem", "padded", "standard alphabet"])
def test_the_key_may_come_in_any_form_clients_use(form: str):
    me = Identity()
    keys = {
        "pem": me.pem,
        "padded": me.public + "=",
        "standard alphabet": me.public.replace("-", "+").replace("_", "/"),
    }
    device = _prove(connect_params(me, device={"publicKey": keys[form]}))
    assert device is not None
    assert device.public_key == me.public


def test_no_device_block_is_no_device():
    assert _prove(connect_params()) is None


def test_v1_without_a_nonce_is_for_local_clients_only():
    params = connect_params(Identity(), nonce=None)
    assert _prove(params, is_local=True) is not None
    with pytest.raises(ConnectRefused, match="device nonce required"):
        _prove(params)


def test_a_missing_role_and_scopes_are_signed_as_requested():
    me = Identity()
    params = connect_params(me, role=None, scopes=None, token=None)
    assert f"v2|{me.id}|cli|cli|operator||{NOW_MS}||{NONCE}" == signed_text(
        params, role="operator", nonce=NONCE
    )
    assert _prove(params) is not None


def test_without_a_device_there_is_nothing_to_sign():
    with pytest.raises(ValueError, match="nothing to sign"):
        signed_text(connect_params(), role="operator", nonce=None)


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ({"id": "0" * 64}, "device identity mismatch"),
        ({"publicKey": "AAAA"}, "device identity mismatch"),
        ({"publicKey": "not base64 !"}, "device identity mismatch"),
        ({"publicKey": "-----BEGIN PUBLIC KEY-----\nAAAA\n"}, "device identity mismatch"),
        ({"publicKey": "A" * 5000}, "device identity mismatch"),
        ({"publicKey": "ä"}, "device identity mismatch"),
        ({"signedAt": NOW_MS - MAX_SKEW_MS - 1}, "device signature expired"),
        ({"signedAt": NOW_MS + MAX_SKEW_MS + 1}, "device signature expired"),
        ({"nonce": "not-the-nonce"}, "device nonce mismatch"),
        ({"nonce": "  "}, "device nonce required"),
        ({"signature": "AAAA"}, "device signature invalid"),
        ({"signature": "!!"}, "device signature invalid"),
        ({"signedAt": NOW_MS + 1}, "device signature invalid"),
    ],
)
def test_every_flaw_has_its_text(device: dict[str, Any], text: str):
    with pytest.raises(ConnectRefused) as refused:
        _prove(connect_params(Identity(), device=device))
    assert (refused.value.message, refused.value.code) == (text, "INVALID_REQUEST")


def test_a_key_of_another_kind_is_no_identity():
    pem = (
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"
        "-----END PUBLIC KEY-----\n"
    )
    with pytest.raises(ConnectRefused, match="device identity mismatch"):
        _prove(connect_params(Identity(), device={"publicKey": pem}))


@pytest.mark.parametrize(
    "change",
    [
        {"role": "node"},
        {"scopes": ["operator.read"]},
        {"token": "another"},
        {"client_id": "test"},
        {"mode": "test"},
    ],
)
def test_the_signature_binds_what_is_asked_for(change: dict[str, Any]):
    me = Identity()
    honest = connect_params(me)
    assert honest.device is not None
    signature = honest.device.signature
    with pytest.raises(ConnectRefused, match="device signature invalid"):
        _prove(connect_params(me, **change, device={"signature": signature}))


def test_a_signature_of_another_connection_is_worthless():
    with pytest.raises(ConnectRefused, match="device nonce mismatch"):
        _prove(connect_params(Identity()), nonce="another connection's")
