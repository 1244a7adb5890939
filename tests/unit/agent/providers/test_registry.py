"""Models are found, chosen and replaced as settings, environment and neighbours say."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import msgspec
import pytest

from carapace.agent.pricing import Price
from carapace.agent.providers.ports import EmbedRequest, ModelEvent, ModelRequest, Stop
from carapace.agent.providers.registry import ProviderRegistry
from carapace.agent.providers.spec import ProviderSpec
from carapace.config.settings.agents import AgentsSettings
from carapace.config.settings.models import EmbeddedSettings, ModelsSettings
from carapace.errors import Refused
from carapace.ids import AgentId
from support.clock import FakeClock
from support.fake_llm import FakeLlm, fake_llm
from support.providers import collect, plain_client, request, text_of

MAIN = AgentId("main")


class Embedded:
    def __init__(self, settings: EmbeddedSettings) -> None:
        self.settings = settings
        self.is_closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield Stop("stop")

    async def aclose(self) -> None:
        self.is_closed = True


def models(url: str = "http://127.0.0.1:1", **more: Any) -> ModelsSettings:
    rows = [
        {"id": "fake-1", "name": "Fake One", "contextWindow": 128000, "cost": {"input": 1}},
        {"id": "claude", "api": "anthropic-messages", "reasoning": True},
        {"id": "gem", "api": "google-generative-ai", "input": ["text", "image"]},
    ]
    fake = {"baseUrl": f"{url}/v1", "apiKey": "fake-key-12", "models": rows}
    return msgspec.convert({"providers": {"fake": fake}, **more}, ModelsSettings)


def agents(**tree: Any) -> AgentsSettings:
    return msgspec.convert(tree, AgentsSettings)


def registry(
    settings: ModelsSettings | None = None,
    who: AgentsSettings | None = None,
    env: dict[str, str] | None = None,
    **more: Any,
) -> ProviderRegistry:
    return ProviderRegistry(
        models=settings or ModelsSettings(),
        agents=who or AgentsSettings(),
        env=env or {},
        http_client=plain_client,
        clock=FakeClock(),
        **more,
    )


def refs(found: ProviderRegistry, ref: str | None = None, agent: str = "main") -> list[str]:
    return [target.ref for target in found.resolve(ref, AgentId(agent))]


def test_the_choice_goes_message_agent_defaults_and_then_what_is_there() -> None:
    who = agents(
        defaults={"model": {"primary": "fake/fake-1", "fallbacks": ["embedded/starter", "no/no"]}},
        list=[{"id": "Work", "model": {"primary": "fake/claude"}}, {"id": "plain"}],
    )
    found = registry(models(), who, embedded=Embedded)
    assert refs(found) == ["fake/fake-1", "embedded/starter"]
    assert refs(found, "fake/other") == ["fake/other", "embedded/starter"]
    assert refs(found, agent="work") == ["fake/claude"]
    assert refs(found, agent="plain") == ["fake/fake-1", "embedded/starter"]
    assert refs(found, "embedded/starter") == ["embedded/starter"]


def test_without_a_choice_configured_goes_before_found_before_embedded() -> None:
    env = {"ANTHROPIC_API_KEY": "sk-env-1234"}
    assert refs(registry(models(), env=env, embedded=Embedded)) == ["fake/fake-1"]
    assert refs(registry(env=env, embedded=Embedded)) == ["anthropic/claude-opus-4-5"]
    assert refs(registry(embedded=Embedded)) == ["embedded/starter"]


def test_with_nothing_at_all_the_next_step_is_told() -> None:
    found = registry()
    with pytest.raises(Refused, match="cara model pull"):
        found.resolve(None, MAIN)
    assert "no language model" in (found.check() or "")
    assert registry(models()).check() is None


def test_an_unknown_model_names_what_is_known() -> None:
    found = registry(models())
    with pytest.raises(Refused, match=r'"nope/x" is not known.*: fake\..*providers\.nope\.apiKey'):
        found.resolve("nope/x", MAIN)
    assert not found.knows("nope/x")
    assert found.knows("fake/anything")
    assert found.knows("fake-1")
    assert refs(found, "fake-1") == ["fake/fake-1"]


def test_a_format_nobody_speaks_is_said_so() -> None:
    settings = msgspec.convert(
        {"providers": {"aws": {"api": "bedrock-converse-stream"}}}, ModelsSettings
    )
    with pytest.raises(Refused, match='its api "bedrock-converse-stream" is not spoken here'):
        registry(settings).resolve("aws/x", MAIN)


def test_a_target_carries_what_is_known() -> None:
    found = registry(models(), agents(defaults={"contextTokens": 1000}), embedded=Embedded)
    [target] = found.resolve("fake/fake-1", MAIN)
    assert (target.context_tokens, target.pricing) == (1000, Price(input=1.0))
    assert not target.is_embedded
    [small] = found.resolve("embedded/starter", MAIN)
    assert small.is_embedded
    assert found.resolve("fake/gem", MAIN)[0].takes_images
    [again] = found.resolve("fake/fake-1", MAIN)
    assert again.cooling is target.cooling
    assert again.provider is target.provider


def test_the_catalogue_is_sorted_and_has_all_sources() -> None:
    rows = registry(models(), embedded=Embedded).catalogue()
    assert [(row.provider, row.id) for row in rows] == [
        ("embedded", "starter"),
        ("fake", "fake-1"),
        ("fake", "claude"),
        ("fake", "gem"),
    ]
    assert rows[1].context_window == 128_000
    assert rows[3].input == ("text", "image")


def test_keys_are_made_known_as_secrets() -> None:
    told: list[str] = []
    registry(models(), add_secret=told.append)
    assert told == ["fake-key-12"]


async def test_each_model_speaks_its_own_format() -> None:
    async with fake_llm() as server:
        found = registry(models(server.url))
        for name in ("fake-1", "claude", "gem"):
            [target] = found.resolve(f"fake/{name}", MAIN)
            asked = request("[[say:hi]]", model=target.model_id)
            assert text_of(await collect(target.provider, asked)) == "hi"
        assert [row["path"].rpartition("/")[2] for row in server.requests] == [
            "completions",
            "messages",
            "gem:streamGenerateContent",
        ]
        await found.aclose()


async def test_new_settings_keep_what_did_not_change() -> None:
    made: list[httpx2.AsyncClient] = []

    def client(spec: ProviderSpec) -> httpx2.AsyncClient:
        made.append(plain_client(spec))
        return made[-1]

    async with fake_llm() as server:
        found = ProviderRegistry(
            models=models(server.url),
            agents=AgentsSettings(),
            env={},
            http_client=client,
            clock=FakeClock(),
            embedded=Embedded,
        )
        [before] = found.resolve("fake/fake-1", MAIN)
        [small] = found.resolve("embedded/starter", MAIN)
        events = before.provider.stream(request("[[say:one two]][[gap:20]]"))
        await anext(events)
        found.apply(models(server.url), AgentsSettings())
        assert found.resolve("fake/fake-1", MAIN)[0].provider is before.provider
        changed = models(server.url, embedded={"model": "small"})
        found.apply(changed, AgentsSettings())
        assert found.resolve("embedded/small", MAIN)[0].provider is not small.provider
        found.apply(ModelsSettings(), AgentsSettings())
        assert not found.knows("fake/fake-1")
        rest = [event async for event in events]
        assert rest[-1] == Stop("stop"), "a running answer is finished by the old provider"
        assert made[0].is_closed
        await found.aclose()


async def test_ollama_is_found_by_asking_and_forgotten_when_it_goes(server: FakeLlm) -> None:
    found = registry(env={"OLLAMA_HOST": server.url}, embedded=Embedded)
    await found.refresh()
    assert refs(found) == ["ollama/fake-1"]
    server.models = ()
    await found.refresh()
    assert refs(found) == ["embedded/starter"]
    await found.aclose()


async def test_ollama_is_not_asked_for_where_settings_say_so(server: FakeLlm) -> None:
    env = {"OLLAMA_HOST": server.url}
    alone = registry(models(mode="replace"), env=env)
    await alone.refresh()
    assert not alone.knows("ollama/fake-1")
    named = msgspec.convert({"providers": {"ollama": {}}}, ModelsSettings)
    configured = registry(named, env=env)
    await configured.refresh()
    assert configured.knows("ollama/anything")


async def test_a_key_that_comes_with_new_variables_brings_its_provider() -> None:
    found = registry()
    assert not found.knows("openai/gpt-5")
    found.apply(models(), AgentsSettings(), {"OPENAI_API_KEY": "sk-from-the-file"})
    assert any(row.provider == "openai" for row in found.catalogue())
    found.apply(models(), AgentsSettings())
    assert any(row.provider == "openai" for row in found.catalogue())
    await found.aclose()


@pytest.fixture
async def server() -> AsyncGenerator[FakeLlm]:
    async with fake_llm() as running:
        yield running


async def test_a_provider_makes_vectors_with_any_model_of_its_own(server: FakeLlm) -> None:
    found = registry(models(server.url))
    embeds = found.embeds("fake/embed-9")
    assert embeds is not None
    source, model = embeds
    assert len((await source.embed(EmbedRequest(model.id, ("a",)))).vectors) == 1
    assert server.requests[-1]["body"]["model"] == "embed-9"
    assert found.embeds("nobody/embed-9") is None
    assert found.embeds("fake") is None
    await found.aclose()
