"""Nodes on the services of the house."""

from __future__ import annotations

from carapace.ids import RunId
from support.auth import LOCAL
from support.methods import FakeCall, method_house
from support.nodes import node_caller
from support.scripted_provider import say


async def test_what_a_node_says_is_answered_and_told_to_it() -> None:
    async with method_house(say("hello back")) as house:
        caller = node_caller("n1")
        house.services.nodes.connected(caller, LOCAL)
        for event, payload in (
            ("chat.subscribe", {"sessionKey": "main"}),
            ("voice.transcript", {"text": "hello"}),
        ):
            asked = {"event": event, "payload": payload}
            assert await house.call("node.event", asked, FakeCall(caller)) == {"ok": True}
        rows = await house.agent_house.database.read(lambda tx: tx.all("SELECT run_id FROM turns"))
        (run_id,) = [row["run_id"] for row in rows]
        outcome = await house.services.agent.wait(RunId(run_id), 5.0)
        assert outcome is not None
        final = next(one for one in house.agent_house.events if one.name == "chat")
        assert house.services.nodes.followers(final) == {caller.conn_id}


async def test_words_and_lists_are_on_the_database_of_the_house() -> None:
    async with method_house() as house:
        await house.services.nodes.words.put(["computer"])
        rows = await house.agent_house.database.read(lambda tx: tx.all("SELECT * FROM voicewake"))
        assert [row["triggers"] for row in rows] == ['["computer"]']
