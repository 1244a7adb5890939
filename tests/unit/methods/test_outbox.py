"""`outbox.*` and `send`: what waits is shown, tried again, dropped; a message is put in once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.channels.outbox.records import media_owner
from carapace.channels.outbox.types import OutboxQuery
from carapace.channels.types import Outgoing, OutgoingKind, Poll, Target
from carapace.config.settings.channels import (
    ChannelsSettings,
    PluginChannelSettings,
    WebhookSettings,
)
from carapace.errors import Failed, Refused
from carapace.methods import outbox
from carapace.plugins.errors import GuestError, GuestTrap
from carapace.provenance import OWNER
from support.media import PNG, png
from support.methods import MethodHouse, method_house
from support.recording_channel import RECORDING_INFO, RecordingChannel

A, B = "https://pictures.example/a.png", "https://pictures.example/b.png"
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
        ({"mediaUrl": "http://127.0.0.1/a.png"}, "its address is not public"),
        ({"message": "", "mediaUrl": ""}, "message required"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_the_reason(change: dict[str, str], says: str):
    async with method_house() as house:
        given = {"to": "c1", "message": "hi", "idempotencyKey": "k", **change}
        with pytest.raises(Refused, match=says):
            await house.call("send", given)
        assert (await house.call("outbox.list"))["items"] == []


POLL = {"to": "c1", "question": " Tea? ", "options": ["yes", " no "], "idempotencyKey": "k"}


async def test_a_poll_is_put_in_once_for_each_key(house: MethodHouse):
    one, two = [await house.call("poll", POLL) for _ in range(2)]
    assert one == two
    assert (one["runId"], one["channel"], one["queued"]) == ("k", "webhook", True)
    (put_in,) = await rows(house)
    assert (put_in.kind, put_in.text) == (OutgoingKind.POLL, "Tea?")
    assert put_in.poll == Poll(options=("yes", "no"), max_selections=1)
    page = await house.call("outbox.list")
    assert [(row["kind"], row["text"]) for row in page["items"]] == [("poll", "Tea?")]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"channel": "carrier-pigeon"}, "unsupported poll channel: carrier-pigeon"),
        ({"accountId": "second"}, "second of webhook does not run"),
        ({"question": "  "}, "needs a question"),
        ({"options": ["a", " a"]}, "all different"),
        ({"options": ["a", "  "]}, "not blank"),
        ({"maxSelections": 3}, "maxSelections is 3, but there are 2"),
        ({"durationHours": 1}, "leave durationHours out"),
    ],
)
async def test_a_poll_that_nobody_could_answer_is_refused(
    house: MethodHouse, change: dict[str, Any], says: str
):
    with pytest.raises(Refused, match=says):
        await house.call("poll", POLL | change)
    assert await rows(house) == []


async def test_a_channel_without_polls_is_sent_none(house: MethodHouse):
    mute = RecordingChannel(replace(RECORDING_INFO, id="mute", can_poll=False))
    house.services.accounts.add(mute)
    with pytest.raises(Refused, match="unsupported poll channel: mute"):
        await house.call("poll", POLL | {"channel": "mute"})


@pytest.fixture
async def house() -> AsyncGenerator[MethodHouse]:
    """One with two pictures within reach."""
    async with method_house() as made:
        made.shelf.files |= {A: PNG, B: png(5, 5)}
        yield made


async def rows(house: MethodHouse) -> list[Outgoing]:
    page = await house.services.outbox.page(OutboxQuery(limit=50))
    return [row.outgoing for row in reversed(page.rows) if row.outgoing is not None]


async def test_files_are_fetched_and_go_out_with_the_first_part_of_the_text(house: MethodHouse):
    given = {"to": "c1", "message": "word " * 100, "mediaUrl": A, "mediaUrls": [B, A]}
    await house.call("send", {**given, "idempotencyKey": "k"})
    first, *others = await rows(house)
    assert house.shelf.asked == [A, B]
    assert set(house.shelf.accounts) == {"webhook/default"}
    kept = [await house.shelf.store.read(one, max_bytes=10_000) for one in first.media]
    assert kept == [PNG, png(5, 5)]
    assert first.text
    assert others
    assert all(one.media == () for one in others)


@pytest.mark.parametrize("text", ["", "NO_REPLY"])
async def test_a_file_needs_no_text(house: MethodHouse, text: str):
    await house.call("send", {"to": "c1", "message": text, "idempotencyKey": "k", "mediaUrl": A})
    [only] = await rows(house)
    assert (only.text, len(only.media)) == ("", 1)


async def test_the_same_key_again_fetches_and_sends_nothing_more(house: MethodHouse):
    given = {"to": "c1", "message": "hi", "idempotencyKey": "k", "mediaUrl": A}
    one, two = [await house.call("send", given) for _ in range(2)]
    assert one == two
    assert house.shelf.asked == [A]
    assert len(await rows(house)) == 1


async def test_nothing_is_put_if_one_file_cannot_be_had(house: MethodHouse):
    given = {"to": "c1", "message": "hi", "idempotencyKey": "k", "mediaUrls": [A, "https://x/y"]}
    with pytest.raises(Refused, match="not public"):
        await house.call("send", given)
    assert await rows(house) == []
    house.shelf.files["https://x/y"] = PNG
    await house.call("send", given)
    assert len((await rows(house))[0].media) == 2


async def test_a_file_is_kept_as_long_as_its_message_is_listed(house: MethodHouse):
    given = {"to": "c1", "message": "hi", "idempotencyKey": "k", "mediaUrl": A}
    sent = await house.call("send", given)
    await house.clock.advance(3 * 3_600)
    assert (await house.shelf.store.sweep()).items == 0
    owner = media_owner(int(sent["messageId"]))
    database = house.agent_house.database
    assert await database.write(lambda tx: house.shelf.store.release(tx, owner)) == 1
    await house.clock.advance(3 * 3_600)
    assert (await house.shelf.store.sweep()).items == 1


async def test_a_channel_that_takes_no_files_is_sent_none(house: MethodHouse):
    mute = RecordingChannel(replace(RECORDING_INFO, id="mute", can_media=False))
    house.services.accounts.add(mute)
    given = {"to": "c1", "message": "hi", "idempotencyKey": "k", "channel": "mute", "mediaUrl": A}
    with pytest.raises(Refused, match="mute takes no files; send a link"):
        await house.call("send", given)
    assert house.shelf.asked == []


async def test_files_that_take_too_long_are_given_up(house: MethodHouse, monkeypatch):
    monkeypatch.setattr(outbox, "_FETCH_TIMEOUT_S", 0.01)

    async def never(url: str, _target: Target) -> str:
        await asyncio.Event().wait()
        return url

    slow = dataclasses.replace(house, services=replace(house.services, fetch_file=never))
    given = {"to": "c1", "message": "hi", "idempotencyKey": "k", "mediaUrl": A}
    with pytest.raises(Failed, match="nothing is sent") as caught:
        await slow.call("send", given)
    assert caught.value.retryable
    assert await rows(house) == []


async def test_without_a_channel_name_there_must_be_just_one():
    async with method_house() as house:
        sent = {"to": "c1", "message": "hi", "idempotencyKey": "k"}
        await house.services.accounts.remove("webhook")
        with pytest.raises(Refused, match="unsupported channel: whatsapp"):
            await house.call("send", sent)


async def test_nothing_is_sent_for_a_conversation_that_may_not_send(house: MethodHouse):
    await house.call("sessions.patch", {"key": "quiet", "sendPolicy": "deny"})
    sent = {"to": "c1", "message": "hi", "idempotencyKey": "k", "channel": "webhook"}
    with pytest.raises(Refused, match="send blocked by session policy"):
        await house.call("send", sent | {"sessionKey": "quiet"})
    assert await rows(house) == []
    assert (await house.call("send", sent | {"sessionKey": "new"}))["queued"]


async def test_of_several_channels_one_has_to_be_named(house: MethodHouse):
    accounts = house.services.accounts
    accounts.add(RecordingChannel(replace(RECORDING_INFO, id="second")))
    accounts.apply(
        ChannelsSettings(
            webhook=WebhookSettings(enabled=True, secret="x" * 32),
            plugins={"second": PluginChannelSettings(enabled=True)},
        )
    )
    with pytest.raises(Refused, match="channel required: one of second"):
        await house.call("send", {"to": "c1", "message": "hi", "idempotencyKey": "k"})


def by_plugin(house: MethodHouse, resolve: Any) -> None:
    """A channel of a plugin, which says what a target is."""
    accounts = house.services.accounts
    accounts.add(
        RecordingChannel(replace(RECORDING_INFO, id="phone", label="Phone", can_poll=True))
    )
    accounts.apply(ChannelsSettings(plugins={"phone": PluginChannelSettings(enabled=True)}))
    house.plugins.run("phone", "channel").script("phone:channel.resolve", resolve)


def told(error: Exception) -> Any:
    def script(_account: str, _text: str) -> str:
        raise error

    return script


async def sent_to(house: MethodHouse, to: str) -> str:
    params = {"to": to, "message": "hi", "channel": "phone", "idempotencyKey": "k"}
    await house.call("send", params)
    page = await house.call("outbox.list", {"channel": "phone"})
    return page["items"][0]["conversation"]


async def test_a_target_becomes_the_services_own_id(house: MethodHouse):
    by_plugin(house, lambda account, text: f"{account}/{text.strip()}")
    await asyncio.sleep(0)
    assert await sent_to(house, " ann ") == "default/ann"


@pytest.mark.parametrize(
    "answer",
    [lambda *_: "", lambda *_: 5, lambda *_: "x" * 300, told(GuestTrap("deadline", "interrupt"))],
)
async def test_a_target_that_cannot_be_asked_about_now_is_left_as_it_is(
    house: MethodHouse, answer: Any
):
    by_plugin(house, answer)
    await asyncio.sleep(0)
    assert await sent_to(house, "ann") == "ann"


async def test_what_is_no_target_is_refused_before_anything_is_put(house: MethodHouse):
    by_plugin(house, told(GuestError("bad-target", "write a number")))
    for method, more in (
        ("send", {"message": "hi"}),
        ("poll", {"question": "?", "options": ["a", "b"]}),
    ):
        params = {"to": "ann", "channel": "phone", "idempotencyKey": "k", **more}
        with pytest.raises(Refused, match="'ann' is no target of Phone: write a number") as caught:
            await house.call(method, params)
        assert caught.value.code == "INVALID_REQUEST"
    assert (await house.call("outbox.list", {}))["items"] == []


async def test_an_account_that_does_not_run_is_unavailable(house: MethodHouse):
    params = {"to": "c1", "message": "hi", "accountId": "second", "channel": "webhook"}
    with pytest.raises(Refused, match="does not run") as caught:
        await house.call("send", {**params, "idempotencyKey": "k"})
    assert caught.value.code == "UNAVAILABLE"
