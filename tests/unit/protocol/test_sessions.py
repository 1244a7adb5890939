"""Wire types of sessions: strict in, sparse out, in the words clients know."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from carapace.errors import Refused
from carapace.protocol import sessions as wire
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.validation import decode_params


def decode(method: str, params: type[msgspec.Struct], given: Any) -> Any:
    def handler(_ctx: object, params: Any) -> None:
        """For the test."""

    handler.__annotations__["params"] = params
    methods = Methods()
    methods.method(method, scope=Scope.READ)(handler)
    return decode_params(methods[method], msgspec.Raw(msgspec.json.encode(given)))


@pytest.mark.parametrize(
    ("method", "params", "given", "message"),
    [
        (
            "sessions.list",
            wire.SessionsList,
            {"surprise": True},
            "at root: unexpected property 'surprise'",
        ),
        ("sessions.list", wire.SessionsList, {"limit": 0}, "at /limit: must be >= 1"),
        (
            "sessions.preview",
            wire.SessionsPreview,
            {"keys": []},
            "at /keys: must NOT have fewer than 1 items",
        ),
        ("sessions.patch", wire.SessionsPatch, {}, "must have required property 'key'"),
        ("sessions.reset", wire.SessionsReset, {}, "must have required property 'key'"),
        (
            "chat.history",
            wire.ChatHistory,
            {"sessionKey": "main", "limit": 0},
            "at /limit: must be >= 1",
        ),
        (
            "chat.history",
            wire.ChatHistory,
            {"sessionKey": "main", "limit": 1001},
            "at /limit: must be <= 1000",
        ),
        (
            "sessions.preview",
            wire.SessionsPreview,
            {"keys": ["main"], "maxChars": 19},
            "at /maxChars: must be >= 20",
        ),
    ],
)
def test_refusals_are_those_of_the_recorded_traces(
    method: str, params: type[msgspec.Struct], given: Any, message: str
):
    with pytest.raises(Refused) as caught:
        decode(method, params, given)
    assert caught.value.message == f"invalid {method} params: {message}"


def test_a_patch_tells_absence_from_null():
    found = decode("sessions.patch", wire.SessionsPatch, {"key": "x", "label": None, "model": "a"})
    assert (found.label, found.model, found.thinking_level) == (None, "a", UNSET)


@pytest.mark.parametrize(
    "given",
    [
        {"key": ""},
        {"key": "x" * 513},
        {"key": "x", "label": ""},
        {"key": "x", "label": "x" * 65},
        {"key": "x", "sendPolicy": "maybe"},
        {"key": "x", "model": "m" * 257},
        {"key": "x", "unknown": 1},
    ],
)
def test_a_patch_is_bounded(given: dict[str, Any]):
    with pytest.raises(Refused):
        decode("sessions.patch", wire.SessionsPatch, given)


def test_what_is_not_known_is_absent_on_the_wire():
    row = wire.SessionRow(
        key="k", kind="direct", updated_at=1, session_id="s", aborted_last_run=False, total_tokens=0
    )
    assert msgspec.to_builtins(row) == {
        "key": "k",
        "kind": "direct",
        "updatedAt": 1,
        "sessionId": "s",
        "abortedLastRun": False,
        "totalTokens": 0,
    }


def test_an_origins_sender_is_called_from():
    origin = wire.SessionOrigin(from_="someone")
    assert msgspec.to_builtins(origin) == {"from": "someone"}


def test_costs_say_their_zeros():
    assert msgspec.json.encode(wire.MessageCost()) == (
        b'{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"total":0}'
    )
