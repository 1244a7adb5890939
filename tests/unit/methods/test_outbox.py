"""`outbox.*` and `send`: what waits is shown, tried again, dropped; a message is put in once."""

from __future__ import annotations

import pytest

from carapace.channels.types import Outgoing, Target
from carapace.errors import Refused
from carapace.provenance import OWNER
from support.methods import MethodHouse, method_house

TO = Target(channel="webhook", account="default", conversation="c1")


async def put(house: MethodHouse, key: str = "k1", text: str = "hello") -> int:
    outgoing = Outgoing(target=TO, idempotency_key=key, text=text)
    queued = await house.services.outbox.put(outgoing, provenance=OWNER)
    return queued.outbox_id


async def test_messages_are_listed_newest_first_with_their_counts():
    async with method_house() as house:
        first, second = await put(house), await put(house, "k2", "x" * 500)
        page = await house.call("outbox.list", {"limit": 1})
        rest = await house.call("outbox.list", {"beforeId": page["nextBeforeId"]})
    assert [one["id"] for one in page["items"]] == [second]
    assert [one["id"] for one in rest["items"]] == [first]
    assert (page["waiting"], page["sending"], page["unknown"], page["dead"]) == (2, 0, 0, 0)
    assert len(page["items"][0]["text"]) == 200
    shown = rest["items"][0]
    assert (shown["channel"], shown["accountId"], shown["conversation"]) == (
        "webhook",
        "default",
        "c1",
    )
    assert (shown["state"], shown["kind"], shown["text"]) == ("waiting", "message", "hello")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"state": "waiting"}, 1),
        ({"state": "dead"}, 0),
        ({"channel": "webhook"}, 1),
        ({"channel": "matrix"}, 0),
        ({"accountId": "second"}, 0),
        ({"conversation": "c1"}, 1),
        ({"conversation": "C1"}, 0),
    ],
)
async def test_the_list_can_be_narrowed(query: dict[str, str], count: int):
    async with method_house() as house:
        await put(house)
        assert len((await house.call("outbox.list", query))["items"]) == count


async def test_one_message_is_shown_and_one_that_is_not_there_is_refused():
    async with method_house() as house:
        number = await put(house)
        found = await house.call("outbox.get", {"id": number})
        with pytest.raises(Refused, match="no message 99"):
            await house.call("outbox.get", {"id": 99})
    assert found["item"]["id"] == number
    assert found["attempts"] == []


async def test_a_dropped_message_is_dead_with_its_reason_and_can_be_tried_again():
    async with method_house() as house:
        number = await put(house)
        dropped = await house.call("outbox.drop", {"id": number, "reason": "too late"})
        plain = await house.call("outbox.drop", {"id": await put(house, "k2")})
        again = await house.call("outbox.retry", {"id": number})
    assert (dropped["item"]["state"], dropped["item"]["cause"]) == ("dead", "dropped")
    assert "too late" in dropped["item"]["reason"]
    assert "operator" in plain["item"]["reason"]
    assert again["item"]["state"] == "waiting"


async def test_a_message_is_put_in_once_for_each_key():
    async with method_house() as house:
        given = {"to": "c1", "message": "hi there", "idempotencyKey": "k", "channel": "Webhook"}
        one, two = [await house.call("send", given) for _ in range(2)]
        page = await house.call("outbox.list")
    assert one == two
    assert (one["runId"], one["channel"], one["queued"]) == ("k", "webhook", True)
    assert [row["text"] for row in page["items"]] == ["hi there"]


async def test_a_long_message_is_cut_for_its_channel():
    async with method_house() as house:
        given = {"to": "c1", "message": "word " * 100, "idempotencyKey": "k"}
        await house.call("send", given)
        page = await house.call("outbox.list")
    assert len(page["items"]) > 1
    assert all(len(row["text"]) <= 200 for row in page["items"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"channel": "carrier-pigeon"}, "unsupported channel: carrier-pigeon"),
        ({"accountId": "second"}, "second of webhook does not run"),
        ({"message": "  "}, "message required"),
        ({"message": "NO_REPLY"}, "nothing of it is left"),
        ({"mediaUrl": "https://example.com/a.png"}, "takes no files"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_the_reason(change: dict[str, str], says: str):
    async with method_house() as house:
        given = {"to": "c1", "message": "hi", "idempotencyKey": "k", **change}
        with pytest.raises(Refused, match=says):
            await house.call("send", given)
        assert (await house.call("outbox.list"))["items"] == []


async def test_without_a_channel_name_there_must_be_just_one():
    async with method_house() as house:
        await house.services.accounts.remove("webhook")
        with pytest.raises(Refused, match="channel required"):
            await house.call("send", {"to": "c1", "message": "hi", "idempotencyKey": "k"})
