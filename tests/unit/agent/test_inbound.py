"""From the inbox to turns: order, authority, restarts, giving up."""

from __future__ import annotations

from support.inbound_house import inbound_house
from support.scripted_provider import say


async def test_a_message_is_answered_where_it_came_from():
    async with inbound_house(say("Hello", " you")) as house:
        receipt = await house.say("hi")
        assert receipt.status == "accepted"
        assert await house.texts(1) == ["Hello you"]
        (row,) = await house.inbox_rows()
        assert (row.state, row.reason) == ("done", "answered")
