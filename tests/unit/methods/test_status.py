from __future__ import annotations

from pathlib import Path

from carapace.ids import AgentId, SessionKey
from carapace.methods.status import row_of
from carapace.sessions.types import SessionEntry
from support.methods import desk

ENTRY = SessionEntry(
    key=SessionKey("agent:main:main"),
    session_id="s-1",
    agent_id=AgentId("main"),
    created_at_ms=1,
    updated_at_ms=1_000,
    thinking_level="low",
    verbose_level="on",
    system_sent=True,
    aborted_last_run=True,
    total_tokens=50,
    model="fake-1",
)


def test_a_row_says_how_full_the_context_is() -> None:
    row = row_of(ENTRY, 3_000, "default", 200)
    assert (row["age"], row["remainingTokens"], row["percentUsed"]) == (2_000, 150, 25)
    assert row["flags"] == ["think:low", "verbose:on", "system", "aborted", "id:s-1"]


def test_a_row_without_tokens_does_not_guess() -> None:
    bare = SessionEntry(ENTRY.key, "s", ENTRY.agent_id, 1, 5_000)
    row = row_of(bare, 1_000, "default", None)
    assert (row["age"], row["remainingTokens"], row["percentUsed"]) == (0, None, None)
    assert row["model"] == "default"
    assert "thinkingLevel" not in row


async def test_the_report_names_sessions_models_and_a_broken_file(tmp_path: Path) -> None:
    async with desk(tmp_path, config_text="{ gateway: ") as at:
        await at.services.sessions.ensure("main")
        found = await at.ask("status")
        assert found["sessions"]["defaults"] == {"model": "fake-1", "contextTokens": 128_000}
        assert [row["key"] for row in found["sessions"]["recent"]] == ["agent:main:main"]
        assert found["sessions"]["byAgent"][0]["count"] == 1
        assert "broken" in found["configIssue"]
