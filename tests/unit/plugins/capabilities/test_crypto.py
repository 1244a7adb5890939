"""Key sets are fetched once in a while, files are decrypted without passing the plugin."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from carapace.plugins.capabilities import crypto as module
from carapace.plugins.capabilities.crypto import CryptoCapability, lifetime_s
from carapace.plugins.capabilities.outbound.wire import Empty, Header, Response
from support.capabilities import OutboundRig, code_of, outbound_rig
from support.clock import FakeClock
from support.media import PNG

KEYS = '{"keys": [{"kty": "RSA"}]}'


class Issuer:
    """A server of key sets.

    Attributes:
        asked: How often.
        text: What it answers.
    """

    def __init__(self, text: str = KEYS, *, status: int = 200, cache: str = "") -> None:
        self.text, self.status, self.cache = text, status, cache
        self.asked = 0

    async def handle(self, _: web.Request) -> web.Response:
        self.asked += 1
        headers = {"Cache-Control": self.cache} if self.cache else {}
        return web.Response(text=self.text, status=self.status, headers=headers)

    def route(self) -> web.AbstractRouteDef:
        return web.get("/{path}", self.handle)


def make(rig: OutboundRig, clock: FakeClock | None = None, **more: Any):
    return CryptoCapability("demo", rig.requester, clock=clock or FakeClock(), **more)


async def test_a_key_set_is_kept_as_long_as_its_headers_say(tmp_path: Path):
    issuer, clock = Issuer(cache="public, max-age=100"), FakeClock()
    async with outbound_rig(tmp_path, issuer.route()) as rig:
        call = make(rig, clock, media=None).call
        assert await call("jwks", [rig.url + "/k"]) == KEYS
        await clock.advance(99)
        assert await call("jwks", [rig.url + "/k"]) == KEYS
        assert issuer.asked == 1
        await clock.advance(2)
        await call("jwks", [rig.url + "/k"])
        assert issuer.asked == 2


async def test_a_burst_is_one_request(tmp_path: Path):
    issuer = Issuer()
    async with outbound_rig(tmp_path, issuer.route()) as rig:
        call = make(rig, media=None).call
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(call("jwks", [rig.url + "/k"]))
    assert issuer.asked == 1


async def test_only_so_many_sets_are_kept(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_MAX_SETS", 2)
    issuer = Issuer()
    async with outbound_rig(tmp_path, issuer.route()) as rig:
        call = make(rig, media=None).call
        for name in "abca":
            await call("jwks", [f"{rig.url}/{name}"])
    assert issuer.asked == 4


@pytest.mark.parametrize(
    ("issuer", "code"),
    [
        (Issuer("[]"), "bad-answer"),
        (Issuer('{"keys": 1}'), "bad-answer"),
        (Issuer("<html>"), "bad-answer"),
        (Issuer("[" * 100_000), "bad-answer"),
        (Issuer(status=404), "bad-answer"),
        (Issuer(status=503), "bad-answer"),
        (Issuer("x" * 262_145), "too-large"),
    ],
)
async def test_what_is_no_key_set_is_an_error(tmp_path: Path, issuer, code):
    async with outbound_rig(tmp_path, issuer.route()) as rig:
        assert await code_of(make(rig, media=None).call("jwks", [rig.url + "/k"])) == code


async def test_a_key_set_from_elsewhere_is_not_fetched(tmp_path: Path):
    async with outbound_rig(tmp_path) as rig:
        call = make(rig, media=None).call("jwks", ["https://evil.example/keys"])
        assert await code_of(call) == "not-granted"


@pytest.mark.parametrize(
    ("cache", "seconds"),
    [
        ("max-age=600", 600),
        ("public,max-age=600", 600),
        ("s-maxage=9, max-age=86400", 3600),
        ("max-age=1", 30),
        ("no-store", 30),
        ("No-Cache, max-age=900", 30),
        ("public", 300),
        ("x-max-age=7", 300),
    ],
)
def test_a_lifetime_has_bounds(cache, seconds):
    headers = (Header("content-type", "x"), Header("cache-control", cache))
    assert lifetime_s(Response(200, headers, Empty())) == seconds


def test_without_a_header_it_is_five_minutes():
    assert lifetime_s(Response(200, (), Empty())) == 300


async def test_a_file_is_decrypted(tmp_path: Path):
    key, nonce = bytes(range(32)), bytes(16)
    data = PNG * 5_000
    secret = Cipher(AES(key), CTR(nonce)).encryptor().update(data)
    async with outbound_rig(tmp_path, with_media=True) as rig:
        call = make(rig, media=rig.door).call
        stored = await rig.house.store.put_bytes(secret)
        texts = [base64.b64encode(part).decode() for part in (key, nonce)]
        handle = await call("aes-ctr", [stored.id, *texts])
        assert await rig.house.store.read(handle, max_bytes=10**7) == data
        unknown = call("aes-ctr", ["m-" + "0" * 32, *texts])
        assert await code_of(unknown) == "not-found"
        for wrong in (["", texts[1]], [texts[0], texts[0]], ["!", texts[1]]):
            assert await code_of(call("aes-ctr", [stored.id, *wrong])) == "invalid-argument"
        bare = make(rig, media=None).call("aes-ctr", [stored.id, *texts])
        assert await code_of(bare) == "not-granted"
