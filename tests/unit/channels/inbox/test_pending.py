"""Context of a conversation: bounded, in order, forgotten once it was used."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.channels.inbox import pending
from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMedia,
    InboundMessage,
    Sender,
)
from carapace.provenance import Authority
from carapace.store.ports import Tx
from support.database import memory_database


def said(text: str, **more: Any) -> InboundMessage:
    values: dict[str, Any] = {
        "channel": "chat",
        "account": "default",
        "message_id": text,
        "conversation": Conversation(id="room", chat_type=ChatType.GROUP),
        "sender": Sender(id="u1", display_name="Bob"),
        "text": text,
        **more,
    }
    return InboundMessage(**values)


def keep(tx: Tx, *texts: str, lane: str = "a", limit: int = 50) -> None:
    for text in texts:
        pending.add(tx, lane, said(text), Authority.GUEST, now_ms=1, limit=limit)


async def test_the_newest_lines_are_kept_in_order():
    async with memory_database() as database:
        await database.write(lambda tx: keep(tx, "one", "two", "three", limit=2))
        await database.write(lambda tx: keep(tx, "other", lane="b"))
        found = await database.read(lambda tx: pending.context(tx, "a"))
        assert found is not None
        lines = [msgspec.json.decode(line) for line in found.lines]
        assert [line["text"] for line in lines] == ["two", "three"]
        assert lines[0] == {"name": "Bob", "id": "u1", "text": "two"}
        assert found.authority is Authority.GUEST


async def test_a_limit_of_none_keeps_none_and_forgets_what_there_was():
    async with memory_database() as database:
        await database.write(lambda tx: keep(tx, "one"))
        await database.write(lambda tx: keep(tx, "two", limit=0))
        assert await database.read(lambda tx: pending.context(tx, "a")) is None


async def test_lines_up_to_one_can_be_asked_for():
    async with memory_database() as database:
        await database.write(lambda tx: keep(tx, "one", "two"))
        before = await database.read(lambda tx: pending.context(tx, "a"))
        assert before is not None
        await database.write(lambda tx: keep(tx, "three"))
        same = await database.read(lambda tx: pending.context(tx, "a", through=before.through))
        assert same == before


async def test_the_authority_is_that_of_the_least():
    def work(tx: Tx) -> pending.PendingContext | None:
        pending.add(tx, "a", said("x"), Authority.OWNER, now_ms=1, limit=9)
        pending.add(tx, "a", said("y"), Authority.OUTSIDE, now_ms=1, limit=9)
        return pending.context(tx, "a")

    async with memory_database() as database:
        found = await database.write(work)
        assert found is not None
        assert found.authority is Authority.OUTSIDE


async def test_events_and_files_are_named_and_long_texts_cut():
    def work(tx: Tx) -> pending.PendingContext | None:
        for one in (
            said("👍", kind=EventKind.REACTION, about_message_id="m7"),
            said("", media=(InboundMedia(content_type="image/png"), InboundMedia())),
            said("z" * 9_000, sender=Sender(id="u2")),
        ):
            pending.add(tx, "a", one, Authority.GUEST, now_ms=1, limit=9)
        return pending.context(tx, "a")

    async with memory_database() as database:
        found = await database.write(work)
        assert found is not None
        reaction, files, long = (msgspec.json.decode(line) for line in found.lines)
        assert (reaction["event"], reaction["about"]) == ("reaction", "m7")
        assert files["text"] == "[image/png], [file]"
        assert (long["name"], len(long["text"])) == ("u2", pending.MAX_LINE_CHARS)
