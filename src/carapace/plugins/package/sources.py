"""Where packages come from: a file, a folder, an https address, or a name in the registry.

Only what somebody names is looked at: no folder is searched for plugins, and neither the current
directory nor the environment counts (advisories G02, G03, G09). Nothing that comes in is run or
unpacked by its own names (G04).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import refusal_of
from carapace.plugins.package.archive import MAX_ARCHIVE_BYTES, unpack
from carapace.plugins.package.contents import Contents
from carapace.plugins.package.index import MAX_INDEX_BYTES, choose
from carapace.plugins.package.local import read
from carapace.plugins.package.version import InvalidVersion, parse_version
from carapace.plugins.state import PluginRefused, Refusal
from carapace.value import Value

__all__ = ["LocalPath", "RegistryName", "Source", "Sources", "WebAddress", "parse_source"]

_NAME: Final = re.compile(r"([a-z][a-z0-9-]{1,31})(?:@([0-9A-Za-z.-]{1,64}))?", re.ASCII)
_TOTAL_TIMEOUT_S: Final = 300.0
_SILENCE_TIMEOUT_S: Final = 30.0
_MAX_REDIRECTS: Final = 3


class LocalPath(Value, frozen=True):
    """A package, or a folder with the files of one, on this machine."""

    path: Path


class WebAddress(Value, frozen=True):
    """A package on the web."""

    url: str


class RegistryName(Value, frozen=True):
    """A plugin of the registry.

    Attributes:
        plugin_id: Which.
        version: Which version; the newest if None.
    """

    plugin_id: str
    version: str | None = None


Source = LocalPath | WebAddress | RegistryName


def parse_source(text: str) -> Source:
    """What somebody means: `/a/path`, `https://...`, `zalo` or `zalo@1.0.0`.

    Raises:
        PluginRefused: If it is none of these.
    """
    if text[:8].lower() == "https://":
        return WebAddress(text)
    if text.startswith("/") and "\x00" not in text:
        return LocalPath(Path(text))
    if match := _NAME.fullmatch(text):
        try:
            return RegistryName(match[1], str(parse_version(match[2])) if match[2] else None)
        except InvalidVersion as error:
            raise _refused(f"{error}.") from error
    raise _refused(
        f"{text[:120]!r} is no place to get a plugin from. Name a whole path of the gateway's "
        "machine, an https address, or a plugin of the registry, as in zalo or zalo@1.0.0."
    )


class Sources:
    """Gets packages; whether they are any good is for `verify` to say.

    Args:
        egress: The way out.
        registry: Address of the registry's index, if there is one.
    """

    def __init__(self, egress: Egress, registry: Callable[[], str | None]) -> None:
        self._egress = egress
        self._registry = registry

    async def fetch(self, source: Source) -> Contents:
        """The files of a package, bounded in size and unchecked otherwise.

        Raises:
            PluginRefused: If it cannot be had, or is no package.
        """
        match source:
            case LocalPath(path):
                return await asyncio.to_thread(read, path)
            case WebAddress(url):
                return await asyncio.to_thread(unpack, await self._get(url, MAX_ARCHIVE_BYTES))
            case RegistryName(plugin_id, version):
                return await self._from_registry(plugin_id, version)

    async def _from_registry(self, plugin_id: str, version: str | None) -> Contents:
        base = self._registry()
        if base is None:
            raise _refused(
                f"There is no registry to get {plugin_id} from. Set its index: cara config set "
                "plugins.registry https://...; or name a file or an https address."
            )
        index = await self._get(base, MAX_INDEX_BYTES)
        release = choose(index, plugin_id, version, base=base)
        data = await self._get(release.url, MAX_ARCHIVE_BYTES)
        if hashlib.sha256(data).hexdigest() != release.sha256:
            raise _refused(
                f"The package of {plugin_id} {release.version} is not the one that the registry "
                "names: its hash differs. Try again later, or tell whoever keeps the registry."
            )
        return await asyncio.to_thread(unpack, data)

    async def _get(self, url: str, max_bytes: int) -> bytes:
        policy = EgressPolicy(
            allow_http=False,
            max_wire_bytes=max_bytes,
            max_decoded_bytes=max_bytes,
            max_redirects=_MAX_REDIRECTS,
            silence_timeout_s=_SILENCE_TIMEOUT_S,
            total_timeout_s=_TOTAL_TIMEOUT_S,
            max_connections=1,
        )
        host = _host(url)
        try:
            async with self._egress.http_client(EgressCaller("plugins.install", policy)) as client:
                response = await client.get(url, headers={"accept-encoding": "identity"})
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if (refusal := refusal_of(error)) is not None:
                raise _refused(f"Nothing was fetched from {host}: {refusal.reason}.") from error
            raise _refused(
                f"{host} could not be reached, was too slow, or sent more than {max_bytes} bytes. "
                "Try again later, or fetch the file yourself and install it from there."
            ) from error
        if response.status_code != HTTPStatus.OK:
            raise _refused(f"{host} answered {response.status_code} instead of the file.")
        return response.content


def _host(url: str) -> str:
    """The host alone: the rest may hold a secret."""
    try:
        return urlsplit(url).hostname or "the server"
    except ValueError:
        return "the server"


def _refused(message: str) -> PluginRefused:
    return PluginRefused(Refusal.SOURCE, message)
