"""Session keys: one stored form, whatever a client wrote."""

from __future__ import annotations

import pytest

from carapace.errors import Refused
from carapace.sessions.keys import (
    SessionKind,
    agent_of,
    canonical,
    is_subagent,
    kind_of,
    main_session,
    rest_of,
)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("main", "agent:main:main"),
        (" Main ", "agent:main:main"),
        ("agent:main:main", "agent:main:main"),
        ("agent:Work:MAIN", "agent:work:main"),
        ("Golden-Tool", "agent:main:golden-tool"),
        ("telegram:group:-100", "agent:main:telegram:group:-100"),
        ("agent:main:openai:3F2B", "agent:main:openai:3f2b"),
        ("global", "global"),
        ("Unknown", "unknown"),
    ],
)
def test_aliases_and_case(written: str, stored: str):
    assert canonical(written) == stored


@pytest.mark.parametrize("written", ["main", "home", "agent:main:main", "agent:main:home"])
def test_the_configured_main_key_is_an_alias_too(written: str):
    assert canonical(written, main_key="Home") == "agent:main:home"


def test_a_bare_key_is_the_default_agents():
    assert canonical("x", agent_id="Work") == "agent:work:x"
    assert canonical("main", agent_id="work") == "agent:work:main"


def test_with_one_session_for_all_every_main_session_is_the_global_one():
    assert canonical("main", one_for_all=True) == "global"
    assert canonical("agent:work:main", one_for_all=True) == "global"
    assert canonical("agent:work:other", one_for_all=True) == "agent:work:other"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "key required"),
        ("  ", "key required"),
        ("x" * 513, "longer than 512"),
        ("x" * 505, "longer than 512"),  # only with its prefix
        ("a\nb", "control characters"),
        ("a\x00b", "control characters"),
        ("a\u2028b", "control characters"),
        ("a\ud800b", "control characters"),
        ("agent:main", "agent:<id>:<rest>"),
        ("agent::x", "agent:<id>:<rest>"),
        ("agent:main:", "agent:<id>:<rest>"),
        ("agent:../etc:x", "agent:<id>:<rest>"),
    ],
)
def test_what_is_no_key_is_refused(written: str, why: str):
    with pytest.raises(Refused, match=why):
        canonical(written)


def test_what_a_key_tells():
    assert agent_of("agent:work:x") == "work"
    assert agent_of("global", default="work") == "work"
    assert rest_of("agent:work:a:b") == "a:b"
    assert rest_of("global") == "global"
    assert main_session("work", "home") == "agent:work:home"
    assert is_subagent("agent:main:subagent:1")
    assert not is_subagent("agent:main:main")


@pytest.mark.parametrize(
    ("key", "chat_type", "kind"),
    [
        ("global", None, SessionKind.GLOBAL),
        ("unknown", "group", SessionKind.UNKNOWN),
        ("agent:main:x", "group", SessionKind.GROUP),
        ("agent:main:x", "channel", SessionKind.GROUP),
        ("agent:main:discord:channel:9", None, SessionKind.GROUP),
        ("agent:main:telegram:group:9", None, SessionKind.GROUP),
        ("agent:main:main", "direct", SessionKind.DIRECT),
    ],
)
def test_kinds(key: str, chat_type: str | None, kind: SessionKind):
    assert kind_of(key, chat_type) is kind
