"""What each search engine is asked, and what its answer says. Pure."""

from __future__ import annotations

import html
import re
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec

from carapace.value import Value

__all__ = [
    "BRAVE_URL",
    "FRESHNESS",
    "Ask",
    "Brave",
    "Engine",
    "Hit",
    "Perplexity",
    "Query",
    "Searxng",
    "is_freshness",
]

BRAVE_URL: Final = "https://api.search.brave.com/res/v1/web/search"
FRESHNESS: Final = {"pd": "day", "pw": "week", "pm": "month", "py": "year"}
"""Brave's words for how old a result may be, and SearXNG's."""

_RANGE: Final = re.compile(r"\d{4}-\d\d-\d\dto\d{4}-\d\d-\d\d", re.ASCII)
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_MAX_FIELD_CHARS: Final = 1_000


class Query(Value, frozen=True, kw_only=True):
    """What is looked for.

    Attributes:
        text: In words.
        count: Results at most.
        country: Two letters, or `ALL`.
        search_lang: Language of the results, as in `de`.
        ui_lang: Language of the rest, as in `de-DE`.
        freshness: `pd`, `pw`, `pm`, `py`, or a range of days `2026-01-01to2026-01-31`.
    """

    text: str
    count: int
    country: str | None = None
    search_lang: str | None = None
    ui_lang: str | None = None
    freshness: str | None = None


class Ask(Value, frozen=True):
    """One request.

    Attributes:
        url: Whole.
        headers: With the key, if there is one.
        body: JSON to post; None is a GET.
    """

    url: str
    headers: dict[str, str]
    body: bytes | None = None


class Hit(Value, frozen=True):
    """One result; all of it is a stranger's text."""

    title: str
    url: str
    description: str
    published: str = ""


class Engine(Protocol):
    """One engine, ready to be asked."""

    @property
    def name(self) -> str:
        """As `tools.web.search.provider` names it."""
        ...

    def ask(self, query: Query) -> Ask:
        """The request for `query`."""
        ...

    def hits(self, data: bytes) -> list[Hit]:
        """What the answer says.

        Raises:
            msgspec.DecodeError: If it is no answer of this engine.
        """
        ...


def is_freshness(text: str) -> bool:
    """Whether `text` is one of the words or a range of days."""
    return text in FRESHNESS or _RANGE.fullmatch(text) is not None


class _BraveHit(msgspec.Struct):
    title: str = ""
    url: str = ""
    description: str = ""
    age: str | None = None


class _BraveWeb(msgspec.Struct):
    results: list[_BraveHit] = []


class _BraveAnswer(msgspec.Struct):
    web: _BraveWeb | None = None


class Brave(Value, frozen=True):
    """Brave Search.

    Attributes:
        key: Of its API.
        url: Where that is.
    """

    key: str
    url: str = BRAVE_URL
    name: str = "brave"

    def ask(self, query: Query) -> Ask:
        """See `Engine`."""
        values = {
            "q": query.text,
            "count": str(query.count),
            "country": query.country,
            "search_lang": query.search_lang,
            "ui_lang": query.ui_lang,
            "freshness": query.freshness,
        }
        headers = {"accept": "application/json", "x-subscription-token": self.key}
        return Ask(_with_query(self.url, values), headers)

    def hits(self, data: bytes) -> list[Hit]:
        """See `Engine`."""
        answer = msgspec.json.decode(data, type=_BraveAnswer)
        found = answer.web.results if answer.web is not None else []
        return [
            Hit(_plain(one.title), one.url, _plain(one.description), one.age or "") for one in found
        ]


class _SearxngHit(msgspec.Struct, rename={"published": "publishedDate"}):
    title: str = ""
    url: str = ""
    content: str | None = None
    published: str | None = None


class _SearxngAnswer(msgspec.Struct):
    results: list[_SearxngHit]


class Searxng(Value, frozen=True):
    """A SearXNG instance, or what speaks as one.

    Attributes:
        url: Its address, without `/search`.
    """

    url: str
    name: str = "searxng"

    def ask(self, query: Query) -> Ask:
        """See `Engine`; a range of days is nothing it knows, and is left out."""
        values = {
            "q": query.text,
            "format": "json",
            "language": query.search_lang,
            "time_range": FRESHNESS.get(query.freshness or ""),
        }
        url = _with_query(f"{self.url.rstrip('/')}/search", values)
        return Ask(url, {"accept": "application/json"})

    def hits(self, data: bytes) -> list[Hit]:
        """See `Engine`."""
        found = msgspec.json.decode(data, type=_SearxngAnswer).results
        return [
            Hit(_plain(one.title), one.url, _plain(one.content or ""), one.published or "")
            for one in found
        ]


class _Said(msgspec.Struct):
    content: str = ""


class _Choice(msgspec.Struct):
    message: _Said


class _PerplexityAnswer(msgspec.Struct):
    choices: list[_Choice]
    citations: list[str] = []


class Perplexity(Value, frozen=True):
    """Perplexity's models, which search and sum up what they found.

    Attributes:
        key: Of its API, or of a service that passes it on.
        url: Where that is, without `/chat/completions`.
        model: Which of them.
    """

    key: str
    url: str
    model: str
    name: str = "perplexity"

    def ask(self, query: Query) -> Ask:
        """See `Engine`; it takes words alone."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": query.text}],
        }
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        url = f"{self.url.rstrip('/')}/chat/completions"
        return Ask(url, headers, msgspec.json.encode(body))

    def hits(self, data: bytes) -> list[Hit]:
        """The summary first, then the pages that it names."""
        answer = msgspec.json.decode(data, type=_PerplexityAnswer)
        said = answer.choices[0].message.content if answer.choices else ""
        summary = [Hit("Summary", "", said[: 4 * _MAX_FIELD_CHARS])] if said else []
        return summary + [Hit("", url, "") for url in answer.citations]


def _with_query(url: str, values: dict[str, str | None]) -> str:
    return f"{url}?{urlencode({name: value for name, value in values.items() if value})}"


def _plain(text: str) -> str:
    """Without the marks that an engine puts around words."""
    return html.unescape(_TAG.sub("", text))[:_MAX_FIELD_CHARS]
