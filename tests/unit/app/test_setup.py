"""What the setup finds and writes, on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.agent.onboarding.types import SERVER, SetupPlan
from carapace.agent.providers.discovery import kept_key_name
from carapace.app.provider_keys import ProviderKeys
from carapace.app.setup import HouseSetup
from carapace.channels.types import ChannelInfo
from carapace.config.load import Overrides
from carapace.config.paths import Paths
from carapace.config.service import ConfigService
from carapace.errors import Refused
from support.auth import MemoryVault


class House:
    def __init__(self, folder: Path, text: str | None = None, **environment: str) -> None:
        self.path = folder / "state" / "carapace.json"
        self.path.parent.mkdir()
        if text is not None:
            self.path.write_text(text)
        self.vault = MemoryVault()
        self.keys = ProviderKeys(self.vault)
        self.applied: list[dict[str, str]] = []
        self.config = ConfigService(Paths(self.path, self.path.parent), Overrides(environment))
        self.setup = HouseSetup(
            self.config,
            self.keys,
            environment=environment,
            channels=lambda: tuple(ChannelInfo(id=one, label=one) for one in ("webchat", "zalo")),
            on_key=lambda: self.applied.append(dict(self.keys.variables)),
        )

    async def source(self, name: str):
        facts = await self.setup.facts()
        return next(one for one in facts.sources if one.id == name)


async def test_there_is_a_source_for_each_way_to_a_model(tmp_path):
    facts = await House(tmp_path).setup.facts()
    ids = [one.id for one in facts.sources]
    assert ids[0] == "embedded"
    assert ids[-2:] == ["ollama", SERVER]
    assert {"anthropic", "openai", "google", "groq"} < set(ids)
    assert len(ids) == len(set(ids))


async def test_what_is_switched_off_is_not_offered(tmp_path):
    house = House(tmp_path, "{models: {embedded: {enabled: false}}}")
    assert "embedded" not in [one.id for one in (await house.setup.facts()).sources]


async def test_a_vendor_without_known_models_wants_one_named(tmp_path):
    house = House(tmp_path)
    assert (await house.source("groq")).wants_model
    assert not (await house.source("openai")).wants_model
    assert not (await house.source("ollama")).wants_key


async def test_a_key_is_known_from_the_environment_the_file_or_the_vault(tmp_path):
    house = House(tmp_path, "{models: {providers: {groq: {apiKey: 'k'}}}}", OPENAI_API_KEY="k")
    await house.vault.put(kept_key_name("google", None), "k")
    for name, is_known in (
        ("openai", True),
        ("groq", True),
        ("google", True),
        ("anthropic", False),
    ):
        assert (await house.source(name)).has_key is is_known


async def test_chat_services_of_plugins_are_offered_and_our_own_are_not(tmp_path):
    facts = await House(tmp_path).setup.facts()
    [zalo] = facts.channels
    assert (zalo.value, zalo.hint) == ("zalo", "then: cara plugin setup zalo")


@pytest.mark.parametrize("is_apart", [False, True])
async def test_the_program_that_is_named_starts_this_gateway(tmp_path, is_apart):
    house = House(tmp_path)
    if is_apart:
        paths = Paths(tmp_path / "c.json", house.path.parent)
        setup = HouseSetup(ConfigService(paths, Overrides({})), house.keys, environment={})
        words = (await setup.facts()).program
        assert words[3:5] == ("--config", str(tmp_path / "c.json"))
    else:
        words = (await house.setup.facts()).program
        assert "--config" not in words
    assert words[0].endswith("/cara")
    assert words[-2:] == ("--state-dir", str(house.path.parent))


async def test_the_key_goes_to_the_vault_and_the_rest_to_the_file(tmp_path):
    house = House(tmp_path, "{\n  // mine\n  gateway: { port: 5 },\n}\n")
    patch = {"agents": {"defaults": {"model": {"primary": "openai/gpt-4o"}}}}
    await house.setup.write(SetupPlan(patch=patch, provider="openai", key="hunter2"))
    assert house.config.settings.agents.defaults.model.primary == "openai/gpt-4o"
    assert house.applied == [{kept_key_name("openai", None): "hunter2"}]
    text = house.path.read_text()
    assert "// mine" in text
    assert "hunter2" not in text


async def test_a_file_that_changed_meanwhile_is_taken_as_it_is(tmp_path):
    house = House(tmp_path, "{}")
    await house.setup.facts()
    house.path.write_text("{gateway: {port: 6}}")
    await house.setup.write(SetupPlan(patch={"logging": {"level": "warn"}}, provider="x"))
    assert house.config.settings.gateway.port == 6
    assert house.config.settings.logging.level == "warn"


async def test_a_refused_configuration_leaves_the_vault_alone(tmp_path):
    house = House(tmp_path, "{}")
    with pytest.raises(Refused, match="invalid config"):
        await house.setup.write(
            SetupPlan(patch={"gateway": {"port": "x"}}, provider="openai", key="k")
        )
    assert await house.vault.names() == []
    assert house.path.read_text() == "{}"
