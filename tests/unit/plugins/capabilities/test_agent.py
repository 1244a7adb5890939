"""A plugin's turn has an outsider's authority and the plugin's own keys."""

from __future__ import annotations

import pytest

from carapace.plugins.capabilities.agent import AgentCapability, provenance_of
from carapace.provenance import Authority, Origin
from support.capabilities import RecordingAgent, code_of


async def test_a_turn_is_started_once():
    agent = RecordingAgent()
    call = AgentCapability("demo", agent).call
    run = await call("start", ["main", "hello", "k1"])
    assert run == await call("start", ["main", "hello", "k1"]) == "run of plugin:demo:k1"
    await AgentCapability("other", agent).call("start", ["main", "hi", "k1"])
    assert [turn[:2] for turn in agent.turns.values()] == [("main", "hello"), ("main", "hi")]


async def test_its_words_are_an_outsiders():
    agent = RecordingAgent()
    await AgentCapability("demo", agent).call("start", ["main", "hello", "k"])
    provenance = agent.turns["plugin:demo:k"][2]
    assert provenance == provenance_of("demo")
    assert provenance.authority is Authority.OUTSIDE
    assert provenance.origin is Origin.OUTSIDE
    assert provenance.sender_id == "plugin:demo"


@pytest.mark.parametrize("arguments", [["", "x", "k"], ["main", "", "k"], ["main", "x", ""]])
async def test_nothing_is_started_without_words(arguments):
    agent = RecordingAgent()
    call = AgentCapability("demo", agent).call("start", arguments)
    assert await code_of(call) == "invalid-argument"
