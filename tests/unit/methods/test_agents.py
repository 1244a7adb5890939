"""Who the assistants are."""

from __future__ import annotations

from carapace.config.settings.agents import AgentDefaults, AgentEntry, AgentsSettings
from support.methods import method_house

TWO = AgentsSettings(
    defaults=AgentDefaults(skip_bootstrap=True),
    list=(AgentEntry(id="home", default=True, name="Home"), AgentEntry(id="work", name="Work")),
)


async def test_agents_are_listed_with_the_default_first():
    async with method_house(settings=TWO) as house:
        page = await house.call("agents.list")
    assert (page["defaultId"], page["mainKey"], page["scope"]) == ("home", "main", "per-sender")
    assert [row["id"] for row in page["agents"]] == ["home", "work"]


async def test_an_identity_is_that_of_the_agent_the_session_or_the_default():
    async with method_house(settings=TWO) as house:
        named = await house.call("agent.identity.get", {"agentId": "work"})
        owned = await house.call("agent.identity.get", {"sessionKey": "agent:work:main"})
        default = await house.call("agent.identity.get")
    assert named["agentId"] == owned["agentId"] == "work"
    assert default["agentId"] == "home"
    assert named["name"]
    assert named["avatar"]
