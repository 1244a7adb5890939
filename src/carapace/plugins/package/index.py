"""The index of a plugin registry: which plugins there are, and where their packages lie. Pure.

    {"format": 1, "plugins": {"zalo": {"versions": {"1.0.0": {"url": "...", "sha256": "..."}}}}}

An index cannot make anybody trust anything: packages still need a trusted signature, and the
order of versions still holds. It can only name files, or leave them out.
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urljoin

import msgspec
from msgspec import Meta

from carapace.plugins.package.version import InvalidVersion, Version, parse_version
from carapace.plugins.state import PluginRefused, Refusal
from carapace.value import Value

__all__ = ["MAX_INDEX_BYTES", "Release", "choose"]

MAX_INDEX_BYTES: Final = 8 * 1024 * 1024


class Release(Value, frozen=True):
    """One version that the index offers.

    Attributes:
        version: Which.
        url: Where its package lies; https.
        sha256: Of the package file, in hex.
    """

    version: Version
    url: str
    sha256: str


class _Release(msgspec.Struct):
    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Plugin(msgspec.Struct):
    versions: dict[str, _Release]


class _Index(msgspec.Struct):
    format: int
    plugins: dict[str, _Plugin]


def choose(data: bytes, plugin_id: str, version: str | None, *, base: str) -> Release:
    """The release that is meant.

    Args:
        data: The index.
        plugin_id: Which plugin.
        version: Which version; the highest that is no pre-release if None.
        base: Address of the index; addresses in it may be relative to it.

    Raises:
        PluginRefused: If the index cannot be read or does not have it.
    """
    try:
        index = msgspec.json.decode(data, type=_Index)
        found = index.plugins.get(plugin_id)
        offered = (
            {parse_version(name): one for name, one in found.versions.items()} if found else {}
        )
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidVersion) as error:
        raise _refused(f"The registry's index cannot be read: {error}.") from error
    if index.format != 1:
        raise _refused(f"The registry's index has format {index.format}; this gateway reads 1.")
    wanted = _wanted(offered, version)
    if wanted is None:
        what = f"{plugin_id} {version}" if version else plugin_id
        raise _refused(f"The registry does not have {what}. Check the spelling.")
    url = urljoin(base, offered[wanted].url)
    if not url.startswith("https://"):
        raise _refused(f"The registry names an address for {plugin_id} that is not https.")
    return Release(wanted, url, offered[wanted].sha256)


def _wanted(offered: dict[Version, _Release], version: str | None) -> Version | None:
    if version is not None:
        wanted = parse_version(version)
        return wanted if wanted in offered else None
    return max((one for one in offered if not one.pre), default=None)


def _refused(message: str) -> PluginRefused:
    return PluginRefused(Refusal.SOURCE, message)
