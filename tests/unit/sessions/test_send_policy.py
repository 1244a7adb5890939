"""Which conversations may send."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.config.settings.session import SendMatch, SendPolicySettings, SendRule
from carapace.ids import AgentId, SessionKey
from carapace.sessions.send_policy import BLOCKED_TEXT, SendBlocked, is_denied, require
from carapace.sessions.types import SessionEntry


def entry(key: str = "agent:main:main", **more: Any) -> SessionEntry:
    return SessionEntry(SessionKey(key), "s1", AgentId("main"), 0, 0, **more)


def denying(**match: Any) -> SendPolicySettings:
    return SendPolicySettings(rules=(SendRule(action="deny", match=SendMatch(**match)),))


def test_without_rules_the_default_counts():
    assert not is_denied(entry(), SendPolicySettings())
    assert is_denied(entry(), SendPolicySettings(default="deny"))


def test_the_sessions_own_word_wins():
    assert is_denied(entry(send_policy="deny"), SendPolicySettings())
    assert not is_denied(entry(send_policy="allow"), SendPolicySettings(default="deny"))


@pytest.mark.parametrize(
    ("session", "match", "expected"),
    [
        (entry(last_channel="matrix"), {"channel": "Matrix"}, True),
        (entry(last_channel="webchat"), {"channel": "matrix"}, False),
        (entry("agent:main:matrix:group:room"), {"channel": "matrix"}, True),
        (entry("agent:main:matrix:dm:anna"), {"channel": "matrix"}, True),
        (entry("agent:main:side"), {"channel": "side"}, False),
        (entry("agent:main:matrix:group:room"), {"chat_type": "group"}, True),
        (entry("agent:main:matrix:channel:room"), {"chat_type": "channel"}, True),
        (entry(chat_type="direct"), {"chat_type": "direct"}, True),
        (entry(), {"chat_type": "group"}, False),
        (entry("agent:main:cron:x"), {"key_prefix": "cron:"}, True),
        (entry("agent:main:cron:x"), {"key_prefix": "agent:main:cron"}, True),
        (entry("agent:main:cron:x"), {"key_prefix": "hook:"}, False),
        (entry(), {}, True),
        (entry(last_channel="matrix"), {"channel": "matrix", "key_prefix": "x"}, False),
    ],
)
def test_a_rule_is_about_what_it_names(
    session: SessionEntry, match: dict[str, Any], expected: bool
):
    assert is_denied(session, denying(**match)) is expected


def test_of_the_rules_that_match_one_that_denies_wins():
    allow = SendRule(action="allow", match=SendMatch(channel="matrix"))
    deny = SendRule(action="deny", match=SendMatch(chat_type="group"))
    policy = SendPolicySettings(default="deny", rules=(allow, deny))
    assert not is_denied(entry(last_channel="matrix"), policy)
    assert is_denied(entry(last_channel="matrix", chat_type="group"), policy)
    assert is_denied(entry(last_channel="other"), policy)


def test_a_refusal_says_what_stock_clients_know():
    require(entry(), SendPolicySettings())
    with pytest.raises(SendBlocked, match=BLOCKED_TEXT):
        require(entry(send_policy="deny"), SendPolicySettings())
