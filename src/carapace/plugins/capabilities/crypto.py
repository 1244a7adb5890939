"""`crypto`: what a guest is too slow or not trusted to do: fetch key sets, decrypt large files."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final, cast

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from carapace.clock import Clock
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.outbound.requester import Requester
from carapace.plugins.capabilities.outbound.wire import Empty, Request, Response, Text
from carapace.plugins.capabilities.ports import MediaDoor

__all__ = ["CryptoCapability", "lifetime_s"]

_MAX_SETS: Final = 16
_MAX_SET_CHARS: Final = 262_144
_DEFAULT_S: Final = 300.0
_SHORTEST_S: Final = 30.0
"""A plugin that asks at each unknown key must not become a flood of requests."""
_LONGEST_S: Final = 3_600.0
"""Keys are changed on short notice when one was stolen."""
_TIMEOUT_MS: Final = 10_000
_OK: Final = 200
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 16
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?=$|[,\s])", re.IGNORECASE)

_Url = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
_Handle = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Key = Annotated[str, msgspec.Meta(max_length=64)]


class CryptoCapability:
    """Fetches key sets and decrypts files for one plugin.

    Args:
        plugin_id: Whose.
        requester: For key sets, under the plugin's own rules.
        clock: How old a key set is.
        media: Where files are; None if the plugin may not use them.
    """

    def __init__(
        self, plugin_id: str, requester: Requester, *, clock: Clock, media: MediaDoor | None
    ) -> None:
        self._plugin_id = plugin_id
        self._requester = requester
        self._clock = clock
        self._media = media
        self._sets: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._fetching = asyncio.Lock()
        self.call = Dispatch(
            "crypto",
            {
                "jwks": Operation(tuple[_Url], self._jwks),
                "aes-ctr": Operation(tuple[_Handle, _Key, _Key], self._aes_ctr),
            },
        )

    async def _jwks(self, url: str) -> str:
        request = Request("GET", url, (), Empty(), (), _TIMEOUT_MS, "text")
        self._requester.check(request)
        # One at a time: a burst of calls for the same set is one request.
        async with self._fetching:
            until_s, text = self._sets.get(url, (0.0, ""))
            if text and self._clock.monotonic() < until_s:
                return text
            response = await self._requester.send(request)
            text = _key_set(response)
            self._sets[url] = (self._clock.monotonic() + lifetime_s(response), text)
            self._sets.move_to_end(url)
            if len(self._sets) > _MAX_SETS:
                self._sets.popitem(last=False)
            return text

    async def _aes_ctr(self, handle: str, key: str, nonce: str) -> str:
        if self._media is None:
            raise guest_error(
                Code.NOT_GRANTED, "this plugin may not use the media store: its manifest lacks it"
            )
        cipher = Cipher(AES(_bytes(key, _KEY_BYTES)), CTR(_bytes(nonce, _NONCE_BYTES)))
        if await self._media.find(handle) is None:
            raise guest_error(
                Code.NOT_FOUND, "there is no such file: it was never stored, or its time is over"
            )
        async with (
            self._media.open(handle) as (_, pieces),
            aclosing(_applied(pieces, cipher.decryptor())) as plain,
        ):
            stored = await self._media.put(
                plain, max_bytes=None, source=f"plugin:{self._plugin_id}"
            )
        return stored.handle


def lifetime_s(response: Response) -> float:
    """How long an answer may be kept: its `Cache-Control`, within bounds (RFC 9111 section 5.2)."""
    for header in response.headers:
        if header.name.lower() != "cache-control":
            continue
        if "no-store" in header.value.lower() or "no-cache" in header.value.lower():
            return _SHORTEST_S
        if (found := _MAX_AGE.search(header.value)) is not None:
            return min(max(float(found[1]), _SHORTEST_S), _LONGEST_S)
    return _DEFAULT_S


def _key_set(response: Response) -> str:
    """The text of a key set (RFC 7517 section 5)."""
    text = response.body.value if isinstance(response.body, Text) else ""
    if response.status != _OK:
        raise guest_error(
            Code.BAD_ANSWER,
            f"the key set was answered with {response.status}",
            retryable=response.status >= 500,  # noqa: PLR2004 - the server's own trouble
        )
    if len(text) > _MAX_SET_CHARS:
        raise guest_error(Code.TOO_LARGE, f"the key set is longer than {_MAX_SET_CHARS}")
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    is_set = isinstance(found, dict) and isinstance(cast("dict[str, Any]", found).get("keys"), list)
    if not is_set:
        raise guest_error(Code.BAD_ANSWER, "the answer is not a JSON Web Key Set")
    return text


def _bytes(text: str, n_bytes: int) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != n_bytes:
        raise guest_error(
            Code.INVALID_ARGUMENT,
            f"AES-256-CTR takes a key of {_KEY_BYTES} and a nonce of {_NONCE_BYTES} bytes, as "
            "base64 (RFC 4648 section 4)",
        )
    return found


async def _applied(pieces: AsyncGenerator[bytes], cipher: CipherContext) -> AsyncGenerator[bytes]:
    # CTR keeps nothing back, so there is nothing to finish.
    async for piece in pieces:
        yield await asyncio.to_thread(cipher.update, piece)
