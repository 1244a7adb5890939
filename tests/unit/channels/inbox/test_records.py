"""Rows of the inbox: written once, answered together or one by one, ended once."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from carapace.channels.inbox import pending, records
from carapace.channels.inbox.records import InboxQuery, InboxState, LaneCount, NewRow
from carapace.channels.types import EventKind, InboundMedia, Quote
from carapace.ids import SessionKey
from carapace.provenance import Authority, Origin, Provenance
from carapace.store.ports import Tx
from support.database import memory_database
from support.inbound_house import message

PAIRED = Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED, sender_id="u1")


def new(message_id: str = "m1", *, lane: str = "a", text: str = "hi", **more: Any) -> NewRow:
    values: dict[str, Any] = {
        "message": message(text, message_id, sender=more.pop("sender", "u1")),
        "provenance": PAIRED,
        "lane": lane,
        "session_key": SessionKey("agent:main:main"),
        "received_at_ms": 1,
        "due_at_ms": 1,
        **more,
    }
    return NewRow(**values)


def put(tx: Tx, *rows: NewRow) -> list[int]:
    found = [records.insert(tx, row) for row in rows]
    return [one for one in found if one is not None]


async def test_a_message_is_written_once_whatever_its_lane():
    async with memory_database() as database:
        assert await database.write(lambda tx: put(tx, new())) == [1]
        assert await database.write(lambda tx: put(tx, new(lane="b"))) == []
        other = replace(new(), message=message("hi", "m1", account="second"))
        (second,) = await database.write(lambda tx: put(tx, other))
        assert second > 1
        assert await database.read(lambda tx: records.is_known(tx, "recording", "default", "m1"))
        assert not await database.read(
            lambda tx: records.is_known(tx, "recording", "default", "M1")
        )


async def test_a_row_comes_back_as_it_was_written():
    row = new(is_joinable=True, is_command=True, due_at_ms=7)
    full = replace(
        message("héllo\n\x00👍"),
        media=(InboundMedia(url="https://x.test/a", size_bytes=3),),
        quote=Quote(message_id="q", text="t"),
        data={"k": "v"},
    )
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, replace(row, message=full)))
        found = await database.read(lambda tx: records.find(tx, 1))
        assert found is not None
        assert (found.message, found.provenance) == (full, PAIRED)
        assert (found.state, found.is_joinable, found.is_command) == ("waiting", True, True)
        assert (found.due_at_ms, found.conversation) == (7, full.conversation.id)
        assert await database.read(lambda tx: records.find(tx, 2)) is None


async def test_what_may_be_joined_is_taken_together_in_order():
    rows = [
        new("m1", is_joinable=True),
        new("m2", is_joinable=True),
        new("m3", is_joinable=True, sender="u2"),
        new("m4", is_joinable=True),
    ]
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, *rows))
        found = await database.read(lambda tx: records.batch(tx, "a"))
        assert [row.message_id for row in found] == ["m1", "m2"]


async def test_what_may_not_be_joined_is_taken_alone():
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new("m1"), new("m2", is_joinable=True)))
        found = await database.read(lambda tx: records.batch(tx, "a"))
        assert [row.message_id for row in found] == ["m1"]
        assert await database.read(lambda tx: records.batch(tx, "b")) == ()


async def test_joining_ends_where_it_would_be_too_much():
    half = "x" * (records.MAX_JOINED_CHARS // 2)
    rows = [new(f"m{one}", text=half, is_joinable=True) for one in range(3)]
    huge = new("huge", text=half * 3, lane="b", is_joinable=True)
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, *rows, huge))
        assert len(await database.read(lambda tx: records.batch(tx, "a"))) == 2
        assert len(await database.read(lambda tx: records.batch(tx, "b"))) == 1


async def test_rows_of_a_run_stay_together_and_alone():
    async with memory_database() as database:
        ids = await database.write(
            lambda tx: put(tx, new("m1", is_joinable=True), new("m2", is_joinable=True))
        )
        await database.write(lambda tx: records.start(tx, ids, run_id="r"))
        await database.write(lambda tx: put(tx, new("m3", is_joinable=True)))
        await database.write(records.requeue)
        found = await database.read(lambda tx: records.batch(tx, "a"))
        assert [row.message_id for row in found] == ["m1", "m2"]


async def test_a_start_counts_once_until_the_process_dies():
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new()))
        for _ in range(2):
            await database.write(lambda tx: records.start(tx, (1,), run_id="r"))
        assert await _attempts(database) == 1
        await database.write(lambda tx: records.put_back(tx, (1,)))
        assert await _attempts(database) == 0
        for _ in range(3):
            await database.write(lambda tx: records.start(tx, (1,), run_id="r"))
            assert await database.write(records.requeue) == 1
        assert await _attempts(database) == 3
        assert await database.read(lambda tx: records.started_too_often(tx, 3)) == []
        await database.write(lambda tx: records.start(tx, (1,), run_id="r"))
        (often,) = await database.read(lambda tx: records.started_too_often(tx, 4))
        assert often.inbox_id == 1
        assert await database.read(lambda tx: records.started_too_often(tx, 5)) == []


async def _attempts(database: Any) -> int:
    found = await database.read(lambda tx: records.find(tx, 1))
    return found.attempts


async def test_a_row_ends_once():
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new()))
        assert await database.write(lambda tx: records.ack(tx, (1,), reason="done", now_ms=5)) == 1
        assert await database.write(lambda tx: records.kill(tx, (1,), reason="no", now_ms=6)) == 0
        await database.write(lambda tx: records.put_back(tx, (1,)))
        found = await database.read(lambda tx: records.find(tx, 1))
        assert found is not None
        assert (found.state, found.reason, found.ended_at_ms) == ("done", "done", 5)


async def test_the_end_forgets_the_context_that_was_used_and_no_more():
    def prepare(tx: Tx) -> None:
        put(tx, new())
        for text in ("one", "two"):
            pending.add(tx, "a", message(text, text), Authority.GUEST, now_ms=1, limit=9)
        records.keep_context(tx, 1, 2)
        pending.add(tx, "a", message("three", "three"), Authority.GUEST, now_ms=1, limit=9)
        pending.add(tx, "b", message("other", "other"), Authority.GUEST, now_ms=1, limit=9)

    async with memory_database() as database:
        await database.write(prepare)
        await database.write(lambda tx: records.ack(tx, (1,), reason="done", now_ms=5))
        left = await database.read(lambda tx: pending.context(tx, "a"))
        assert left is not None
        assert ["three" in line for line in left.lines] == [True]
        assert await database.read(lambda tx: pending.context(tx, "b")) is not None


async def test_lanes_tell_how_much_of_them_has_not_ended():
    async with memory_database() as database:
        await database.write(
            lambda tx: put(tx, new("m1", due_at_ms=9), new("m2"), new("m3", lane="b"))
        )
        await database.write(lambda tx: records.ack(tx, (3,), reason="done", now_ms=5))
        assert await database.read(records.lanes) == [LaneCount("a", 2, 1)]


async def test_only_a_dead_letter_is_replayed_and_as_another_run():
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new()))
        assert await database.write(lambda tx: records.replay(tx, 1, now_ms=9)) is None
        await database.write(lambda tx: records.start(tx, (1,), run_id="r"))
        await database.write(lambda tx: records.kill(tx, (1,), reason="no", now_ms=5))
        row = await database.write(lambda tx: records.replay(tx, 1, now_ms=9))
        assert row is not None
        assert (row.state, row.replays, row.attempts, row.run_id) == ("waiting", 1, 0, None)
        assert (row.reason, row.ended_at_ms, row.due_at_ms) == (None, None, 9)


async def test_a_sender_changes_or_deletes_what_still_waits():
    edit = message("better", "e1", sender="u1", kind=EventKind.EDIT, about_message_id="m1")
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new()))
        assert await database.write(lambda tx: records.revise(tx, edit, "a"))
        row = await database.read(lambda tx: records.find(tx, 1))
        assert row is not None
        assert row.message is not None
        assert (row.message.text, row.message.message_id) == ("better", "m1")
        assert await database.write(lambda tx: records.withdraw(tx, edit, "a", now_ms=5))
        assert not await database.write(lambda tx: records.withdraw(tx, edit, "a", now_ms=5))
        assert not await database.write(lambda tx: records.revise(tx, edit, "a"))


async def test_nobody_else_changes_it_nor_from_elsewhere_nor_too_late():
    def edit(**more: Any) -> Any:
        values = {"sender": "u1", "kind": EventKind.EDIT, "about_message_id": "m1", **more}
        return message("worse", "e1", **values)

    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new()))
        for change, lane in (
            (edit(sender="u2"), "a"),
            (edit(), "b"),
            (edit(about_message_id="m2"), "a"),
            (edit(account="second"), "a"),
        ):
            assert not await database.write(lambda tx, c=change, n=lane: records.revise(tx, c, n))
        await database.write(lambda tx: records.start(tx, (1,), run_id="r"))
        assert not await database.write(lambda tx: records.revise(tx, edit(), "a"))
        assert not await database.write(lambda tx: records.withdraw(tx, edit(), "a", now_ms=1))


async def test_stopping_ends_what_waited_before_in_that_lane():
    async with memory_database() as database:
        await database.write(
            lambda tx: put(tx, new("m1"), new("m2"), new("m3", lane="b"), new("m4"))
        )
        await database.write(lambda tx: records.start(tx, (1,), run_id="r"))
        assert await database.write(lambda tx: records.stop_waiting(tx, "a", 4, now_ms=5)) == 1
        rows = await database.read(lambda tx: records.page(tx, InboxQuery()))
        assert [row.state for row in rows] == ["waiting", "waiting", "done", "working"]


async def test_rows_are_listed_newest_first_by_state_place_and_page():
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, *(new(f"m{one}") for one in range(5))))
        await database.write(lambda tx: records.kill(tx, (2, 4), reason="no", now_ms=5))

        async def ids(**query: Any) -> list[int]:
            rows = await database.read(lambda tx: records.page(tx, InboxQuery(**query)))
            return [row.inbox_id for row in rows]

        assert await ids() == [5, 4, 3, 2, 1]
        assert await ids(state=InboxState.DEAD) == [4, 2]
        assert await ids(before_id=4, limit=2) == [3, 2]
        assert await ids(limit=0) == [5]
        assert await ids(channel="other") == []
        assert await ids(account="second") == []
        counts = await database.read(records.counts)
        assert counts == {"waiting": 3, "working": 0, "done": 0, "dead": 2}


async def test_texts_are_forgotten_first_then_rows_and_the_repeat_is_known_meanwhile():
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new("m1"), new("m2"), new("m3")))
        await database.write(lambda tx: records.ack(tx, (1,), reason="done", now_ms=5))
        await database.write(lambda tx: records.kill(tx, (2,), reason="no", now_ms=5))

        async def prune(bodies: int, rows: int) -> int:
            return await database.write(
                lambda tx: records.prune(tx, bodies_before_ms=bodies, rows_before_ms=rows)
            )

        assert await prune(6, 0) == 0
        rows = await database.read(lambda tx: records.page(tx, InboxQuery()))
        assert [row.message is None for row in rows] == [False, False, True]
        assert await database.write(lambda tx: put(tx, new("m1"))) == []
        assert await prune(6, 6) == 2
        (again,) = await database.write(lambda tx: put(tx, new("m1")))
        assert again > 3


async def test_what_needed_no_turn_is_remembered_without_its_text():
    async with memory_database() as database:
        assert await database.write(lambda tx: records.remember(tx, new(), reason="asked")) == 1
        assert await database.write(lambda tx: records.remember(tx, new(), reason="asked")) is None
        row = await database.read(lambda tx: records.find(tx, 1))
        assert row is not None
        assert (row.state, row.reason, row.message) == ("done", "asked", None)


async def test_a_row_that_cannot_be_read_has_no_authority():
    async with memory_database() as database:
        await database.write(lambda tx: put(tx, new("m1"), new("m2", lane="b")))
        await database.write(lambda tx: tx.execute("UPDATE inbox SET body = '{' WHERE inbox_id=1"))
        await database.write(
            lambda tx: tx.execute("UPDATE inbox SET provenance = '{}' WHERE inbox_id=2")
        )
        rows = await database.read(lambda tx: records.page(tx, InboxQuery()))
        assert [row.message for row in rows] == [None, None]
        assert {row.provenance.authority for row in rows} == {Authority.NONE}


async def test_the_next_batch_is_found_by_an_index():
    async with memory_database() as database:
        plan = await database.read(
            lambda tx: tx.all("EXPLAIN QUERY PLAN " + records._BATCH, {"lane": "a", "limit": 5})
        )
        assert "inbox_lanes" in " ".join(row["detail"] for row in plan)
        assert "TEMP B-TREE" not in " ".join(row["detail"] for row in plan)
