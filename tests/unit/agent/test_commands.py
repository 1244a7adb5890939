"""What typed commands change and answer."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.commands import ChatCommands
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.channels.commands import parse_command
from carapace.ids import AgentId
from carapace.protocol.models import ModelInfo
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions.types import ModelRef, Route, SessionPolicy
from support.agent_house import AgentHouse, agent_house, ask
from support.clock import FakeClock

MODELS = [
    ModelInfo(id="fake-1", name="One", provider="fake"),
    ModelInfo(id="fake-2", name="Two", provider="fake"),
]
ANNA = Provenance(
    origin=Origin.CHANNEL,
    authority=Authority.PAIRED,
    channel="matrix",
    account="default",
    sender_id="@anna",
    conversation="!room",
)


def known(ref: str, agent_id: AgentId) -> None:
    if ref.partition("/")[0] != "fake":
        raise ProviderError(ProviderFault.BAD_REQUEST, f"no model {ref} for {agent_id}")


async def typed(house: AgentHouse, text: str, models: Any = MODELS, **more: Any) -> str:
    commands = ChatCommands(
        house.sessions,
        house.profiles,
        catalogue=lambda: models,
        knows_model=known,
        clock=FakeClock(),
        waiting=lambda _asked: (0, 0),
    )
    command = parse_command(text)
    assert command is not None
    return await commands.answer(ask(text, **more), command)


@pytest.mark.parametrize(
    ("text", "answer", "field", "value"),
    [
        ("/think high", "Thinking: high", "thinking_level", "high"),
        ("/think max", "Thinking: high", "thinking_level", "high"),
        ("/verbose FULL", "Verbose: full", "verbose_level", "full"),
        ("/reasoning on", "Reasoning: on", "reasoning_level", "on"),
        ("/usage tokens", "Usage line: tokens", "response_usage", "tokens"),
        ("/activation always", "Answers in the group: always", "group_activation", "always"),
        ("/send off", "Sending: off", "send_policy", "deny"),
        ("/send on", "Sending: on", "send_policy", "allow"),
        ("/model fake/fake-2", "Model: fake/fake-2 (set", "model_override", "fake-2"),
        ("/model FAKE-2", "Model: fake/fake-2 (set", "model_override", "fake-2"),
    ],
)
async def test_a_setting_is_changed_and_told(text: str, answer: str, field: str, value: str):
    async with agent_house() as house:
        assert (await typed(house, text)).startswith(answer)
        entry = await house.sessions.get("main")
    assert getattr(entry, field) == value


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/think", "Thinking: off (the default)"),
        ("/verbose", "Verbose: off (the default)"),
        ("/reasoning", "Reasoning: off (the default)"),
        ("/activation", "as the channel's settings say"),
        ("/send", "Sending: inherit"),
        ("/model", "none is configured"),
    ],
)
async def test_alone_it_tells_how_things_are_and_makes_no_session(text: str, answer: str):
    async with agent_house() as house:
        assert answer in await typed(house, text)
        assert await house.sessions.get("main") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/think hardest", "Use /think off|minimal"),
        ("/verbose loud", "Use /verbose on|off|full|default"),
        ("/send maybe", "Use /send on|off|inherit"),
        ("/model other/thing", "no model other/thing"),
    ],
)
async def test_a_word_that_makes_no_sense_changes_nothing(text: str, answer: str):
    async with agent_house() as house:
        assert answer in await typed(house, text)
        assert await house.sessions.get("main") is None


async def test_defaults_come_back():
    async with agent_house() as house:
        for text in ("/think high", "/send off", "/model fake/fake-2"):
            await typed(house, text)
        for text in ("/think default", "/send inherit", "/model default"):
            await typed(house, text)
        entry = await house.sessions.get("main")
    assert entry is not None
    assert (entry.thinking_level, entry.send_policy, entry.model_override) == (None, None, None)


async def test_the_models_are_listed_with_the_one_that_answers():
    async with agent_house() as house:
        house.sessions._policy = lambda: SessionPolicy(model=ModelRef("fake", "fake-1"))
        assert await typed(house, "/model list") == "* fake/fake-1 (now)\n- fake/fake-2"
        await typed(house, "/model fake/fake-2")
        assert "* fake/fake-2 (now)" in await typed(house, "/model list")
        assert await typed(house, "/model list", models=()) == "No model is configured."
        many = [ModelInfo(id=f"m{n}", name="x", provider="p") for n in range(70)]
        assert (await typed(house, "/model list", models=many)).endswith("... and 10 more")


async def test_status_names_what_is_set_here():
    async with agent_house() as house:
        assert "nothing has been said" in await typed(house, "/status")
        for text in ("/verbose on", "/send off", "/model fake/fake-2"):
            await typed(house, text)
        answer = await typed(house, "/status")
    assert "Set here: Verbose on, Sending off, Model set to fake/fake-2" in answer


async def test_help_names_what_the_reader_may():
    async with agent_house() as house:
        owner = await typed(house, "/help")
        guest = await typed(house, "/help", provenance=ANNA)
    assert "/think off|minimal" in owner
    assert "/approve" not in owner
    assert "/new" in guest
    assert "/think" not in guest


async def test_whoami_tells_person_and_standing():
    async with agent_house() as house:
        owner = await typed(house, "/whoami", route=Route(display_name="golden"))
        guest = await typed(house, "/id", provenance=ANNA)
    assert "You: golden" in owner
    assert "you own this gateway" in owner
    assert "You: @anna on matrix (account default)" in guest
    assert "you were let in" in guest
