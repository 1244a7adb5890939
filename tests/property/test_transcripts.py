"""Random interleavings keep order and lose nothing that was not archived."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapace.sessions import records
from carapace.sessions.service import Sessions
from carapace.sessions.types import Role, SessionPolicy, StoredMessage
from carapace.store.sqlite import SqliteDatabase
from support.clock import FakeClock
from support.database import memory_database

ROLES = st.sampled_from(["user", "assistant", "toolResult"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), ROLES),
        st.tuples(st.just("repeat"), st.integers(0, 20)),
        st.tuples(st.just("truncate"), st.integers(1, 6)),
        st.tuples(st.just("compact"), st.integers(0, 6)),
        st.tuples(st.just("reset"), st.none()),
        st.tuples(st.just("read"), st.integers(1, 5)),
    ),
    max_size=25,
)


class Model:
    """What the transcript should be: a plain list."""

    def __init__(self) -> None:
        self.live: list[StoredMessage] = []
        self.everything: list[str] = []

    def cut(self, keep: int) -> list[StoredMessage]:
        start = max(0, len(self.live) - keep)
        while 0 < start < len(self.live) and self.live[start].role == "toolResult":
            start += 1
        gone, self.live = self.live[:start], self.live[start:]
        return gone


class Machine:
    """The real thing beside its model."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.sessions = Sessions(
            database, FakeClock(), policy=SessionPolicy, path=Path("/state/carapace.db")
        )
        self.model = Model()

    async def append(self, role: Role) -> None:
        number = len(self.model.everything)
        text = {"type": "text", "text": f"{number}"}
        message = StoredMessage(f"m{number}", role, (text,), number)
        entry = await self.sessions.ensure("main")
        await self.database.write(lambda tx: records.append_message(tx, entry.session_id, message))
        self.model.live.append(message)
        self.model.everything.append(message.message_id)

    async def repeat(self, which: int) -> None:
        if self.model.live:
            again = self.model.live[which % len(self.model.live)]
            entry = await self.sessions.ensure("main")
            await self.database.write(
                lambda tx: records.append_message(tx, entry.session_id, again)
            )

    async def truncate(self, keep: int) -> None:
        await self.sessions.truncate("main", keep)
        self.model.cut(keep)

    async def compact(self, keep: int) -> None:
        seen: list[StoredMessage] = []

        async def summarise(old: Sequence[StoredMessage]) -> str:
            seen.extend(old)
            return "summary"

        done = await self.sessions.compact("main", summarise, keep=keep)
        gone = self.model.cut(keep)
        assert seen == gone
        assert (done is None) == (not gone)
        if done is not None:
            self.model.live.insert(0, done.summary)
            self.model.everything.append(done.summary.message_id)

    async def reset(self, _: None) -> None:
        await self.sessions.reset("main")
        self.model.live = []

    async def read(self, limit: int) -> None:
        assert await self.sessions.history("main", limit) == self.model.live[-limit:]

    async def check(self) -> None:
        assert await self.sessions.history("main", 1000) == self.model.live
        kept = await self.database.read(lambda tx: tx.all("SELECT message_id FROM messages"))
        assert sorted(row[0] for row in kept) == sorted(self.model.everything)


async def play(steps: list[tuple[str, Any]]) -> None:
    async with memory_database() as database:
        machine = Machine(database)
        for name, argument in steps:
            step: Coroutine[Any, Any, None] = getattr(machine, name)(argument)
            await step
        await machine.check()


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_order_is_kept_and_nothing_unarchived_is_lost(steps: list[tuple[str, Any]]):
    asyncio.run(play(steps))
