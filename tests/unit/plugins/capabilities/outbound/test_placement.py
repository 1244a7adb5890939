"""Secrets go where they should, or the request is refused without a word about them."""

from __future__ import annotations

import json

import msgspec
import pytest

from carapace.config.secret import Secret
from carapace.plugins.capabilities.outbound.placement import PlacedRequest, place
from carapace.plugins.capabilities.outbound.wire import Body, Header, SecretUse
from carapace.plugins.errors import GuestError
from support.capabilities import secret_use

SECRET = "s3cr:et/ä +%"
URL = "https://a.example/v1/x"


def body(**value: str) -> Body:
    tag, text = next(iter(value.items()), ("empty", None))
    return msgspec.convert({"tag": tag, "value": text}, Body)


def placed(
    *uses: tuple, url: str = URL, headers: dict | None = None, secret: str = SECRET, **text: str
) -> PlacedRequest:
    return place(
        "POST",
        url,
        [Header(name, value) for name, value in (headers or {}).items()],
        body=body(**text),
        secrets=[
            msgspec.convert(secret_use(*use[:2], template=(*use, None)[2]), SecretUse)
            for use in uses
        ],
        reveal=lambda _: Secret(secret),
    )


def refused(*uses: tuple, **more) -> str:
    with pytest.raises(GuestError) as caught:
        placed(*uses, **more)
    assert caught.value.code == "invalid-argument"
    assert SECRET not in str(caught.value)
    return caught.value.message


def test_a_request_without_secrets_stays_as_it_is():
    request = placed(headers={"X-A": "1"}, text="hello")
    assert (request.url, request.headers, request.content) == (URL, (("X-A", "1"),), b"hello")
    assert not request.has_secrets
    assert request.only_headers


def test_a_fragment_is_not_sent():
    assert placed(url=URL + "#here").url == URL


def test_a_header_gets_its_value_with_the_text_around_it():
    request = placed(("header", "Authorization", "Bearer {}"), secret="abc")
    assert request.headers == (("Authorization", "Bearer abc"),)
    assert request.only_headers


def test_a_placeholder_in_the_path_is_replaced_and_encoded():
    request = placed(("path", "{token}"), url="https://a.example/bot{token}/getMe?q=1")
    assert request.url == "https://a.example/bots3cr:et%2F%C3%A4%20+%25/getMe?q=1"
    assert not request.only_headers


@pytest.mark.parametrize(("url", "then"), [(URL, "?"), (URL + "?", "?"), (URL + "?a=1", "?a=1&")])
def test_a_query_gets_one_more_parameter(url, then):
    assert placed(("query", "key"), url=url).url == URL + then + ("key=s3cr%3Aet%2F%C3%A4%20%2B%25")


def test_a_form_gets_one_more_field_and_its_type():
    request = placed(("form", "client_secret"), text="grant=x")
    assert request.content == b"grant=x&client_secret=s3cr%3Aet%2F%C3%A4%20%2B%25"
    assert request.headers == (("Content-Type", "application/x-www-form-urlencoded"),)
    assert placed(("form", "k")).content == b"k=s3cr%3Aet%2F%C3%A4%20%2B%25"


def test_a_form_keeps_the_type_that_the_plugin_gave_it():
    given = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert placed(("form", "k"), headers=given).headers == tuple(given.items())


def test_two_secrets_may_be_in_one_form():
    assert placed(("form", "a"), ("form", "b"), secret="x").content == b"a=x&b=x"


@pytest.mark.parametrize(
    ("pointer", "where"),
    [
        ("/token", lambda found: found["token"]),
        ("/auth/k", lambda found: found["auth"]["k"]),
        ("/list/1", lambda found: found["list"][1]),
        ("/list/0/in", lambda found: found["list"][0]["in"]),
        ("/a~1b", lambda found: found["a/b"]),
        ("/m~0n", lambda found: found["m~n"]),
    ],
)
def test_a_json_pointer_names_the_field(pointer, where):
    text = json.dumps({"auth": {"k": None}, "list": [{}, 1], "n": 12345678901234567890})
    request = placed(("json", pointer), text=text)
    found = json.loads(request.content or b"")
    assert where(found) == SECRET
    assert found["n"] == 12345678901234567890
    assert ("Content-Type", "application/json") in request.headers


def test_two_secrets_may_be_in_one_document():
    request = placed(("json", "/a"), ("json", "/b"), text="{}", secret="x")
    assert json.loads(request.content or b"") == {"a": "x", "b": "x"}


@pytest.mark.parametrize(
    ("use", "more"),
    [
        (("header", "X-Key"), {"headers": {"x-key": "mine"}}),
        (("header", "X Key"), {}),
        (("header", "Host"), {}),
        (("header", "Proxy-Authorization"), {}),
        (("header", "X-Key", "no place"), {}),
        (("header", "X-Key", "{}{}"), {}),
        (("path", "{t}"), {}),
        (("path", "{t}"), {"url": "https://a.example/{t}/{t}"}),
        (("path", "{t}"), {"url": "https://a.example/?q={t}"}),
        (("path", "{t}"), {"url": "https://{t}.example/"}),
        (("path", "{t}"), {"url": "https://a.example?/{t}"}),
        (("path", "x"), {"url": "https://a.example/x"}),
        (("path", "a/b"), {"url": "https://a.example/a/b"}),
        (("query", "k"), {"url": URL + "?k=1"}),
        (("query", "k"), {"url": URL + "?a=1&%6b=1"}),
        (("form", "k"), {"text": "k=1"}),
        (("form", "k"), {"media": "m-1"}),
        (("form", "k"), {"headers": {"Content-Type": "text/plain"}}),
        (("json", "/k"), {}),
        (("json", "/k"), {"text": "not json"}),
        (("json", "/k"), {"text": "[" * 200_000}),
        (("json", "k"), {"text": "{}"}),
        (("json", "/a/k"), {"text": "{}"}),
        (("json", "/a/k"), {"text": '{"a": 1}'}),
        (("json", "/9"), {"text": "[1]"}),
        (("json", "/x/k"), {"text": "[1]"}),
        (("json", "/-"), {"text": "[1]"}),
        (("json", "/k"), {"text": "{}", "headers": {"a": "b", "content-type": "text/plain"}}),
    ],
)
def test_a_place_that_does_not_fit_is_refused(use, more):
    assert refused(use, **more)


def test_a_form_and_a_document_exclude_each_other():
    refused(("form", "a"), ("json", "/b"), text="{}")
    refused(("json", "/a"), ("form", "b"), text="{}")


@pytest.mark.parametrize("secret", ["a\r\nX-Evil: 1", "a\nb", "\x00", "€", "é"])
def test_a_secret_cannot_begin_another_header(secret):
    refused(("header", "X-Key"), secret=secret)


@pytest.mark.parametrize(
    "header", [("Host", "b.example"), ("Content-Length", "1"), ("a b", "1"), ("X", "a\nb")]
)
def test_a_plugin_does_not_frame_messages(header):
    refused(headers=dict([header]))


def test_bodies_are_bytes_or_a_handle():
    assert placed(base64="AAE=").content == b"\x00\x01"
    assert placed(media="m-1").media == "m-1"
    assert placed().content is None
    refused(base64="!")


def test_a_body_from_memory_has_a_cap(monkeypatch):
    monkeypatch.setattr("carapace.plugins.capabilities.outbound.placement.MAX_REQUEST_BYTES", 3)
    with pytest.raises(GuestError) as caught:
        placed(text="1234")
    assert caught.value.code == "too-large"


def test_a_filled_in_request_does_not_show_itself():
    request = placed(("query", "k"), ("header", "X-K"), secret="abcdef", text="abcdef")
    assert "abcdef" not in repr(request)
