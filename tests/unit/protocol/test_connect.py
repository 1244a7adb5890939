"""The handshake's structs say what native decoders insist on."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.connect import (
    BRANDS,
    CLIENT_IDS,
    CLIENT_MODES,
    ConnectParams,
    Features,
    HelloAuth,
    HelloOk,
    Policy,
    ServerInfo,
    Snapshot,
)
from carapace.protocol.events import StateVersion


def test_client_ids_of_all_three_generations_are_known():
    for brand in BRANDS:
        assert {
            f"{brand}-{kind}" for kind in ("control-ui", "macos", "ios", "android")
        } < CLIENT_IDS
    assert {"cli", "gateway-client", "webchat"} < CLIENT_IDS
    assert "node" in CLIENT_MODES


def test_connect_params_read_camel_case_and_refuse_extra_keys():
    text = (
        b'{"minProtocol":3,"maxProtocol":3,"client":{"id":"cli","version":"1","platform":"l",'
        b'"mode":"cli","deviceFamily":"Mac"},"permissions":{"camera":true}%b}'
    )
    params = msgspec.json.decode(text % b"", type=ConnectParams)
    assert params.client.device_family == "Mac"
    assert params.permissions == {"camera": True}
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(text % b',"x":1', type=ConnectParams)


def test_hello_has_every_field_that_is_not_optional():
    hello = HelloOk(
        type="hello-ok",
        protocol=3,
        server=ServerInfo(version="1", conn_id="c"),
        features=Features(methods=[], events=[]),
        snapshot=Snapshot(presence=[], health=None, state_version=StateVersion(1, 2), uptime_ms=3),
        auth=HelloAuth("t", "operator", [], 4),
        policy=Policy(1, 2, 3),
    )
    decoded = msgspec.json.decode(msgspec.json.encode(hello))
    assert set(decoded) == {"type", "protocol", "server", "features", "snapshot", "auth", "policy"}
    assert decoded["snapshot"] == {
        "presence": [],
        "health": None,
        "stateVersion": {"presence": 1, "health": 2},
        "uptimeMs": 3,
    }
    assert decoded["auth"]["issuedAtMs"] == 4
    assert decoded["policy"] == {"maxPayload": 1, "maxBufferedBytes": 2, "tickIntervalMs": 3}
