"""`inbox.*`: what came in is shown, and what was given up is worked on once more."""

from __future__ import annotations

import pytest

from carapace.channels.types import ReceiptStatus
from carapace.errors import Refused
from support.chat_rooms import from_anna
from support.methods import MethodHouse, method_house


async def let_anna_in(house: MethodHouse) -> None:
    receipt = await house.chats.account.deliver(from_anna("may I come in?", "m0"))
    assert receipt.status is ReceiptStatus.ASKED
    request = (await house.services.access.pending())[0]
    await house.call("channels.pairing.approve", {"channel": "webhook", "code": request.code})


async def test_messages_are_listed_newest_first_with_their_counts():
    async with method_house() as house:
        await let_anna_in(house)
        for number in (1, 2):
            await house.chats.account.deliver(from_anna("x" * 300, f"m{number}"))
        page = await house.call("inbox.list", {"limit": 1})
        rest = await house.call("inbox.list", {"beforeId": page["nextBeforeId"]})
        dead = await house.call("inbox.list", {"state": "dead"})
    assert [one["messageId"] for one in page["items"]] == ["m2"]
    assert [one["messageId"] for one in rest["items"]] == ["m1", "m0"]
    assert dead["items"] == []
    assert (page["waiting"], page["working"], page["dead"]) == (2, 0, 0)
    shown = page["items"][0]
    assert (shown["channel"], shown["senderId"], shown["state"]) == ("webhook", "anna", "waiting")
    assert len(shown["text"]) == 200


async def test_what_was_given_up_is_worked_on_once_more():
    async with method_house() as house:
        await let_anna_in(house)
        receipt = await house.chats.account.deliver(from_anna())
        assert receipt.inbox_id is not None
        await house.services.inbox.kill([receipt.inbox_id], reason="no luck")
        dead = await house.call("inbox.list", {"state": "dead"})
        again = await house.call("inbox.replay", {"id": receipt.inbox_id})
        with pytest.raises(Refused):
            await house.call("inbox.replay", {"id": 99})
    assert (dead["dead"], dead["items"][0]["reason"]) == (1, "no luck")
    assert (again["ok"], again["item"]["state"]) == (True, "waiting")
