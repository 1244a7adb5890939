"""Which sources there are follows from settings first, then from the environment."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.pricing import Price
from carapace.agent.providers.catalogue import well_known
from carapace.agent.providers.discovery import (
    find_sources,
    kept_key_name,
    ollama_url,
    unsupported,
)
from carapace.agent.providers.spec import Api, ModelSpec, ProviderSpec
from carapace.config.settings.models import ModelsSettings


def settings(providers: dict[str, Any], mode: str = "merge") -> ModelsSettings:
    return msgspec.convert({"mode": mode, "providers": providers}, ModelsSettings)


def find(
    providers: dict[str, Any], env: dict[str, str] | None = None, mode: str = "merge"
) -> dict[str, ProviderSpec]:
    found = find_sources(settings(providers, mode), env or {}, well_known())
    return {spec.name: spec for spec in found}


def test_a_configured_provider_comes_first_and_is_taken_as_written() -> None:
    fake = {
        "baseUrl": "http://127.0.0.1:18100/v1",
        "apiKey": "k",
        "api": "openai-completions",
        "authHeader": True,
        "allowPrivate": True,
        "headers": {"X-A": "1"},
        "models": [
            {
                "id": "fake-1",
                "name": "Fake One",
                "input": ["text", "image"],
                "cost": {"input": 1, "output": 2},
                "contextWindow": 128000,
                "maxTokens": 8192,
                "api": "openai-responses",
            }
        ],
    }
    found = find({"fake": fake}, {"OPENAI_API_KEY": "sk"})
    assert list(found) == ["fake", "openai"]
    model = ModelSpec(
        "fake-1",
        "Fake One",
        reasoning=False,
        takes_images=True,
        context_tokens=128_000,
        max_tokens=8_192,
        price=Price(1, 2),
        api=Api.OPENAI_RESPONSES,
    )
    assert found["fake"] == ProviderSpec(
        name="fake",
        api=Api.OPENAI_COMPLETIONS,
        base_url="http://127.0.0.1:18100/v1",
        api_key="k",
        headers={"X-A": "1"},
        is_bearer=True,
        allow_private=True,
        models=(model,),
    )


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("OPENAI_API_KEY", "openai"),
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("GEMINI_API_KEY", "google"),
        ("GOOGLE_API_KEY", "google"),
    ],
)
def test_a_key_in_the_environment_makes_a_source(variable: str, name: str) -> None:
    found = find({}, {variable: " sk-1 "})
    assert list(found) == [name]
    assert found[name].api_key == "sk-1"
    assert found[name].models
    assert find({}, {variable: "  "}) == {}
    assert find({}, {variable: "sk-1"}, mode="replace") == {}


def test_a_vendors_name_is_enough_and_takes_its_key_from_the_environment() -> None:
    found = find({"anthropic": {}, "groq": {"apiKey": "k"}}, {"ANTHROPIC_API_KEY": "sk"})
    assert found["anthropic"].api is Api.ANTHROPIC_MESSAGES
    assert found["anthropic"].api_key == "sk"
    assert found["groq"].base_url == "https://api.groq.com/openai/v1"


def test_a_key_of_the_environment_never_goes_to_another_address() -> None:
    found = find({"openai": {"baseUrl": "https://proxy.example/v1"}}, {"OPENAI_API_KEY": "sk"})
    assert found["openai"].api_key is None


def test_a_kept_key_belongs_to_its_address() -> None:
    url, other = "https://one.example/v1", "https://two.example/v1"
    kept = {kept_key_name("server", url): "k", kept_key_name("openai", None): "o"}
    assert find({"server": {"baseUrl": url}}, kept)["server"].api_key == "k"
    assert find({"server": {"baseUrl": other}}, kept)["server"].api_key is None
    assert find({}, kept)["openai"].api_key == "o"
    assert find({"openai": {"baseUrl": url}}, kept)["openai"].api_key is None


def test_the_file_goes_before_a_kept_key_and_that_before_the_environment() -> None:
    kept = {kept_key_name("openai", None): "kept", "OPENAI_API_KEY": "variable"}
    assert find({"openai": {"apiKey": "file"}}, kept)["openai"].api_key == "file"
    assert find({}, kept)["openai"].api_key == "kept"


def test_listed_models_of_a_known_vendor_keep_what_is_known() -> None:
    found = find({"openai": {"apiKey": "k", "models": [{"id": "gpt-4o"}, {"id": "new"}]}})
    known, new = found["openai"].models
    assert known.price is None
    assert known.context_tokens == 128_000
    assert (new.name, new.price) == ("new", None)


def test_a_format_nobody_speaks_is_skipped_and_named() -> None:
    providers = {"bedrock": {"api": "bedrock-converse-stream"}, "fine": {"baseUrl": "http://x"}}
    assert list(find(providers)) == ["fine"]
    assert unsupported(settings(providers)) == ("bedrock",)


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"),
        ("box:99", "http://box:99"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 - what users write there
        ("http://[::1]:5", "http://[::1]:5"),
        ("https://box", "https://box:443"),
        ("box:nonsense", "http://box:11434"),
    ],
)
def test_ollama_is_where_its_own_variable_says(said: str, url: str) -> None:
    assert ollama_url({"OLLAMA_HOST": said}) == url
