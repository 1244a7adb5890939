"""Rows of `status` as the stock command line prints them."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.methods.status import report, row_of
from support.methods import method_house


async def test_a_row_has_tokens_percent_and_flags():
    async with method_house() as house:
        entry = await house.services.sessions.ensure("main")
    entry = replace(
        entry, total_tokens=500, context_tokens=None, thinking_level="low", system_sent=True,
        aborted_last_run=True,
    )  # fmt: skip
    row = row_of(entry, entry.updated_at_ms + 7, "m", 2000)
    assert (row["age"], row["remainingTokens"], row["percentUsed"]) == (7, 1500, 25)
    assert (row["model"], row["contextTokens"], row["kind"]) == ("m", 2000, "direct")
    assert row["flags"] == ["think:low", "system", "aborted", f"id:{entry.session_id}"]


async def test_what_is_not_known_is_absent_or_null():
    async with method_house() as house:
        entry = await house.services.sessions.ensure("main")
    row = row_of(replace(entry, total_tokens=None, context_tokens=None), 0, None, None)
    assert (row["remainingTokens"], row["percentUsed"]) == (None, None)
    assert not {"thinkingLevel", "model", "contextTokens"} & row.keys()
    assert row["age"] == 0


async def test_sessions_are_counted_in_all_and_by_agent():
    async with method_house() as house:
        await house.services.sessions.ensure("main")
        await house.services.sessions.ensure("side")
        made = await report(house.services)
    assert (made.sessions.count, len(made.sessions.recent)) == (2, 2)
    assert [(one.agent_id, one.count) for one in made.sessions.by_agent] == [("main", 2)]
    assert made.config_issue is None
