"""A secret goes into the outgoing request and nowhere else, whatever anybody writes around it."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from carapace.config.secret import Secret
from carapace.plugins.capabilities.outbound.placement import PlacedRequest, place
from carapace.plugins.capabilities.outbound.redaction import SecretScrubber, StreamScrubber
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.outbound.wire import Body, Header, SecretUse
from carapace.plugins.errors import GuestError
from carapace.plugins.package.permissions import parse_http

# Letters that no spelling changes and no text around here holds, with a few that all spellings do.
CORE = st.text("QXZ0123456789", min_size=8, max_size=24)
SECRETS = st.builds(
    lambda core, tail: core + tail, CORE, st.text("QXZ/+:%&=?#\"'<> \\~é.\r\n", max_size=6)
)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="QXZ0123456789"), max_size=30)
PLACES = st.one_of(
    st.tuples(st.just("header"), st.sampled_from(["X-Key", "Authorization", "Host", "a b"])),
    st.tuples(st.just("path"), st.sampled_from(["{t}", "<t>", "tok", "{x}"])),
    st.tuples(st.just("query"), st.sampled_from(["k", "a", "ä b"])),
    st.tuples(st.just("form"), st.sampled_from(["k", "a"])),
    st.tuples(st.just("json"), st.sampled_from(["/k", "/a/0", "/a/b/c", "k", "/n~0"])),
)
URLS = st.sampled_from(
    [
        "https://a.example/bot{t}/x",
        "https://a.example/v1?a=1",
        "https://a.example/{t}/{t}",
        "https://{t}.example/",
        "https://a.example/tok#{t}",
    ]
)
BODIES = st.one_of(
    st.just({"tag": "empty", "value": None}),
    st.builds(
        lambda text: {"tag": "text", "value": text},
        st.one_of(st.just('{"a": [1], "n": null}'), st.just("a=1"), WORDS),
    ),
    st.just({"tag": "media", "value": "m-1"}),
    st.just({"tag": "base64", "value": "AAEC"}),
)
TEMPLATES = st.one_of(st.none(), st.just("Bearer {}"), st.just("{}{}"), WORDS)
RULES = OutboundRules(plugin_id="demo", manifest=(parse_http("POST https://a.example/**"),))


def attempt(secret: str, place_, url: str, body, template) -> PlacedRequest | GuestError:
    kind, where = place_
    use = {"name": "token", "place": {"tag": kind, "value": where}, "template": template}
    try:
        placed = place(
            "POST",
            url,
            [Header("X-Plain", "1")],
            body=msgspec.convert(body, Body),
            secrets=[msgspec.convert(use, SecretUse)],
            reveal=lambda _: Secret(secret),
        )
        RULES.check("POST", placed.url, has_secrets=True)
    except GuestError as error:
        return error
    return placed


@given(SECRETS, PLACES, URLS, BODIES, TEMPLATES)
def test_a_placed_secret_is_in_its_place_alone_and_never_in_an_error(
    secret, place_, url, body, template
):
    found = attempt(secret, place_, url, body, template)
    core = secret[:8]
    if isinstance(found, GuestError):
        assert core not in found.message + repr(found.__cause__)
        return
    assert core not in repr(found)
    kind = place_[0]
    assert (core in found.url) == (kind in {"path", "query"})
    assert any(core in value for _, value in found.headers) == (kind == "header")
    assert (core.encode() in (found.content or b"")) == (kind in {"form", "json"})
    for name, value in found.headers:
        assert "\n" not in name + value
        assert "\r" not in name + value


@given(SECRETS, URLS, st.sampled_from(["path", "query"]))
def test_a_secret_never_changes_host_or_reach(secret, url, kind):
    where = "{t}" if kind == "path" else "k"
    found = attempt(secret, (kind, where), url, {"tag": "empty", "value": None}, None)
    if isinstance(found, PlacedRequest):
        assert found.url.startswith("https://a.example/")
        assert found.url.isascii()
        assert not set(found.url) & set(' "<>\\\r\n#')


SPELLINGS = [
    lambda text: text,
    lambda text: quote(text, safe=""),
    quote,
    quote_plus,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    html.escape,
    lambda text: text.encode().hex(),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(b"user:" + text.encode()).decode(),
    lambda text: base64.b64encode(b"us:" + text.encode() + b":x").decode(),
]


@given(SECRETS, WORDS, WORDS, st.sampled_from(SPELLINGS), st.integers(1, 9))
def test_no_spelling_of_a_secret_comes_back(secret, before, after, spell, size):
    shown = spell(secret)
    data = f"{before}{shown}{after}".encode()
    scrubber = SecretScrubber([secret])
    clean = scrubber.data(data)
    # The middle of it: base64 shares its outer letters with what stands around.
    middle = shown.rstrip("=")[2:-2].encode()
    assert middle not in clean
    stream = StreamScrubber(scrubber)
    pieces = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert middle not in b"".join([*pieces, stream.finish()])


@given(st.lists(SECRETS, max_size=4), WORDS)
def test_what_holds_no_secret_is_not_changed(secrets, text):
    assert SecretScrubber(secrets).text(text) == text
