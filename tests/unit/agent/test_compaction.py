"""When a conversation outgrows its model."""

from __future__ import annotations

import pytest

from carapace.agent.compaction import Compactor, room_for, summary_request
from carapace.agent.providers.ports import ProviderError, Stop, TextPart, Usage
from carapace.clock import SystemClock
from carapace.sessions.types import StoredMessage
from support.agent_house import MAIN, agent_house, ask
from support.scripted_provider import say


def test_the_reserve_never_takes_more_than_a_quarter():
    assert room_for(128_000, 20_000) == 108_000
    assert room_for(8_000, 20_000) == 6_000
    assert room_for(None, 0) == 32_768


def test_the_newest_messages_count_most_in_a_summary():
    def message(number: int) -> StoredMessage:
        content = ({"type": "text", "text": f"m{number} " + "x" * 900},)
        return StoredMessage(str(number), "user", content, 0)

    request = summary_request([message(number) for number in range(10)], 1_000)
    part = request.messages[0].parts[0]
    assert isinstance(part, TextPart)
    assert "m9" in part.text
    assert "m0 " not in part.text


async def test_older_messages_are_archived_behind_the_summary():
    async with agent_house(say("ok"), say("ok"), say("notes")) as house:
        for name in ("a", "b"):
            await (await house.agent.submit(ask("x", name))).ended()
        compactor = Compactor(house.sessions, SystemClock())
        used: list[Usage] = []
        assert await compactor.compact(
            MAIN, house.models.targets, lambda _, usage: used.append(usage), keep=1
        )
        assert [usage.output for usage in used] == [1]
        assert [one.text for one in await house.sessions.history("main")] == ["notes", "ok"]


async def test_an_empty_summary_changes_nothing_but_is_paid_for():
    async with agent_house(say("ok"), (Usage(9, 0), Stop("stop"))) as house:
        await (await house.agent.submit(ask("x"))).ended()
        compactor = Compactor(house.sessions, SystemClock())
        used: list[Usage] = []
        with pytest.raises(ProviderError, match="no summary"):
            await compactor.compact(
                MAIN, house.models.targets, lambda _, usage: used.append(usage), keep=1
            )
        assert used == [Usage(9, 0)]
        assert len(await house.sessions.history("main")) == 2
