"""How a session stands, in words."""

from __future__ import annotations

from carapace.agent.tools.sessions import status_text
from carapace.ids import AgentId, SessionKey
from carapace.sessions.types import SessionEntry


def test_the_status_names_model_context_and_cost():
    entry = SessionEntry(
        SessionKey("agent:main:main"),
        "s",
        AgentId("main"),
        0,
        0,
        model_provider="fake",
        model="fake-1",
        total_tokens=50,
        context_tokens=100,
    )
    text = status_text(entry, now_ms=3_000)
    assert "fake/fake-1" in text
    assert "50 tokens of 100 (50%)" in text
    assert "3 s ago" in text
    assert "nothing has been said" in status_text(None, now_ms=0)
