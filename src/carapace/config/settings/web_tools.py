"""`tools.web.*`: what an agent may read of the web, and who searches it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Name, PositiveInt, Section, setting

__all__ = ["PerplexitySearch", "WebFetch", "WebSearch", "WebTools"]

_Seconds = Annotated[int, msgspec.Meta(ge=1, le=600)]


class WebFetch(Section, frozen=True):
    """Reading pages."""

    enabled: Annotated[bool, setting("Offer `web_fetch`.", live=True)] = True
    max_chars: Annotated[
        PositiveInt,
        setting("Characters of one page at most; a model is shown 18,000 of them.", live=True),
    ] = 16_000
    timeout_seconds: Annotated[_Seconds, setting("Longest time to fetch one.", live=True)] = 20
    allow_hosts: Annotated[
        tuple[Name, ...],
        setting(
            "Hosts of your own network that may be read as well, as `name:port`. Without any, "
            "public addresses only.",
            live=True,
        ),
    ] = ()


class PerplexitySearch(Section, frozen=True):
    """Perplexity, itself or through OpenRouter."""

    api_key: Annotated[
        str | None,
        setting("The key; without it the variable `PERPLEXITY_API_KEY`.", live=True, secret=True),
    ] = None
    base_url: Annotated[Name, setting("Where its API is.", live=True)] = "https://api.perplexity.ai"
    model: Annotated[Name, setting("Which of its models searches.", live=True)] = "sonar-pro"


class WebSearch(Section, frozen=True):
    """Searching."""

    enabled: Annotated[bool, setting("Offer `web_search`.", live=True)] = True
    provider: Annotated[
        Literal["brave", "searxng", "perplexity"] | None,
        setting(
            "Who searches. Without it: the one that `baseUrl` or a key speaks for. SearXNG needs "
            "`baseUrl`, the others a key.",
            live=True,
        ),
    ] = None
    api_key: Annotated[
        str | None,
        setting(
            "The key of Brave Search; without it the variable `BRAVE_API_KEY`.",
            live=True,
            secret=True,
        ),
    ] = None
    base_url: Annotated[
        Name | None,
        setting(
            "Where SearXNG is, or Brave's API if not at its usual place. Exactly this host and "
            "port may be reached.",
            live=True,
        ),
    ] = None
    allow_private: Annotated[
        bool | None,
        setting(
            "Whether `baseUrl` may lead to a private or loopback address. Without it: yes, if it "
            "names such an address or `localhost` itself.",
            live=True,
        ),
    ] = None
    perplexity: Annotated[PerplexitySearch, setting("How Perplexity is asked.", live=True)] = (
        msgspec.field(default_factory=PerplexitySearch)
    )
    max_results: Annotated[
        PositiveInt, setting("Results where none are asked for; at most 10.", live=True)
    ] = 5
    timeout_seconds: Annotated[_Seconds, setting("Longest time for one search.", live=True)] = 20


class WebTools(Section, frozen=True):
    """What an agent may read of the web."""

    fetch: Annotated[WebFetch, setting("Reading pages.", live=True)] = msgspec.field(
        default_factory=WebFetch
    )
    search: Annotated[WebSearch, setting("Searching.", live=True)] = msgspec.field(
        default_factory=WebSearch
    )
