from __future__ import annotations

from carapace.agent.draft import user_message
from carapace.agent.history import DecodedHistory
from carapace.agent.opening import read_opening
from carapace.ids import AgentId, SessionKey
from carapace.sessions import records
from support.agent_house import MAIN
from support.database import memory_database


async def test_an_opening_is_the_session_and_the_messages_that_are_not_known():
    decoded = DecodedHistory()
    async with memory_database() as database:

        def write(tx):
            entry = records.ensure(tx, MAIN, now_ms=1, default_agent=AgentId("main"))
            for run in ("r1", "r2"):
                records.append_message(
                    tx, entry.session_id, user_message(f"{run}/user", run, (), 1)
                )
            return entry.session_id

        session_id = await database.write(write)
        first = await database.read(lambda tx: read_opening(tx, MAIN, session_id, decoded))
        assert first.entry is not None
        assert (first.entry.session_id, first.known) == (session_id, {})
        assert [row["message_id"] for row in first.rows] == ["r1/user", "r2/user"]
        stored = decoded.messages(MAIN, session_id, first.rows, first.known)
        again = await database.read(lambda tx: read_opening(tx, MAIN, session_id, decoded))
        assert list(again.known) == ["r1/user", "r2/user"]
        assert decoded.messages(MAIN, session_id, again.rows, again.known) == stored
        other = SessionKey("agent:main:other")
        gone = await database.read(lambda tx: read_opening(tx, other, session_id, decoded))
        assert gone.entry is None
