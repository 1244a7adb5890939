"""`models.*`: the sources of language models."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Count, Name, PositiveInt, Section, setting

__all__ = [
    "EmbeddedSettings",
    "ModelApi",
    "ModelCost",
    "ModelSettings",
    "ModelsSettings",
    "ProviderSettings",
]

ModelApi = Literal[
    "openai-completions",
    "openai-responses",
    "anthropic-messages",
    "google-generative-ai",
    "github-copilot",
    "bedrock-converse-stream",
]
_Price = Annotated[float, msgspec.Meta(ge=0)]


class ModelCost(Section, frozen=True):
    """Prices in US dollars for a million tokens."""

    input: Annotated[_Price, setting("Tokens read.", live=True)] = 0.0
    output: Annotated[_Price, setting("Tokens written.", live=True)] = 0.0
    cache_read: Annotated[_Price, setting("Tokens read from the vendor's cache.", live=True)] = 0.0
    cache_write: Annotated[_Price, setting("Tokens written to that cache.", live=True)] = 0.0


class ModelSettings(Section, frozen=True):
    """One model of a provider."""

    id: Annotated[Name, setting("The vendor's name of the model.", live=True)]
    name: Annotated[Name | None, setting("Name shown to people.", live=True)] = None
    api: Annotated[
        ModelApi | None, setting("Wire format, if not that of the provider.", live=True)
    ] = None
    reasoning: Annotated[bool, setting("Whether the model can think first.", live=True)] = False
    input: Annotated[
        tuple[Literal["text", "image"], ...], setting("What the model takes.", live=True)
    ] = ("text",)
    cost: Annotated[
        ModelCost | None, setting("Prices; without them the built-in table.", live=True)
    ] = None
    context_window: Annotated[
        PositiveInt | None, setting("Tokens the model can hold.", live=True)
    ] = None
    max_tokens: Annotated[PositiveInt | None, setting("Longest answer in tokens.", live=True)] = (
        None
    )
    headers: Annotated[
        dict[str, str], setting("HTTP headers for this model.", live=True, secret=True)
    ] = msgspec.field(default_factory=dict[str, str])


class ProviderSettings(Section, frozen=True):
    """One source of models."""

    base_url: Annotated[
        Name | None,
        setting(
            "Where the API is. Exactly this host and port may be reached, loopback included.",
            live=True,
        ),
    ] = None
    api_key: Annotated[
        str | None, setting("The key; write `${NAME}` to take a variable.", live=True, secret=True)
    ] = None
    api: Annotated[ModelApi | None, setting("Wire format of the provider.", live=True)] = None
    auth_header: Annotated[
        bool | None,
        setting("Send the key as `Authorization: Bearer` where the format would not.", live=True),
    ] = None
    headers: Annotated[
        dict[str, str], setting("HTTP headers for each request.", live=True, secret=True)
    ] = msgspec.field(default_factory=dict[str, str])
    allow_private: Annotated[
        bool | None,
        setting(
            "Whether `baseUrl` may lead to a private or loopback address. Without it: yes, "
            "if it names such an address or `localhost` itself.",
            live=True,
        ),
    ] = None
    models: Annotated[tuple[ModelSettings, ...], setting("The models it offers.", live=True)] = ()


class EmbeddedSettings(Section, frozen=True):
    """The model that runs here, without key or network."""

    enabled: Annotated[bool, setting("Offer the embedded model.", live=True)] = True
    model: Annotated[
        Name, setting("Which weights: a name `cara model list` shows, or a file.", live=True)
    ] = "starter"
    context_tokens: Annotated[
        Annotated[int, msgspec.Meta(ge=512, le=1_048_576)],
        setting("Context size; memory grows with it.", live=True),
    ] = 8_192
    threads: Annotated[
        PositiveInt | None, setting("Threads; without it the physical cores.", live=True)
    ] = None
    idle_unload_minutes: Annotated[
        Count, setting("Idle minutes after which memory is given back; 0 is never.", live=True)
    ] = 10


class ModelsSettings(Section, frozen=True):
    """The sources of language models."""

    mode: Annotated[
        Literal["merge", "replace"],
        setting(
            "`merge` adds your providers to those found (keys in the environment, Ollama, the "
            "embedded model); `replace` uses yours alone.",
            live=True,
        ),
    ] = "merge"
    providers: Annotated[
        dict[Name, ProviderSettings], setting("Sources of models by name.", live=True)
    ] = msgspec.field(default_factory=dict[str, ProviderSettings])
    embedded: Annotated[EmbeddedSettings, setting("The model that runs here.", live=True)] = (
        msgspec.field(default_factory=EmbeddedSettings)
    )
