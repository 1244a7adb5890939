"""What sessions and tools take from the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carapace.agent.profiles import Profiles
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.app.policy import SessionPolicies, tool_policy
from carapace.config.settings import Settings, ToolsSettings
from carapace.config.settings.agents import AgentDefaults, AgentsSettings
from carapace.config.settings.session import SessionSettings
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


def test_an_empty_allow_list_allows_what_the_risk_table_allows():
    assert tool_policy(ToolsSettings()).allow is None
    some = tool_policy(ToolsSettings(allow=("a",), deny=("b",)))
    assert (some.allow, some.deny) == (frozenset({"a"}), frozenset({"b"}))
