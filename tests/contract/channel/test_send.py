"""What the house says arrives once, whole, and where it was meant to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.channels.types import Dead, Delivered, Outgoing, OutgoingKind, Poll, Target
from support.channel_kinds import every
from support.channel_under_test import Seen

TEXTS = {
    "plain": "hello",
    "empty": "",
    "lines": "one\ntwo\n\nthree\n",
    "emoji": "🙂👩\u200d👩\u200d👧🇩🇪👍🏽",
    "marks": "e\u0301 Tiếng Việt ệ",
    "right to left": "שלום \u202eabc\u202c",
    "controls": "a\x00b\x1b[31m",
    "separators": "a\u2028b\u2029c",
    "markdown": "**b** `c`\n\n```py\nx = 1\n```\n| a |\n|---|\n",
    "looks like json": '", "kind": "delete", "x": "',
    "looks like a header": "a\r\nX-Evil: 1\r\n\r\n",
}
IDS = {
    "case": "AbC",
    "spaces": " 1 ",
    "slashes": "../x",
    "marks": "e\u0301",
    "composed": "\u00e9",
    "percent": "a%2Fb",
    "emoji": "🙂",
    "session key": "agent:main:main",
}


def outgoing(under_test, conversation="room", thread=None, **more: Any) -> Outgoing:
    target = Target(
        channel=under_test.name,
        account=under_test.account,
        conversation=conversation,
        thread_id=thread,
    )
    values: dict[str, Any] = {"idempotency_key": "key-1", "text": "hello", **more}
    return Outgoing(target=target, **values)


async def check(kind, opened, message, seen):
    """It is seen as it was said, but for what its service cannot show."""
    outcome = await opened.account.send(message)
    if not (kind.claims.empty_texts or message.text):
        assert isinstance(outcome, Dead)
        assert opened.rig.seen() == []
        return
    assert isinstance(outcome, Delivered)
    assert opened.rig.seen() == [kind.claims.shown(seen)]


@every()
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_a_text_arrives_as_it_was_said(kind, opened, text):
    await check(kind, opened, outgoing(kind, text=text), Seen(text, "room", "key-1"))


@every()
async def test_the_longest_text_it_takes_arrives_whole(kind, opened):
    text = "é" * opened.rig.channel.info.max_text
    await check(kind, opened, outgoing(kind, text=text), Seen(text, "room", "key-1"))


@every()
@pytest.mark.parametrize("name", IDS.values(), ids=IDS)
async def test_a_conversation_is_addressed_byte_for_byte(kind, opened, name):
    await check(kind, opened, outgoing(kind, conversation=name), Seen("hello", name, "key-1"))


@every()
@pytest.mark.parametrize("name", IDS.values(), ids=IDS)
async def test_so_is_a_thread(kind, opened, name):
    await check(
        kind, opened, outgoing(kind, thread=name), Seen("hello", "room", "key-1", thread=name)
    )


@every()
async def test_what_it_answers_is_told(kind, opened):
    await check(
        kind, opened, outgoing(kind, reply_to="m 1"), Seen("hello", "room", "key-1", reply_to="m 1")
    )


@every(sends=frozenset(OutgoingKind))
@pytest.mark.parametrize("what", [OutgoingKind.EDIT, OutgoingKind.DELETE, OutgoingKind.REACTION])
async def test_edits_deletes_and_reactions_name_their_message(kind, opened, what):
    await check(
        kind,
        opened,
        outgoing(kind, kind=what, about_message_id="m-0", text="👍"),
        Seen("👍", "room", "key-1", kind=what, about="m-0"),
    )


@every(sends=frozenset(OutgoingKind))
async def test_a_poll_has_its_question_and_its_answers(kind, opened):
    poll = Poll(options=("Tea", "Cocoa 👍"), max_selections=2)
    await check(
        kind,
        opened,
        outgoing(kind, kind=OutgoingKind.POLL, text="What now?", poll=poll),
        Seen("What now?", "room", "key-1", kind=OutgoingKind.POLL, options=("Tea", "Cocoa 👍")),
    )


@every(marks_repeats=True)
async def test_media_are_told_in_order(kind, opened):
    outcome = await opened.account.send(outgoing(kind, media=("b", "a")))
    assert isinstance(outcome, Delivered)
    seen = opened.rig.seen()
    if kind.claims.files_together:
        assert seen == [Seen("hello", "room", "key-1", media=("b", "a"))]
    else:
        assert [(one.text, one.media) for one in seen] == [("hello", ("b",)), ("", ("a",))]


@every()
async def test_the_service_says_which_message_it_became(kind, opened):
    first = await opened.account.send(outgoing(kind))
    second = await opened.account.send(outgoing(kind, idempotency_key="key-2"))
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert first.message_id
    assert first.message_id != second.message_id


@every()
async def test_the_key_is_the_same_at_every_attempt(kind, opened):
    if not kind.claims.keys:
        assert not opened.rig.channel.info.drops_repeats
    for attempt in range(1, 4):
        await opened.account.send(outgoing(kind, attempt=attempt))
    assert {one.key for one in opened.rig.seen()} == {"key-1"}


@every(marks_repeats=True)
async def test_what_may_be_a_repeat_says_so(kind, opened):
    await check(
        kind,
        opened,
        outgoing(kind, may_be_repeat=True, attempt=2),
        Seen("hello", "room", "key-1", is_marked=True),
    )


@every(marks_repeats=True)
async def test_what_is_new_does_not_say_so(kind, opened):
    await check(kind, opened, outgoing(kind), Seen("hello", "room", "key-1", is_marked=False))


@every(drops_repeats=True)
async def test_a_repeat_is_dropped_and_gets_the_first_ones_id(kind, opened):
    first = await opened.account.send(outgoing(kind))
    assert await opened.account.send(outgoing(kind, attempt=2)) == first
    assert len(opened.rig.seen()) == 1


@every()
async def test_look_up_finds_only_what_arrived(kind, opened):
    if opened.rig.channel.info.can_look_up:
        sent = await opened.account.send(outgoing(kind))
        assert await opened.account.look_up(outgoing(kind)) == sent
    assert await opened.account.look_up(outgoing(kind, idempotency_key="never")) is None


@every()
async def test_many_at_once_all_arrive_once(kind, opened):
    async with asyncio.TaskGroup() as group:
        for number in range(16):
            message = outgoing(kind, conversation=f"c{number}", idempotency_key=f"k{number}")
            group.create_task(opened.account.send(message))
    assert sorted(one.key for one in opened.rig.seen()) == sorted(f"k{one}" for one in range(16))


@every()
async def test_one_after_the_other_keep_their_order(kind, opened):
    for number in range(10):
        await opened.account.send(outgoing(kind, idempotency_key=f"k{number}"))
    assert [one.key for one in opened.rig.seen()] == [f"k{one}" for one in range(10)]


@every()
async def test_typing_says_nothing_to_anybody(kind, opened):
    target = outgoing(kind).target
    for is_on in (True, True, False, False):
        await opened.account.set_typing(target, is_on=is_on)
    assert opened.rig.seen() == []
