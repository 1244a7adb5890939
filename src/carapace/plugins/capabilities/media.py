"""`media`: files by reference; their bytes pass the gateway's store, not the plugin."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator
from typing import Annotated, Final

import msgspec

from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.outbound.proxies import AccountProxies
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.ports import MediaDoor, StoredFile

__all__ = ["MAX_PUT_BYTES", "Item", "MediaCapability"]

MAX_PUT_BYTES: Final = 8 * 1024 * 1024
"""The longest file that comes from a plugin's memory."""

_MAX_FETCH_BYTES: Final = 2**53
_MAX_LINK_MS: Final = 7 * 86_400_000
_FETCH_TIMEOUT_S: Final = 120.0
_MAX_REDIRECTS: Final = 5

_Url = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
_Handle = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_MaxBytes = Annotated[float, msgspec.Meta(ge=1, le=_MAX_FETCH_BYTES)]
_Ttl = Annotated[float, msgspec.Meta(ge=1_000, le=_MAX_LINK_MS)]
_Content = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PUT_BYTES * 4 // 3 + 4)]
_Claim = Annotated[str, msgspec.Meta(max_length=256)]


class Item(msgspec.Struct, frozen=True):
    """A file, as the contract tells of it; numbers that are f64 there are floats here."""

    handle: str
    content_type: str
    size_bytes: float
    width: int | None
    height: int | None
    duration_ms: float | None


class MediaCapability:
    """Puts files into the store and tells of them.

    Args:
        rules: Where files may be fetched from.
        proxies: Of the plugin's accounts.
        door: The store.
    """

    def __init__(self, rules: OutboundRules, proxies: AccountProxies, door: MediaDoor) -> None:
        self._rules = rules
        self._proxies = proxies
        self._door = door
        self.call = Dispatch(
            "media",
            {
                "fetch": Operation(tuple[_Url, _MaxBytes], self._fetch),
                "put": Operation(tuple[_Content, _Claim], self._put),
                "info": Operation(tuple[_Handle], self._info),
                "link": Operation(tuple[_Handle, _Ttl], self._link),
            },
        )

    async def _fetch(self, url: str, max_bytes: float) -> Item:
        self._rules.check("GET", url)
        cap = int(max_bytes)
        caller = self._rules.caller(
            max_bytes=cap,
            max_redirects=_MAX_REDIRECTS,
            total_s=_FETCH_TIMEOUT_S,
            # The contract does not tell for which account it is.
            proxy=self._proxies.of(),
        )
        return _item(await self._door.fetch(url, caller, max_bytes=cap))

    async def _put(self, content: str, claimed_type: str) -> Item:
        del claimed_type  # what a file is, its content decides
        try:
            data = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise guest_error(
                Code.INVALID_ARGUMENT, "the file is not valid base64 (RFC 4648 section 4)"
            ) from None
        stored = await self._door.put(
            _one(data), max_bytes=MAX_PUT_BYTES, source=f"plugin:{self._rules.plugin_id}"
        )
        return _item(stored)

    async def _info(self, handle: str) -> Item:
        return _item(await self._found(handle))

    async def _link(self, handle: str, ttl_ms: float) -> str:
        await self._found(handle)
        return await self._door.link(handle, ttl_s=max(1, int(ttl_ms // 1000)))

    async def _found(self, handle: str) -> StoredFile:
        stored = await self._door.find(handle)
        if stored is None:
            raise guest_error(
                Code.NOT_FOUND, "there is no such file: it was never stored, or its time is over"
            )
        return stored


async def _one(data: bytes) -> AsyncGenerator[bytes]:
    yield data


def _item(stored: StoredFile) -> Item:
    return Item(
        handle=stored.handle,
        content_type=stored.content_type,
        size_bytes=float(stored.size_bytes),
        width=stored.width_px,
        height=stored.height_px,
        duration_ms=None if stored.duration_ms is None else float(stored.duration_ms),
    )
