"""Wire types of the outbox: strict in, sparse out."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol import outbox as wire


@pytest.mark.parametrize(
    ("params", "given"),
    [
        (wire.OutboxList, {"surprise": True}),
        (wire.OutboxList, {"limit": 0}),
        (wire.OutboxList, {"limit": 201}),
        (wire.OutboxList, {"state": "lost"}),
        (wire.OutboxGet, {}),
        (wire.OutboxGet, {"id": 0}),
        (wire.OutboxRetry, {"id": "7"}),
        (wire.OutboxDrop, {"id": 1, "reason": "x" * 201}),
        (wire.SendParams, {"message": "hi", "idempotencyKey": "k"}),
        (wire.SendParams, {"to": "c", "message": "hi"}),
        (wire.SendParams, {"to": "", "message": "hi", "idempotencyKey": "k"}),
        (wire.SendParams, {"to": "c", "idempotencyKey": "k", "message": "x" * 100_001}),
        (wire.SendParams, {"to": "c", "idempotencyKey": "k", "mediaUrls": ["u"] * 11}),
    ],
)
def test_params_that_do_not_fit_are_refused(params: type[msgspec.Struct], given: object):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, params)


def test_what_the_node_gateway_takes_is_taken():
    given = {
        "to": "c1",
        "message": "hi",
        "mediaUrl": "https://example.com/a.png",
        "gifPlayback": True,
        "channel": "webhook",
        "accountId": "second",
        "sessionKey": "main",
        "idempotencyKey": "k",
    }
    assert msgspec.convert(given, wire.SendParams).account_id == "second"


def test_what_is_not_known_is_absent():
    item = wire.OutboxItem(
        id=1,
        channel="webhook",
        account_id="default",
        conversation="c",
        state="waiting",
        attempts=0,
        created_at_ms=1,
        expires_at_ms=2,
    )
    assert set(msgspec.to_builtins(item)) == {
        "id",
        "channel",
        "accountId",
        "conversation",
        "state",
        "attempts",
        "createdAtMs",
        "expiresAtMs",
    }
