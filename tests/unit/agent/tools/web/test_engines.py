"""What search engines are asked, and what they say."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from carapace.agent.tools.web.engines import (
    BRAVE_URL,
    Brave,
    Hit,
    Perplexity,
    Query,
    Searxng,
    is_freshness,
)

QUERY = Query(text="tea & cake", count=3, country="DE", search_lang="de", freshness="pw")


def asked(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_brave_is_asked_with_its_key_in_a_header():
    ask = Brave("k").ask(QUERY)
    assert ask.url.startswith(BRAVE_URL + "?")
    assert asked(ask.url) == {
        "q": "tea & cake",
        "count": "3",
        "country": "DE",
        "search_lang": "de",
        "freshness": "pw",
    }
    assert ask.headers["x-subscription-token"] == "k"
    assert "k" not in ask.url.removeprefix(BRAVE_URL).partition("?")[0]
    assert ask.body is None


def test_brave_answers_with_results_or_without():
    data = (
        b'{"web": {"results": [{"title": "<strong>Tea</strong> &amp; 1 < 2", "url": "https://t",'
        b' "description": "a <b>drink</b>", "age": "2 days", "more": 1}, {}]}, "query": {}}'
    )
    assert Brave("k").hits(data) == [
        Hit("Tea & 1 < 2", "https://t", "a drink", "2 days"),
        Hit("", "", ""),
    ]
    assert Brave("k").hits(b"{}") == []


def test_searxng_is_asked_for_json():
    ask = Searxng("https://s.example/x/").ask(QUERY)
    assert ask.url.startswith("https://s.example/x/search?")
    assert asked(ask.url) == {
        "q": "tea & cake",
        "format": "json",
        "language": "de",
        "time_range": "week",
    }
    data = (
        b'{"results": [{"title": "T", "url": "https://t", "content": null,'
        b' "publishedDate": "2026-01-01"}]}'
    )
    assert Searxng("x").hits(data) == [Hit("T", "https://t", "", "2026-01-01")]


def test_perplexity_sums_up_and_names_pages():
    engine = Perplexity("k", "https://p.example", "m")
    ask = engine.ask(QUERY)
    assert ask.url == "https://p.example/chat/completions"
    assert ask.headers["authorization"] == "Bearer k"
    assert msgspec.json.decode(ask.body or b"")["messages"][0]["content"] == "tea & cake"
    data = b'{"choices": [{"message": {"content": "Tea is good."}}], "citations": ["https://t"]}'
    assert engine.hits(data) == [Hit("Summary", "", "Tea is good."), Hit("", "https://t", "")]
    assert engine.hits(b'{"choices": []}') == []


@pytest.mark.parametrize("engine", [Brave("k"), Searxng("u"), Perplexity("k", "u", "m")])
@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b'{"web": 1, "results": 1, "choices": 1}'])
def test_what_is_no_answer_is_an_error(engine: Brave | Searxng | Perplexity, data: bytes):
    with pytest.raises(msgspec.DecodeError):
        engine.hits(data)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("pd", True),
        ("2026-01-01to2026-02-01", True),
        ("px", False),
        ("2026-01-01", False),
        ("2026-01-01to2026-02-01&x=1", False),
    ],
)
def test_how_old_a_result_may_be(text: str, fits: bool):
    assert is_freshness(text) is fits
