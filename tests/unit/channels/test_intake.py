"""The one way in: verdict first, one transaction, then the receipt."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.channels.access.types import Approver
from carapace.channels.intake import MAX_FILES, MAX_QUOTE_CHARS, MAX_TEXT_CHARS, IntakeSettings
from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMedia,
    InboundMessage,
    Quote,
    ReceiptStatus,
)
from carapace.config.settings.channels import ChannelSettings, ChannelsSettings, WebchatSettings
from carapace.config.settings.messages import GroupChatSettings, InboundSettings, MessagesSettings
from carapace.provenance import Authority, Provenance
from carapace.store.ports import Tx
from support.inbound_house import ANNA, InboundHouse, inbound_house, message
from support.scripted_provider import Hang, echo, say

STRANGER = "u-stranger"
_SLOW = MessagesSettings(inbound=InboundSettings(debounce_ms=100))


async def test_a_message_for_the_agent_is_on_disk_with_its_receipt():
    async with inbound_house(say("x")) as house:
        receipt = await house.say("hi")
        assert receipt.status is ReceiptStatus.ACCEPTED
        assert receipt.inbox_id is not None
        row = await house.inbox.get(receipt.inbox_id)
        assert row is not None
        assert (row.sender_id, row.session_key) == ("u-owner", "agent:main:main")
        assert [one.text for one in house.heard] == ["hi"]


async def test_the_same_message_again_changes_nothing():
    async with inbound_house(say("x")) as house:
        await house.say("hi")
        assert (await house.say("hi")).status is ReceiptStatus.DUPLICATE
        assert len(house.heard) == 1
        assert len(await house.inbox_rows()) == 1


async def test_who_may_not_speak_leaves_no_trace():
    closed = ChannelSettings(dm_policy="allowlist", allow_from=(ANNA,))
    async with inbound_house(say("x"), settings=closed) as house:
        receipt = await house.say("hi", sender=STRANGER)
        assert (receipt.status, receipt.reason) == (ReceiptStatus.DROPPED, "dm-sender")
        assert (await house.inbox_rows(), await house.outbox_rows()) == ([], [])


async def test_a_stranger_is_told_once_how_to_be_let_in():
    async with inbound_house(say("x")) as house:
        first = await house.say("let me in", sender=STRANGER)
        assert (first.status, first.reason) == (ReceiptStatus.ASKED, "told how to be let in")
        again = await house.say("please", "m2", sender=STRANGER)
        assert (again.status, again.reason) == (ReceiptStatus.ASKED, "told before")
        (text,) = await house.texts(1)
        (waiting,) = await house.access.pending()
        assert waiting.code in text
        assert len(await house.outbox_rows()) == 1
        (row,) = await house.inbox_rows()
        assert (row.state, row.reason, row.message) == ("done", "asked", None)


async def test_who_was_let_in_meanwhile_is_judged_anew():
    async with inbound_house(say("x")) as house:
        await house.say("let me in", sender=STRANGER)
        (waiting,) = await house.access.pending()
        owner = Approver(name="me", authority=Authority.OWNER)
        await house.access.approve(None, waiting.code, owner)
        house.access._paired.clear()
        receipt = await house.say("hello", "m2", sender=STRANGER)
        assert receipt.status is ReceiptStatus.ACCEPTED


async def test_the_owner_lets_somebody_in_from_the_chat():
    async with inbound_house(say("x")) as house:
        await house.say("let me in", sender=STRANGER)
        (waiting,) = await house.access.pending()
        receipt = await house.say(f"/approve {waiting.code}", "m2")
        assert receipt.status is ReceiptStatus.HANDLED
        texts = await house.texts(3)
        assert sum("let in" in text for text in texts) == 1
        assert sum("may now write" in text for text in texts) == 1
        assert (await house.say("hello", "m3", sender=STRANGER)).status is ReceiptStatus.ACCEPTED
        again = await house.say(f"/approve {waiting.code}", "m2")
        assert again.status is ReceiptStatus.DUPLICATE


async def test_nobody_else_lets_anybody_in():
    async with inbound_house(say("x")) as house:
        await house.say("let me in", sender=STRANGER)
        (waiting,) = await house.access.pending()
        receipt = await house.say(f"/approve {waiting.code}", "m2", sender=ANNA)
        assert (receipt.status, receipt.reason) == (ReceiptStatus.DROPPED, "command")
        assert len(await house.access.pending()) == 1


async def test_what_a_group_says_to_others_is_context_for_what_it_says_to_us():
    async with inbound_house(echo) as house:
        first = await house.say("the sky is green", "m1", sender="u-bob", room="room")
        assert first.status is ReceiptStatus.BUFFERED
        assert (
            await house.say("the sky is green", "m1", sender="u-bob", room="room")
        ).status is ReceiptStatus.DUPLICATE
        await house.say("is it?", "m2", sender="u-eve", room="room", mentions_us=True)
        await house.account.sent_at_least(1)
        shown = str(house.house.provider.requests[0].messages)
        assert shown.count("the sky is green") == 1
        assert shown.index("the sky is green") < shown.index("is it?")
        await house.say("and now?", "m3", sender="u-eve", room="room", mentions_us=True)
        await house.account.sent_at_least(2)
        rows = await house.inbox_rows()
        assert [row.context_through for row in rows] == [None, 1, None]


async def test_no_context_is_kept_where_none_is_wanted():
    none = MessagesSettings(group_chat=GroupChatSettings(history_limit=0))
    async with inbound_house(echo, messages=none) as house:
        receipt = await house.say("talk", sender="u-bob", room="room")
        assert receipt.status is ReceiptStatus.DROPPED
        edit = await house.say("x", "e1", kind=EventKind.EDIT, about_message_id="m0")
        assert edit.status is ReceiptStatus.DROPPED


async def test_text_of_one_person_is_joined_while_it_keeps_coming():
    async with inbound_house(echo, messages=_SLOW) as house:
        for number, text in enumerate(("one", "two", "three")):
            await house.say(text, f"m{number}")
        (answer,) = await house.texts(1)
        assert "one\ntwo\nthree" in answer
        assert {row.run_id for row in await house.inbox_rows()} == {"inbox-1"}


async def test_a_file_does_not_wait_and_comes_after_the_text_before_it():
    media = (InboundMedia(content_type="image/png"),)
    long = MessagesSettings(inbound=InboundSettings(debounce_ms=60_000))
    async with inbound_house(echo, messages=long) as house:
        await house.say("look", "m1")
        await house.say("this", "m2", media=media)
        async with asyncio.timeout(5):
            await house.texts(2)
        asked = [str(request.messages[-1]) for request in house.house.provider.requests]
        assert "look" in asked[0]
        assert "this" in asked[1]
        assert "<media:image>" in asked[1]


async def test_files_in_the_store_are_kept_for_as_long_as_the_message():
    kept: list[tuple[str, str]] = []

    def keep(tx: Tx, media_id: str, owner: str) -> None:
        kept.append((media_id, owner))

    async with inbound_house(echo) as house:
        house.intake._keep_media = keep
        files = (InboundMedia(media_id="f1"), InboundMedia(url="https://x.test/f2"))
        await house.say("look", media=files)
        assert kept == [("f1", "inbox-1")]


async def test_stop_ends_what_runs_and_what_waits():
    hanging = (Hang(),)
    async with inbound_house(hanging, say("later")) as house:
        await house.say("long work", "m1")
        await house.house.provider.hanging.wait()
        await house.say("more work", "m2")
        receipt = await house.say("/stop", "m3")
        assert receipt.status is ReceiptStatus.HANDLED
        assert await house.texts(1) == ["Stopped."]
        await house.say("new work", "m4")
        assert await house.texts(2) == ["Stopped.", "later"]
        states = [(row.state, row.reason) for row in (await house.inbox_rows())[:2]]
        assert states == [("done", "stopped by a person")] * 2


async def test_stop_says_so_if_nothing_runs():
    async with inbound_house(say("x")) as house:
        await house.say("/stop")
        assert await house.texts(1) == ["There was nothing to stop."]


def _about(kind: EventKind, text: str = "", **more: Any) -> InboundMessage:
    return message(text, f"about-{kind.value}", kind=kind, about_message_id="m1", **more)


async def test_an_edit_reaches_what_still_waits_and_a_deletion_takes_it_away():
    long = MessagesSettings(inbound=InboundSettings(debounce_ms=60_000))
    async with inbound_house(echo, messages=long) as house:
        await house.say("wrogn", "m1")
        edited = await house.account.deliver(_about(EventKind.EDIT, "right"))
        assert edited.status is ReceiptStatus.HANDLED
        row = (await house.inbox_rows())[0]
        assert row.message is not None
        assert row.message.text == "right"
        deleted = await house.account.deliver(_about(EventKind.DELETE))
        assert deleted.status is ReceiptStatus.HANDLED
        assert (await house.inbox_rows())[0].state == "done"
        late = await house.account.deliver(_about(EventKind.DELETE))
        assert late.status is ReceiptStatus.DUPLICATE
        assert house.house.provider.requests == []


async def test_what_comes_too_late_is_context_or_nothing():
    async with inbound_house(echo) as house:
        edited = await house.account.deliver(_about(EventKind.EDIT, "I meant tea"))
        assert edited.status is ReceiptStatus.BUFFERED
        reaction = await house.account.deliver(_about(EventKind.REACTION, "👍"))
        assert reaction.status is ReceiptStatus.BUFFERED
        deleted = await house.account.deliver(_about(EventKind.DELETE))
        assert deleted.status is ReceiptStatus.DROPPED
        await house.say("well?", "m9")
        await house.account.sent_at_least(1)
        shown = str(house.house.provider.requests[0].messages)
        assert "I meant tea" in shown
        assert "reaction" in shown


async def test_text_that_is_no_text_is_dropped():
    async with inbound_house(echo) as house:
        receipt = await house.say("\ud800")
        assert (receipt.status, receipt.reason) == (ReceiptStatus.DROPPED, "not-unicode")


async def test_what_a_waiting_message_may_cause_is_asked_anew():
    async with inbound_house(echo) as house:
        assert house.intake.authority_now(message()) is Authority.OWNER
        assert house.intake.authority_now(message(sender=ANNA)) is Authority.PAIRED
        assert house.intake.authority_now(message(sender=STRANGER)) is Authority.NONE
        unknown = message(conversation=Conversation(id="x", chat_type=ChatType.UNKNOWN))
        assert house.intake.authority_now(unknown) is Authority.NONE


async def test_settings_are_asked_from_near_to_far():
    settings = IntakeSettings(
        messages=MessagesSettings(
            inbound=InboundSettings(debounce_ms=500, by_channel={"webchat": 0})
        ),
        channels=ChannelsSettings(webchat=WebchatSettings(history_limit=7)),
    )
    assert (settings.debounce_s("webchat"), settings.debounce_s("other")) == (0.0, 0.5)
    assert settings.history_limit("webchat", "default") == 7
    assert settings.history_limit("other", "default") == 50


@pytest.mark.parametrize("text", ["", "   "])
async def test_a_blank_message_is_answered_honestly(text: str):
    async with inbound_house(echo) as house:
        assert (await house.say(text)).status is ReceiptStatus.ACCEPTED
        (answer,) = await house.texts(1)
        assert "empty" in answer
        assert house.house.provider.requests == []


async def test_new_settings_count_from_the_next_message_on():
    async with inbound_house(echo) as house:
        await _apply(house)
        receipt = await house.say("talk", sender="u-bob", room="room")
        assert receipt.status is ReceiptStatus.DROPPED


async def _apply(house: InboundHouse) -> None:
    none = MessagesSettings(group_chat=GroupChatSettings(history_limit=0))
    house.intake.apply(IntakeSettings(messages=none))


async def test_what_is_too_large_is_cut_to_what_an_inbox_keeps():
    quote = Quote(message_id="q", sender_id="u-owner", text="q" * (MAX_QUOTE_CHARS + 1))
    media = tuple(InboundMedia() for _ in range(MAX_FILES + 1))
    async with inbound_house(echo) as house:
        await house.say("x" * (MAX_TEXT_CHARS + 1), quote=quote, media=media)
        row = await house.inbox.get(1)
        assert row is not None
        assert row.message is not None
        assert row.message.text[MAX_TEXT_CHARS:] == "\n[the rest was left out: too long]"
        assert len(row.message.media) == MAX_FILES
        assert row.message.quote is not None
        assert len(row.message.quote.text or "") == MAX_QUOTE_CHARS


async def test_the_owner_decides_on_a_use_of_a_tool_and_nobody_else_does():
    async with inbound_house(say("x")) as house:
        heard: list[tuple[str, Authority]] = []

        def settle(rest: str, words: Provenance) -> str | None:
            heard.append((rest, words.authority))
            return "Allowed, this once." if rest.endswith("allow-once") else None

        house.intake._settle_approval = settle
        receipt = await house.say("/approve q1 allow-once", "m1")
        assert receipt.status is ReceiptStatus.HANDLED
        assert await house.texts(1) == ["Allowed, this once."]
        refused = await house.say("/approve q1 allow-once", "m2", sender=ANNA)
        assert refused.status is ReceiptStatus.DROPPED
        await house.say("/approve ABCD2345", "m3")
        assert "Nobody waits with that code" in (await house.texts(2))[1]
    assert heard == [
        ("q1 allow-once", Authority.OWNER),
        ("ABCD2345", Authority.OWNER),
    ]
