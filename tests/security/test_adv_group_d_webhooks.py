"""Advisories of group D that concern the webhook kernel."""

from __future__ import annotations

import asyncio
import base64
import gc
import hmac
import random
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.config.settings.gateway import GatewaySettings
from carapace.errors import Refused
from carapace.server.app import GatewayServer
from carapace.server.http_webhooks import WebhookCatch
from carapace.triggers.bounded_json import json_object
from carapace.triggers.signatures import (
    bearer_token,
    body_signature,
    one_of,
    timestamped_signature,
)
from carapace.triggers.webhook_types import (
    RawRequest,
    VerifiedRequest,
    Verify,
    WebhookAnswer,
    plain,
)
from carapace.triggers.webhooks import KernelLimits
from support.server import raw_socket, running_server
from support.webhooks import SECRET, KernelRig, head, kernel_rig, route, sign

CHECKS = {
    "body": lambda secret: body_signature(secret, header="X-Sig"),
    "timed": timestamped_signature,
    "token": bearer_token,
    "several": lambda secret: one_of({"a": body_signature(secret, header="X-Sig")}),
}


@pytest.mark.parametrize("secret", [None, "", " ", "\t\n"])
@pytest.mark.parametrize("kind", CHECKS)
async def test_adv_d01_d02_d04_without_a_secret_nothing_is_mounted(kind: str, secret: str | None):
    async with kernel_rig(route(verify=CHECKS[kind](secret))) as rig:
        assert not rig.kernel.owns("/in")
        blank: dict[str, Any] = {
            "Authorization": "Bearer ",
            "X-Sig": "",
            "X-Carapace-Signature": "",
        }
        assert (await rig.send(headers=blank)).status == 404
        assert "secret is not set" in rig.kernel.troubles()[0]


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer null"},
        {"X-Sig": ""},
        {"X-Sig": "sha256="},
        {"X-Carapace-Signature": "t=,v1="},
    ],
)
async def test_adv_d01_d02_a_blank_header_never_passes(kind: str, headers: dict[str, Any]):
    async with kernel_rig(route(verify=CHECKS[kind](SECRET))) as rig:
        assert (await rig.send(headers=headers)).status == 401


@pytest.mark.parametrize("forwarded", [None, "127.0.0.1", "::1", "10.0.0.1"])
@pytest.mark.parametrize("proxies", [(), ("127.0.0.1",)])
async def test_adv_d03_loopback_proves_nothing(
    tmp_path: Path, forwarded: str | None, proxies: tuple[str, ...]
):
    async with kernel_rig(route(verify=bearer_token(SECRET), is_guessable=True)) as rig:

        def prepare(server: GatewayServer, _admitter: object) -> None:
            server.catch(WebhookCatch(rig.kernel, origin_of=server.guard.origin))

        settings = GatewaySettings(trusted_proxies=proxies)
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        async with (
            running_server(tmp_path, prepare=prepare, settings=settings) as running,
            aiohttp.ClientSession() as http,
        ):
            for more in ({}, {"Authorization": "Bearer wrong"}):
                async with http.post(running.url + "/in", headers={**headers, **more}) as response:
                    assert response.status == 401


async def test_adv_d07_nothing_is_parsed_before_the_signature_is_right():
    parsed: list[bytes] = []

    def spy(raw: RawRequest) -> Any:
        parsed.append(raw.body)
        return json_object(raw)

    async with kernel_rig(route(parse=spy, max_bytes=65_536)) as rig:
        assert (await rig.send(body=b"x" * 65_537)).status == 413
        assert (await rig.send(body=b"x" * 65_537, content_length=None)).status == 413
        assert (await rig.send(body=b"{")).status == 401
        assert parsed == []
        assert (await rig.signed(b"{}")).status == 200
        assert parsed == [b"{}"]


def test_adv_d07_a_dripping_body_has_five_seconds():
    assert KernelLimits().body_deadline_s == 5.0


@pytest.mark.slow
async def test_adv_d07_a_dripping_body_is_cut(tmp_path: Path):
    limits = KernelLimits(body_deadline_s=0.5)
    async with kernel_rig(route(), limits=limits) as rig:

        def prepare(server: GatewayServer, _admitter: object) -> None:
            server.catch(WebhookCatch(rig.kernel, origin_of=server.guard.origin))

        loop = asyncio.get_running_loop()
        async with running_server(tmp_path, prepare=prepare) as running:
            opened = raw_socket(running.port)
            head_bytes = b"POST /in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90\r\n\r\n"
            await loop.sock_sendall(opened, head_bytes)
            answer = asyncio.ensure_future(loop.sock_recv(opened, 1_000))
            while not answer.done():
                await loop.sock_sendall(opened, b"x")
                await asyncio.wait([answer], timeout=0.1)
            opened.close()
            assert (await answer).startswith(b"HTTP/1.1 408 ")


async def test_adv_d08_unsigned_bodies_share_few_places_and_signed_ones_are_served():
    most = 0
    gate = asyncio.Event()

    async def hold(_max_bytes: int) -> bytes:
        nonlocal most
        most = max(most, rig.kernel.reading)
        await gate.wait()
        return b"{}"

    async with kernel_rig(route(), limits=KernelLimits(max_reading=16)) as rig:
        async with asyncio.TaskGroup() as group:
            held = [
                group.create_task(
                    rig.kernel.handle(head(client_ip=f"192.0.2.{n % 50}", content_length=9), hold)
                )
                for n in range(200)
            ]
            for _ in range(5):
                await asyncio.sleep(0)
            assert (await rig.signed()).status == 200
            gate.set()
        statuses = [task.result().status for task in held]
    assert most == 16
    assert statuses.count(429) == 200 - 15
    assert statuses.count(401) == 15


async def test_adv_d09_guesses_are_counted_before_they_are_compared():
    async with kernel_rig(route(verify=bearer_token(SECRET), is_guessable=True)) as rig:
        wrong, right = {"Authorization": "Bearer no"}, {"Authorization": f"Bearer {SECRET}"}
        for _ in range(10):
            assert (await rig.send(headers=wrong)).status == 401
        locked = await rig.send(headers=right)
        assert locked.status == 429
        assert int(locked.headers["Retry-After"]) > 0
        assert (await rig.send(headers=right, client_ip="192.0.2.2")).status == 200
        await rig.clock.advance(301)
        assert (await rig.send(headers=right)).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_adv_d10_other_methods_touch_no_counter(method: str):
    async with kernel_rig(route(verify=bearer_token(SECRET), is_guessable=True)) as rig:
        for _ in range(500):
            answer = await rig.send(method=method, headers={"Authorization": "Bearer no"})
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        right = {"Authorization": f"Bearer {SECRET}"}
        assert (await rig.send(headers=right)).status == 200


MAC = hmac.digest(SECRET.encode(), b"{}", "sha256")
VARIANTS: list[dict[str, Any]] = [
    {"headers": {"X-Sig": MAC.hex()}},
    {"headers": {"X-Sig": MAC.hex().upper()}},
    {"headers": {"x-sig": f"sha256={MAC.hex()}"}},
    {"headers": {"X-Sig": f"SHA256={MAC.hex().upper()}"}},
    {"headers": {"X-Sig": base64.b64encode(MAC).decode()}},
    {"headers": {"X-Sig": base64.urlsafe_b64encode(MAC).decode().rstrip("=")}},
    {"headers": {"X-Sig": MAC.hex()}, "query": "a=1&b=2"},
    {"headers": {"X-Sig": MAC.hex()}, "query": "b=2&a=1"},
    {"headers": {"X-Sig": MAC.hex(), "X-Extra": "1"}, "client_ip": "192.0.2.99"},
]


@pytest.mark.parametrize("first", range(len(VARIANTS)))
async def test_adv_d11_a_repetition_is_known_in_every_spelling(first: int):
    handled: list[bytes] = []

    async def handle(request: VerifiedRequest) -> WebhookAnswer:
        handled.append(request.raw.body)
        return plain(200, "ok")

    verify = body_signature(SECRET, header="X-Sig")
    async with kernel_rig(route(verify=verify, handle=handle)) as rig:
        assert (await rig.send(**VARIANTS[first])).body == b"ok"
        for variant in VARIANTS:
            answer = await rig.send(**variant)
            assert (answer.status, answer.body) == (200, b"duplicate")
        assert len(handled) == 1


async def test_adv_d11_an_old_request_is_stale_or_known_but_never_new():
    async with kernel_rig(route()) as rig:
        old = sign(b"{}", rig.clock)
        assert (await rig.send(headers=old)).body == b"ok"
        for wait_s, status in ((299, 200), (2, 401), (600, 401)):
            await rig.clock.advance(wait_s)
            answer = await rig.send(headers=old)
            assert (answer.status, answer.body != b"ok") == (status, True)


def _two() -> Verify | None:
    return one_of(
        {name: body_signature(f"secret-of-{name}", header="X-Sig") for name in ("a", "b")}
    )


async def _as(rig: KernelRig, account: str, body: bytes) -> bytes:
    mac = hmac.digest(f"secret-of-{account}".encode(), body, "sha256").hex()
    return (await rig.send(body=body, headers={"X-Sig": mac})).body


async def test_adv_d12_accounts_do_not_suppress_each_other():
    async with kernel_rig(route(verify=_two())) as rig:
        body = b'{"messageId":"1"}'
        assert await _as(rig, "a", body) == b"ok"
        assert await _as(rig, "b", body) == b"ok"
        assert await _as(rig, "a", body) == b"duplicate"


@pytest.mark.slow
async def test_adv_d13_memory_stays_flat_under_many_queries():
    async with kernel_rig(route(verify=bearer_token(SECRET), is_guessable=True)) as rig:

        async def churn(count: int) -> int:
            for number in range(count):
                await rig.send(
                    query=f"q={number}&{random.random()}",
                    client_ip=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
                )
                rig.steps.clear()
            gc.collect()
            return sys.getallocatedblocks()

        before = await churn(10_000)  # the address tables are full after this
        after = await churn(100_000)
        assert after - before < 5_000
        assert rig.kernel.reading == 0


async def test_adv_d14_one_path_has_one_route():
    async with kernel_rig(route()) as rig:
        for owner in ("test", "other"):
            with pytest.raises(Refused, match="taken"):
                rig.kernel.mount(route(owner=owner))


async def test_adv_d14_an_ambiguous_request_is_rejected():
    same = {name: body_signature(SECRET, header="X-Sig") for name in ("a", "b")}
    async with kernel_rig(route(verify=one_of(same))) as rig:
        assert (await rig.send(headers={"X-Sig": MAC.hex()})).status == 401
        assert rig.audited("webhook.refused")[0]["reason"] == "ambiguous"


@pytest.mark.parametrize("client", ["one", "many"])
async def test_adv_q12_junk_through_a_proxy_does_not_starve_signed_callbacks(client: str):
    """`one`: a proxy nobody declared, all junk from its address; `many`: a trusted one."""

    def address(number: int) -> str:
        return "127.0.0.1" if client == "one" else f"198.51.{number >> 8}.{number & 255}"

    async with kernel_rig(route()) as rig:
        for number in range(1_000):
            junk = await rig.send(body=b'{"n":%d}' % number, client_ip=address(number))
            assert junk.status in (401, 429)
            if number % 100 == 0:
                answer = await rig.signed(b'{"s":%d}' % number, client_ip=address(number))
                assert answer.status == 200
        assert (await rig.signed(b'{"last":1}', client_ip=address(1))).status == 200
        assert (await rig.signed(b'{"last":2}', client_ip="203.0.113.1")).status == 200
