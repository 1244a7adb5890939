"""Reading and archiving messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import pytest

from carapace.ids import SessionKey
from carapace.sessions import records, transcripts
from carapace.sessions.transcripts import Excerpt
from carapace.sessions.types import StoredMessage
from carapace.store.ports import Database, Tx
from support.database import memory_database
from support.transcripts import said

T = TypeVar("T")


class Talk:
    """One transcript to try things on."""

    def __init__(self, database: Database, session_id: str) -> None:
        self.database = database
        self.session_id = session_id

    async def add(self, *messages: StoredMessage) -> None:
        await self.database.write(
            lambda tx: [records.append_message(tx, self.session_id, one) for one in messages]
        )

    async def read(self, fn: Callable[..., T], **options: Any) -> T:
        return await self.database.read(lambda tx: fn(tx, self.session_id, **options))

    async def texts(self, **options: int) -> list[str]:
        rows = await self.read(transcripts.tail, **options)
        return [one.text for one in transcripts.messages_of(rows)]


@pytest.fixture(name="talk")
async def _talk() -> AsyncGenerator[Talk]:
    async with memory_database() as database:
        entry = await database.write(
            lambda tx: records.ensure(tx, SessionKey("agent:main:main"), now_ms=1)
        )
        yield Talk(database, entry.session_id)


async def test_the_tail_is_the_newest_oldest_first(talk: Talk):
    assert await talk.texts(limit=5) == []
    await talk.add(*(said(f"m{number}", f"{number}") for number in range(6)))
    assert await talk.texts(limit=3) == ["3", "4", "5"]
    assert await talk.texts(limit=99) == ["0", "1", "2", "3", "4", "5"]


async def test_the_byte_cap_drops_the_oldest(talk: Talk):
    await talk.add(*(said(f"m{number}", f"{number}" * 100) for number in range(6)))
    size = len(said("m", "0" * 100).encode())
    assert len(await talk.texts(limit=99, max_bytes=size * 2 + 1)) == 2


async def test_one_oversized_message_hides_only_itself(talk: Talk):
    await talk.add(said("a", "small"), said("b", "x" * 5000), said("c", "last"))
    assert await talk.texts(limit=99, max_bytes=1000) == ["small", "last"]


async def test_bodies_of_known_messages_are_left_out(talk: Talk):
    await talk.add(*(said(f"m{number}", f"{number}") for number in range(4)))
    rows = await talk.read(transcripts.tail, limit=99, known={"m0", "m1", "m3"})
    assert [row["message_id"] for row in rows] == ["m0", "m1", "m2", "m3"]
    assert ["body" in row.keys() for row in rows] == [False, False, True, True]  # noqa: SIM118 - a row, no dict
    rows = await talk.read(transcripts.tail, limit=2, known={"m2", "m3"})
    assert [row["message_id"] for row in rows] == ["m2", "m3"]


async def test_excerpts_skip_what_says_nothing(talk: Talk):
    await talk.add(said("a", "one"), said("b", "", "assistant"), said("c", "two", "assistant"))
    assert await talk.read(transcripts.excerpts, limit=2) == [
        Excerpt("user", "one"),
        Excerpt("assistant", "two"),
    ]


async def test_a_transcript_whose_messages_are_archived_has_messages(talk: Talk):
    assert not await talk.read(transcripts.has_messages)
    await talk.add(said("a", "hello", "assistant"), said("b", "first"))
    await talk.database.write(
        lambda tx: transcripts.archive_through(tx, talk.session_id, 2, now_ms=5)
    )
    assert await talk.read(transcripts.has_messages)


async def test_a_summary_stands_where_the_archived_ended(talk: Talk):
    await talk.add(*(said(f"m{number}", f"{number}") for number in range(5)))

    def compact(tx: Tx) -> int:
        gone = transcripts.archive_through(tx, talk.session_id, 3, now_ms=9)
        transcripts.insert_summary(tx, talk.session_id, 3, said("s", "summary", "system"))
        return gone

    assert await talk.database.write(compact) == 3
    await talk.add(said("new", "5"))
    assert await talk.texts(limit=99) == ["summary", "3", "4", "5"]
    assert await talk.read(transcripts.live_shape) == [
        (3, "system"),
        (4, "user"),
        (5, "user"),
        (6, "user"),
    ]
    kept = await talk.database.read(lambda tx: tx.all("SELECT body FROM messages"))
    assert len(kept) == 7  # nothing is ever deleted
