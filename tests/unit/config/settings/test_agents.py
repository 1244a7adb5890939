from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.agents import AgentsSettings


def test_defaults_are_those_of_the_node_gateway():
    defaults = AgentsSettings().defaults
    assert (defaults.max_concurrent, defaults.timeout_seconds) == (4, 600)
    assert defaults.model.primary is None
    assert defaults.subagents.archive_after_minutes == 60


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "a" * 65])
def test_an_agent_id_fits_into_a_session_key(name):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"list": [{"id": name}]}, AgentsSettings)


def test_an_agent_may_have_its_own_models_and_caps():
    tree = {"list": [{"id": "a", "model": {"fallbacks": ["x/y"]}, "budget": {"dailyUsd": 1}}]}
    agent = msgspec.convert(tree, AgentsSettings).list[0]
    assert agent.model is not None
    assert agent.budget is not None
    assert (agent.model.fallbacks, agent.budget.daily_usd) == (("x/y",), 1)
