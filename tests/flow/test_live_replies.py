"""An answer is shown while it is written, and ends as one message, also after a crash."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from carapace.channels.live import draft_records, drafts
from carapace.channels.types import OutgoingKind
from support.inbound_house import inbound_house, open_house
from support.polling import until
from support.scripted_provider import Hang, say

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(drafts, "_PAUSE_S", 0.01)


def kinds(house):
    return [(one.kind, one.text) for one in house.account.seen]


async def drafted(house, run_id="inbox-1"):
    """Once the service has the draft and the house knows it."""
    async with asyncio.timeout(5):
        while True:
            row = await house.database.read(lambda tx: draft_records.find(tx, run_id))
            if row is not None and row.message_id is not None:
                return row
            await asyncio.sleep(0.005)


async def test_the_finished_answer_changes_the_message_that_showed_it():
    free = asyncio.Event()
    script = (*say("Once upon")[:1], Hang(free), *say(" a time."))
    async with inbound_house(script, streams=True) as house:
        await house.say("tell me a story")
        await drafted(house)
        assert kinds(house) == [(OutgoingKind.MESSAGE, "Once upon")]
        free.set()
        await until(lambda: (OutgoingKind.EDIT, "Once upon a time.") in kinds(house))
        await until(lambda: not house.inbound.working)
        messages = [one for one in house.account.seen if one.kind is OutgoingKind.MESSAGE]
        assert len(messages) == 1
        (row,) = await house.outbox_rows()
        assert row.outgoing is not None
        assert row.outgoing.kind is OutgoingKind.EDIT
        assert row.outgoing.about_message_id == "m-1"
        assert house.account.seen[-1].text == "Once upon a time."


async def test_after_a_crash_the_same_message_is_changed():
    with tempfile.TemporaryDirectory(prefix="carapace-live-") as name:
        folder = Path(name)
        script = (*say("Once upon")[:1], Hang())
        async with open_house(folder, script, streams=True) as house:
            await house.say("tell me a story")
            await drafted(house)
            assert kinds(house) == [(OutgoingKind.MESSAGE, "Once upon")]
        async with open_house(folder, say("The end."), streams=True) as house:
            await until(lambda: (OutgoingKind.EDIT, "The end.") in kinds(house))
            assert all(kind is OutgoingKind.EDIT for kind, _ in kinds(house))
            assert {one.about_message_id for one in house.account.seen} == {"m-1"}


async def test_if_nothing_is_said_after_all_the_draft_is_deleted():
    free = asyncio.Event()
    script = (*say("Hm")[:1], Hang(free))
    async with inbound_house(script, streams=True) as house:
        await house.say("psst")
        await drafted(house)
        await house.say("/stop", "m2")
        await until(lambda: any(kind is OutgoingKind.DELETE for kind, _ in kinds(house)))
        gone = next(one for one in house.account.seen if one.kind is OutgoingKind.DELETE)
        assert gone.about_message_id == "m-1"


async def test_without_streaming_the_answer_is_one_message():
    async with inbound_house(say("Once upon", " a time.")) as house:
        await house.say("tell me a story")
        assert await house.texts(1) == ["Once upon a time."]
        await until(lambda: not house.inbound.working)
        assert kinds(house) == [(OutgoingKind.MESSAGE, "Once upon a time.")]


async def test_somebody_is_seen_typing_while_the_answer_is_written():
    free = asyncio.Event()
    async with inbound_house((Hang(free), *say("done"))) as house:
        await house.say("hi")
        await until(lambda: house.account.typing)
        assert house.account.typing[0][1] is True
        free.set()
        await until(lambda: house.account.typing[-1][1] is False)
