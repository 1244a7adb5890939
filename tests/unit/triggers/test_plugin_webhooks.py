from __future__ import annotations

import base64
from typing import Any

import pytest

from carapace.errors import Refused
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.triggers.plugin_webhooks import MAX_BODY_BYTES, PluginWebhooks
from support.scripted_host import ScriptedHost, guest_of
from support.webhooks import kernel_rig

OK: dict[str, Any] = {"status": 200, "headers": [], "body": {"tag": "text", "value": "ok"}}
OWN = "the-gateways-own-token"


def fail(error):
    def script(*arguments):
        raise error

    return script


async def read_media(handle):
    if handle != "m1":
        raise Refused("there is no such file")
    return b"\x89PNG"


class Rig:
    def __init__(self, kernel):
        self.kernel = kernel
        self.host = ScriptedHost({"webhook.handle": lambda request: OK})
        self.webhooks = PluginWebhooks(
            kernel.kernel, read_media=read_media, is_own_secret=lambda value: value == OWN
        )

    def open(self, plugin_id="parrot", **more):
        return self.webhooks.open(guest_of(self.host, plugin_id), call_timeout_s=10, **more)

    async def send(self, path="/plugins/parrot/in", **more):
        return await self.kernel.send(path, **more)

    def answer(self, **more):
        self.host.script("webhook.handle", lambda request: {**OK, **more})

    @property
    def request(self):
        return self.host.calls[-1].arguments[0]


@pytest.fixture
async def rig():
    async with kernel_rig() as kernel:
        yield Rig(kernel)


async def test_the_guest_sees_the_request_below_its_own_path(rig):
    rig.open()
    answer = await rig.send(
        "/plugins/parrot/in/x",
        body=b'{"a": 1}',
        query="a=%20b",
        headers={"X-Secret": ("one", "two"), "Cookie": "ours", "Authorization": "Bearer theirs"},
        client_ip="192.0.2.7",
    )
    assert (answer.status, answer.body) == (200, b"ok")
    assert rig.request == {
        "method": "POST",
        "path": "/in/x",
        "query": "a=%20b",
        "headers": [
            {"name": "x-secret", "value": "one"},
            {"name": "x-secret", "value": "two"},
            {"name": "authorization", "value": "Bearer theirs"},
        ],
        "body": {"tag": "text", "value": '{"a": 1}'},
        "remote_address": "192.0.2.7",
        "received_at_ms": 1_767_225_600_000.0,
    }


async def test_the_gateways_own_token_is_kept_from_it(rig):
    rig.open()
    await rig.send(headers={"Authorization": f"bearer  {OWN}"})
    assert rig.request["headers"] == []


@pytest.mark.parametrize(
    ("body", "record"),
    [
        (b"", {"tag": "empty", "value": None}),
        ("é".encode(), {"tag": "text", "value": "é"}),
        (b"\xff\x00", {"tag": "base64", "value": base64.b64encode(b"\xff\x00").decode()}),
    ],
)
async def test_a_body_is_text_if_it_can_be(rig, body, record):
    rig.open()
    await rig.send(body=body)
    assert rig.request["body"] == record


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_any_usual_method_reaches_it(rig, method):
    rig.open()
    assert (await rig.send("/plugins/parrot", method=method)).status == 200
    assert (rig.request["method"], rig.request["path"]) == (method, "/")


async def test_an_unusual_one_does_not(rig):
    rig.open()
    assert (await rig.send(method="TRACE")).status == 405
    assert rig.host.calls == []


async def test_what_is_not_there_is_not_found(rig):
    for path in ("/plugins", "/plugins/parrot", "/plugins/parrot/in"):
        assert (await rig.send(path)).status == 404
        assert (await rig.send(path, method="GET")).status == 404
        assert (await rig.send(path, method="TRACE")).status == 405
    shut, _ = rig.open()
    assert (await rig.send("/plugins/other/in")).status == 404
    assert (await rig.send()).status == 200
    shut()
    assert (await rig.send()).status == 404
    assert rig.kernel.kernel.owns("/plugins/parrot/in")


async def test_too_long_a_body_does_not_reach_it(rig):
    rig.open()
    assert (await rig.send(body=b"x" * (MAX_BODY_BYTES + 1))).status == 413
    assert rig.host.calls == []


async def test_an_alias_leads_to_it_and_a_taken_one_is_told(rig):
    rig.open("other", aliases=("/zalo-webhook",))
    _, troubles = rig.open(aliases=("/old/parrot", "/zalo-webhook", "/health", "no path"))
    assert len(troubles) == 3
    assert "/zalo-webhook" in troubles[0]
    await rig.send("/old/parrot")
    assert rig.host.calls[-1].plugin_id == "parrot"
    assert rig.request["path"] == "/"
    await rig.send("/zalo-webhook")
    assert rig.host.calls[-1].plugin_id == "other"


async def test_no_alias_is_in_the_place_of_another_plugin(rig):
    aliases = ("/plugins", "/plugins/other", "/plugins/other/in", "/plugins/parrot/x", "/pluginsx")
    _, troubles = rig.open(aliases=aliases)
    assert len(troubles) == 4
    rig.open("other")
    await rig.send("/plugins/other/in")
    assert rig.host.calls[-1].plugin_id == "other"
    await rig.send("/pluginsx")
    assert rig.host.calls[-1].plugin_id == "parrot"


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (GuestError("x", "the secret is wrong"), 400, None),
        (GuestError("x", "later", retryable=True, retry_after_ms=4_200), 503, "5"),
        (GuestTrap("deadline", "interrupt"), 503, "1"),
        (PluginUnavailable("it rests"), 503, "1"),
    ],
)
async def test_what_goes_wrong_is_told_to_nobody_outside(rig, error, status, wait):
    rig.open()
    rig.host.script("webhook.handle", fail(error))
    answer = await rig.send()
    assert answer.status == status
    assert answer.headers.get("Retry-After") == wait
    assert str(error) not in answer.body.decode()


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ({"tag": "empty", "value": None}, b"", "text/plain; charset=utf-8"),
        ({"tag": "text", "value": "é"}, "é".encode(), "text/plain; charset=utf-8"),
        ({"tag": "base64", "value": "/w=="}, b"\xff", "application/octet-stream"),
        ({"tag": "media", "value": "m1"}, b"\x89PNG", "application/octet-stream"),
    ],
)
async def test_an_answer_may_be_text_bytes_or_a_file(rig, body, sent, kind):
    rig.open()
    rig.answer(body=body)
    answer = await rig.send()
    assert (answer.body, answer.content_type) == (sent, kind)


@pytest.mark.parametrize(
    "more",
    [
        {"body": {"tag": "base64", "value": "!"}},
        {"body": {"tag": "media", "value": "gone"}},
        {"body": 7},
        {"status": 101},
        {"status": 700},
        {"headers": None},
    ],
)
async def test_an_answer_without_sense_is_asked_for_again(rig, more):
    rig.open()
    rig.answer(**more)
    assert (await rig.send()).status == 503


async def test_it_answers_as_a_stranger_beside_the_gateways_pages(rig):
    rig.open()
    rig.answer(
        headers=[
            {"name": name, "value": "x"}
            for name in (
                "Set-Cookie",
                "Access-Control-Allow-Origin",
                "Content-Security-Policy",
                "Service-Worker-Allowed",
                "Clear-Site-Data",
                "X-Content-Type-Options",
                "Transfer-Encoding",
            )
        ]
        + [
            {"name": "content-type", "value": "text/html"},
            {"name": "retry-after", "value": "7"},
            {"name": "location", "value": "/x\r\nSet-Cookie: a=b"},
        ]
    )
    answer = await rig.send()
    assert answer.content_type == "text/html"
    assert answer.headers == {
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Retry-After": "7",
    }


async def test_wrong_secrets_lock_an_address_out(rig):
    rig.open()
    rig.answer(status=401)
    statuses = [(await rig.send()).status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert len(rig.host.calls) == 10
    rig.answer()
    assert (await rig.send()).status == 429
    assert (await rig.send(client_ip="198.51.100.1")).status == 200
    assert rig.kernel.audited("webhook.refused")


async def test_a_right_answer_in_between_does_not_buy_more_guesses(rig):
    rig.open()
    for _ in range(10):
        rig.answer(status=403)
        await rig.send()
        rig.answer()
        await rig.send()
    assert (await rig.send()).status == 429


async def test_what_is_of_one_plugin_is_counted_for_it_alone(rig):
    rig.open()
    rig.open("other")
    rig.answer(status=401)
    for _ in range(11):
        await rig.send()
    assert (await rig.send("/plugins/other")).status == 401
