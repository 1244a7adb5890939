"""What groups say about when they are answered, without asking the database each time."""

from __future__ import annotations

from pathlib import Path

from carapace.ids import SessionKey
from carapace.protocol.sessions import SessionsPatch
from carapace.sessions.activation import GroupActivations
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionPolicy
from support.clock import FakeClock
from support.database import memory_database

ROOM = SessionKey("agent:main:matrix:group:room")


async def test_it_follows_patches_and_is_read_again_at_start():
    async with memory_database() as database:
        sessions = Sessions(database, FakeClock(), policy=SessionPolicy, path=Path("/s"))
        assert sessions.activations.of(ROOM) is None
        await sessions.patch(SessionsPatch(key=ROOM, group_activation="always"))
        assert sessions.activations.of(ROOM) == "always"
        again = GroupActivations(database)
        await again.load()
        assert again.of(ROOM) == "always"
        await sessions.patch(SessionsPatch(key=ROOM, label="Room"))
        assert sessions.activations.of(ROOM) == "always"
        await sessions.patch(SessionsPatch(key=ROOM, group_activation=None))
        assert sessions.activations.of(ROOM) is None


async def test_a_deleted_session_says_nothing_any_more():
    async with memory_database() as database:
        sessions = Sessions(database, FakeClock(), policy=SessionPolicy, path=Path("/s"))
        await sessions.patch(SessionsPatch(key=ROOM, group_activation="mention"))
        await sessions.delete(ROOM)
        assert sessions.activations.of(ROOM) is None
