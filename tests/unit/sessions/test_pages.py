"""Kept answers of `sessions.list`: as if made afresh, made as seldom as can be, bounded."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from carapace.ids import RunId, SessionKey
from carapace.protocol.sessions import SessionsList, SessionsPage
from carapace.sessions import pages as module
from carapace.sessions import records
from carapace.sessions.pages import Pages, page_of
from carapace.sessions.silence import silence
from carapace.sessions.types import ModelRef, SessionPolicy
from carapace.store.sqlite import SqliteDatabase
from support.database import memory_database
from support.transcripts import said

POLICY = SessionPolicy(model=ModelRef("fake", "fake-1"), context_tokens=128000)
TEXTS: dict[str, Any] = {"include_derived_titles": True, "include_last_message": True}
NOW_MS = 10_000_000


class House:
    """Sessions, the pages kept of them, and how many rows were encoded for these."""

    def __init__(self, database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.pages = Pages()
        self.built = 0
        row_of = module.row_of

        def counted(*arguments: Any) -> Any:
            self.built += 1
            return row_of(*arguments)

        monkeypatch.setattr(module, "row_of", counted)

    async def make(self, *names: str) -> None:
        for age, name in enumerate(reversed(names)):
            key = SessionKey(f"agent:main:{name}")
            at_ms = NOW_MS - age * 1000
            await self.database.write(
                lambda tx, key=key, at_ms=at_ms: records.ensure(tx, key, now_ms=at_ms)
            )

    async def set(self, name: str, **changes: Any) -> None:
        key = SessionKey(f"agent:main:{name}")
        await self.database.write(lambda tx: records.set_fields(tx, key, changes, now_ms=NOW_MS))

    async def page(
        self, policy: SessionPolicy = POLICY, now_ms: int = NOW_MS, **asked: Any
    ) -> SessionsPage:
        """What is answered, after it was found equal to a page that was made afresh."""
        query = SessionsList(**asked)
        raw = await self.database.read(
            lambda tx: self.pages.encoded(tx, query, policy, now_ms=now_ms)
        )
        fresh = await self.database.read(lambda tx: page_of(tx, query, policy, now_ms=now_ms))
        assert msgspec.json.decode(raw) == msgspec.to_builtins(fresh)
        return fresh


@pytest.fixture(name="house")
async def _house(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[House]:
    async with memory_database() as database:
        yield House(database, monkeypatch)


async def test_a_list_of_nothing_is_a_page(house: House):
    assert (await house.page()).count == 0


async def test_nothing_is_encoded_twice_while_nothing_changes(house: House):
    await house.make("a", "b", "c")
    assert (await house.page()).count == 3
    assert (await house.page(now_ms=NOW_MS + 5)).ts == NOW_MS + 5
    assert (await house.page(limit=2)).count == 2
    assert house.built == 3


async def test_only_what_changed_is_encoded_anew(house: House):
    await house.make("a", "b", "c")
    await house.page()
    await house.set("a", label="New")
    assert (await house.page()).sessions[0].label == "New"
    assert house.built == 4


async def test_what_was_taken_away_is_gone_and_comes_back_as_another(house: House):
    await house.make("a", "b")
    await house.page()
    key = SessionKey("agent:main:b")
    await house.database.write(lambda tx: records.remove(tx, key, now_ms=NOW_MS))
    assert (await house.page()).count == 1
    await house.make("b")
    assert (await house.page()).count == 2


async def test_a_message_renews_the_last_words(house: House):
    await house.make("a")
    await house.page(**TEXTS)
    for number in range(2):
        await house.database.write(
            lambda tx, number=number: records.append_message(
                tx,
                records.ensure(tx, SessionKey("agent:main:a"), now_ms=0).session_id,
                said(f"m{number}", f"word {number}"),
            )
        )
        (row,) = (await house.page(**TEXTS)).sessions
        assert row.last_message_preview == f"word {number}"


async def test_a_turn_that_was_silenced_takes_its_words_back(house: House):
    await house.make("a")
    key = SessionKey("agent:main:a")
    entry = await house.database.write(lambda tx: records.ensure(tx, key, now_ms=0))
    await house.database.write(
        lambda tx: records.append_message(tx, entry.session_id, said("r1/0", "psst"))
    )
    await house.page(**TEXTS)
    await house.database.write(
        lambda tx: silence(
            tx, key, entry.session_id, RunId("r1"), updated_at_ms=None, now_ms=NOW_MS
        )
    )
    (row,) = (await house.page(**TEXTS)).sessions
    assert row.last_message_preview is None


async def test_the_configuration_is_asked_each_time(house: House):
    await house.make("a")
    await house.page()
    other = replace(POLICY, model=ModelRef("fake", "fake-2"), context_tokens=7)
    (row,) = (await house.page(other)).sessions
    assert (row.model, row.context_tokens) == ("fake-2", 7)
    (row,) = (await house.page(SessionPolicy())).sessions
    assert (row.model, row.context_tokens) == (None, None)


async def test_who_was_active_depends_on_when_it_is_asked(house: House):
    await house.make("old", "new")
    assert (await house.page(active_minutes=1)).count == 2
    assert (await house.page(now_ms=NOW_MS + 60_000, active_minutes=1)).count == 1
    assert (await house.page(now_ms=NOW_MS + 61_000, active_minutes=1)).count == 0


async def test_what_is_kept_is_bounded_and_answers_stay_whole(house: House):
    await house.make(*(f"s{number}" for number in range(40)))
    house.pages = Pages(max_row_bytes=4_000, max_answer_bytes=9_000)
    for limit in range(1, 41):
        assert (await house.page(limit=limit)).count == limit
        assert house.pages.bytes <= 13_000
    assert house.pages.bytes > 6_000


async def test_a_state_takes_the_place_of_the_one_before(house: House):
    await house.make("a", "b")
    await house.page()
    before = house.pages.bytes
    for number in range(50):
        await house.set("a", label=f"Label {number:02}")
        await house.page()
    assert house.built == 52
    assert house.pages.bytes < before + 100
