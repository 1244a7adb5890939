"""`channels.pairing.*`: who asks is shown without the code, and let in by it alone."""

from __future__ import annotations

import json

import pytest

from carapace.channels.types import ReceiptStatus
from carapace.errors import Refused
from support.chat_rooms import from_anna
from support.methods import MethodHouse, method_house


async def asked(house: MethodHouse) -> str:
    """Let Anna write; the code she is told."""
    assert (await house.chats.account.deliver(from_anna())).status is ReceiptStatus.ASKED
    return (await house.services.access.pending())[0].code


async def test_who_asks_is_listed_without_the_code():
    async with method_house() as house:
        code = await asked(house)
        listing = await house.call("channels.pairing.list")
        other = await house.call("channels.pairing.list", {"channel": "matrix"})
    assert [one["senderId"] for one in listing["pending"]] == ["anna"]
    assert listing["pending"][0]["displayName"] == "Anna"
    assert code not in json.dumps(listing)
    assert other == {"pending": [], "allowed": []}


async def test_a_code_lets_its_person_in_once_and_they_are_told():
    async with method_house() as house:
        code = await asked(house)
        done = await house.call("channels.pairing.approve", {"channel": "webhook", "code": code})
        listing = await house.call("channels.pairing.list")
        with pytest.raises(Refused):
            await house.call("channels.pairing.approve", {"channel": "webhook", "code": code})
        receipt = await house.chats.account.deliver(from_anna("hello", "m2"))
        waiting = await house.call("outbox.list")
    assert (done["ok"], done["senderId"], done["accountId"]) == (True, "anna", "default")
    assert [one["senderId"] for one in listing["allowed"]] == ["anna"]
    assert listing["pending"] == []
    assert receipt.status is ReceiptStatus.ACCEPTED
    assert {one["conversation"] for one in waiting["items"]} == {"anna-chat"}
    assert len(waiting["items"]) == 2


async def test_a_request_is_forgotten():
    async with method_house() as house:
        code = await asked(house)
        given = {"channel": "webhook", "code": code, "accountId": "default"}
        assert await house.call("channels.pairing.reject", given) == {"ok": True}
        assert (await house.call("channels.pairing.list"))["pending"] == []


async def test_somebody_is_let_in_no_longer():
    async with method_house() as house:
        code = await asked(house)
        await house.call("channels.pairing.approve", {"channel": "webhook", "code": code})
        given = {"channel": "webhook", "senderId": "anna"}
        first = await house.call("channels.pairing.revoke", given)
        second = await house.call("channels.pairing.revoke", given)
        receipt = await house.chats.account.deliver(from_anna("hello", "m2"))
    assert (first, second) == ({"ok": True}, {"ok": False})
    assert receipt.status is ReceiptStatus.ASKED
