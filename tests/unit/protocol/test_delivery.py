"""The payload of `delivery` on the wire."""

from __future__ import annotations

import msgspec

from carapace.protocol.delivery import DeliveryEvent


def test_names_are_camel_case_and_what_is_not_so_is_left_out():
    event = DeliveryEvent(
        id=7,
        channel="webhook",
        account="default",
        conversation="c",
        state="delivered",
        ts=5,
        run_id="r",
        may_be_repeat=True,
    )
    assert msgspec.json.decode(msgspec.json.encode(event)) == {
        "id": 7,
        "channel": "webhook",
        "account": "default",
        "conversation": "c",
        "state": "delivered",
        "ts": 5,
        "runId": "r",
        "mayBeRepeat": True,
    }
