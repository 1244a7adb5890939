"""An id is resolved first and judged then."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey
from carapace.sessions.keys import canonical
from carapace.triggers.hook_access import Denied, HookAccess

MAIN, WORK = AgentId("main"), AgentId("work")


class TwoAgents:
    """As `Profiles` with `main` and `work`."""

    default_id = MAIN

    def knows(self, agent_id: str) -> bool:
        return agent_id.lower() in ("main", "work")


def to_key(text: str) -> SessionKey:
    return canonical(text)


def agent(access: HookAccess, wanted: Any, *, is_configured: bool = False) -> AgentId:
    return access.agent(wanted, TwoAgents(), is_configured=is_configured)


def session(access: HookAccess, wanted: str, agent_id: AgentId = MAIN, *, is_chosen: bool = True):
    return access.session(wanted, agent_id, is_chosen=is_chosen, to_key=to_key)


@pytest.mark.parametrize("wanted", [None, "", "  ", "main", "MAIN", " Main "])
def test_without_a_list_requests_reach_the_default_agent(wanted: Any):
    assert agent(HookAccess(), wanted) == "main"


@pytest.mark.parametrize("wanted", ["work", "Work", "nobody", "main/../work"])
def test_without_a_list_requests_reach_nobody_else(wanted: str):
    with pytest.raises(Denied):
        agent(HookAccess(), wanted)


def test_without_a_list_the_configuration_reaches_every_agent():
    assert agent(HookAccess(), "Work", is_configured=True) == "work"
    with pytest.raises(Denied):
        agent(HookAccess(), "nobody", is_configured=True)


@pytest.mark.parametrize(
    ("allowed", "wanted", "found"),
    [
        (("work",), "WORK", "work"),
        ((" Work ",), "work", "work"),
        (("*",), "work", "work"),
        (("*",), None, "main"),
        (("work",), None, None),
        (("work",), "", None),
        (("work",), " ", None),
        (("work",), "main", None),
        ((), None, None),
        ((), "work", None),
        (("",), "", None),
        (("*",), "nobody", None),
    ],
)
def test_a_list_counts_for_everybody(allowed: tuple[str, ...], wanted: Any, found: str | None):
    access = HookAccess(allowed_agents=allowed)
    for is_configured in (False, True):
        if found is None:
            with pytest.raises(Denied):
                agent(access, wanted, is_configured=is_configured)
        else:
            assert agent(access, wanted, is_configured=is_configured) == found


@pytest.mark.parametrize("wanted", [1, True, ["main"], {"id": "main"}])
def test_an_agent_id_is_a_text(wanted: Any):
    with pytest.raises(Refused, match="must be a text"):
        agent(HookAccess(), wanted)


OPEN = HookAccess(may_choose_session=True, prefixes=("hook:", "Mail-"))


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        ("hook:a", "agent:main:hook:a"),
        ("HOOK:A", "agent:main:hook:a"),
        (" mail-1 ", "agent:main:mail-1"),
        ("agent:main:hook:a", "agent:main:hook:a"),
        ("Agent:Main:Hook:a", "agent:main:hook:a"),
    ],
)
def test_a_request_may_choose_within_the_prefixes(wanted: str, key: str):
    assert session(OPEN, wanted) == key


@pytest.mark.parametrize(
    "wanted",
    [
        "main",
        "global",
        "unknown",
        "agent:main:main",
        "agent:work:hook:a",
        "agent:main:xhook:a",
        "xhook:a",
        "hook",
        "dm:hook:a",
    ],
)
def test_a_request_may_choose_nothing_else(wanted: str):
    with pytest.raises(Denied):
        session(OPEN, wanted)


@pytest.mark.parametrize(
    "access",
    [
        HookAccess(),
        HookAccess(prefixes=("hook:",)),
        HookAccess(may_choose_session=True),
        HookAccess(may_choose_session=True, prefixes=("", "  ")),
    ],
)
def test_both_consent_and_prefix_are_needed(access: HookAccess):
    with pytest.raises(Denied):
        session(access, "hook:a")


def test_what_is_no_key_is_refused():
    with pytest.raises(Refused, match="invalid session key"):
        session(OPEN, "hook:\x00")


def test_the_configuration_chooses_freely_among_the_agents_sessions():
    assert session(HookAccess(), "main", is_chosen=False) == "agent:main:main"
    assert session(HookAccess(), "team", WORK, is_chosen=False) == "agent:work:team"
    with pytest.raises(Denied):
        session(HookAccess(), "agent:main:team", WORK, is_chosen=False)


def test_where_all_share_one_session_the_configuration_may_name_it():
    def shared(text: str) -> SessionKey:
        return canonical(text, one_for_all=True)

    key = HookAccess().session("main", MAIN, is_chosen=False, to_key=shared)
    assert key == "global"
    with pytest.raises(Denied):
        OPEN.session("main", MAIN, is_chosen=True, to_key=shared)
