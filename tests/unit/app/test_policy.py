"""What sessions and tools take from the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from carapace.agent.profiles import Profiles
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.tools.policy import ToolScope
from carapace.app.policy import SessionPolicies, tool_layers
from carapace.config.settings import Settings, ToolsSettings
from carapace.config.settings.agent_exec import AgentExec
from carapace.config.settings.agents import AgentDefaults, AgentEntry, AgentsSettings
from carapace.config.settings.channels import (
    ChannelsSettings,
    GroupSettings,
    WebhookAccount,
    WebhookSettings,
)
from carapace.config.settings.session import SessionSettings
from carapace.config.settings.tool_lists import AgentTools, ProviderTools, SubagentTools, ToolList
from carapace.config.settings.web_tools import WebFetch, WebSearch, WebTools
from carapace.sessions.types import ModelRef


class Target:
    provider_name, model_id, context_tokens = "fake", "fake-1", 1000


class Models:
    """Resolves to one target, or fails as the registry does without any model."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    def resolve(self, model_ref: str | None, agent_id: str) -> Any:
        assert (model_ref, agent_id) == (None, "main")
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [Target()]


def policies(tmp_path: Path, settings: Settings, models: Any) -> SessionPolicies:
    return SessionPolicies(lambda: settings, Profiles(settings.agents, state_dir=tmp_path), models)


def test_a_policy_holds_what_sessions_need(tmp_path: Path):
    settings = Settings(
        session=SessionSettings(main_key="home", scope="global"),
        agents=AgentsSettings(defaults=AgentDefaults(thinking_default="low")),
    )
    policy = policies(tmp_path, settings, Models())()
    assert (policy.main_key, policy.one_for_all, policy.thinking_level) == ("home", True, "low")
    assert (policy.model, policy.context_tokens) == (ModelRef("fake", "fake-1"), 1000)


def test_it_is_made_once_until_something_changed(tmp_path: Path):
    models = Models()
    made = policies(tmp_path, Settings(), models)
    assert made() is made()
    assert models.asked == 1
    made.forget()
    made()
    assert models.asked == 2


def test_without_any_model_sessions_still_work(tmp_path: Path):
    models = Models()
    models.error = ProviderError(ProviderFault.AUTH, "no model")
    policy = policies(tmp_path, Settings(), models)()
    assert (policy.model, policy.context_tokens, policy.thinking_level) == (None, None, "off")


def test_without_lists_all_tools_are_there():
    layers = tool_layers(Settings())
    assert layers.permits("exec", ToolScope(agent_id="main"))
    assert not layers.permits("cron", ToolScope(agent_id="main", is_subagent=True))


def test_every_list_of_the_configuration_takes_away():
    settings = Settings(
        tools=ToolsSettings(
            profile="coding",
            deny=("exec",),
            by_channel={"Webhook": ToolList(deny=("write",))},
            subagents=SubagentTools(tools=ToolList(deny=("edit",))),
        ),
        agents=AgentsSettings(
            list=(
                AgentEntry(id="main"),
                AgentEntry(id="Full", tools=AgentTools(profile="full", deny=("edit",))),
                AgentEntry(id="plain", tools=AgentTools(allow=("read", "message"))),
            )
        ),
    )
    layers = tool_layers(settings)
    names = ("read", "write", "edit", "exec", "message")

    def left(**scope: Any) -> set[str]:
        return {name for name in names if layers.permits(name, ToolScope(**scope))}

    assert left(agent_id="main") == {"read", "write", "edit"}
    assert left(agent_id="main", channel="webhook") == {"read", "edit"}
    assert left(agent_id="main", is_subagent=True) == {"read", "write"}
    assert left(agent_id="full") == {"read", "write", "message"}
    assert left(agent_id="plain") == {"read"}


def test_a_group_of_a_channel_or_of_an_account_has_its_list():
    def groups(*names: str) -> dict[str, GroupSettings]:
        return {"Team": GroupSettings(tools=ToolList(allow=names)), "free": GroupSettings()}

    settings = Settings(
        channels=ChannelsSettings(
            webhook=WebhookSettings(
                groups=groups("read"),
                accounts={"work": WebhookAccount(groups=groups("write"))},
            )
        )
    )
    layers = tool_layers(settings)
    team = ToolScope(agent_id="main", channel="webhook", account="default", group="team")
    assert layers.permits("read", team)
    assert not layers.permits("write", team)
    assert layers.permits("write", replace(team, account="work"))
    assert layers.permits("exec", replace(team, group="free"))


def test_a_tool_that_is_switched_off_is_not_there():
    off = WebTools(fetch=WebFetch(enabled=False), search=WebSearch(enabled=False))
    layers = tool_layers(Settings(tools=ToolsSettings(web=off)))
    main = ToolScope(agent_id="main")
    assert [layers.permits(name, main) for name in ("web_fetch", "web_search", "read")] == [
        False,
        False,
        True,
    ]


def test_a_slip_is_told_with_its_key():
    settings = Settings(
        tools=ToolsSettings(deny=("exce",)),
        agents=AgentsSettings(list=(AgentEntry(id="main", tools=AgentTools(allow=("raed",))),)),
    )
    assert list(tool_layers(settings).unknown({"read"})) == [
        ("tools", "exce"),
        ("agents.list[main].tools", "raed"),
    ]


def test_lists_by_provider_are_layers_for_all_agents_and_for_one():
    wide = {"OpenAI": ProviderTools(profile="minimal"), "acme/m": ProviderTools(deny=("exec",))}
    mine = AgentTools(by_provider={"acme": ProviderTools(allow=("read", "exec"))})
    settings = Settings(
        tools=ToolsSettings(by_provider=wide),
        agents=AgentsSettings(list=(AgentEntry(id="main", tools=mine),)),
    )
    layers = tool_layers(settings)

    def has(name: str, model: str, agent: str = "main") -> bool:
        return layers.permits(name, ToolScope(agent_id=agent, models=(model,)))

    assert [has(name, "openai/x") for name in ("session_status", "read")] == [True, False]
    assert [has(name, "acme/m") for name in ("read", "exec", "image")] == [True, False, False]
    assert [has(name, "acme/n") for name in ("read", "exec", "image")] == [True, True, False]
    assert has("image", "acme/m", agent="other")


def test_an_agent_whose_commands_are_denied_is_offered_none():
    mine = AgentTools(exec=AgentExec(security="deny"))
    layers = tool_layers(Settings(agents=AgentsSettings(list=(AgentEntry(id="a", tools=mine),))))
    for name in ("exec", "process"):
        assert not layers.permits(name, ToolScope(agent_id="a"))
        assert layers.permits(name, ToolScope(agent_id="main"))
    assert layers.permits("read", ToolScope(agent_id="a"))
