"""Plugins: what is installed, and how it comes and goes: `plugins.*`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = [
    "PendingPlugin",
    "PluginChanged",
    "PluginConsent",
    "PluginInstall",
    "PluginItem",
    "PluginListing",
    "PluginNamed",
    "PluginRollback",
    "PluginUpgrade",
]

_Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,31}$(?!\n)")]
_Source = Annotated[str, Meta(min_length=1, max_length=4096)]
_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
_Version = Annotated[str, Meta(min_length=1, max_length=64)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class PluginInstall(_In):
    """Params of `plugins.install`: a path of the gateway's machine, an https address or a name."""

    source: _Source
    accept: bool = False


class PluginUpgrade(_In):
    """Params of `plugins.upgrade`; without a source, from where it came."""

    id: _Id
    source: _Source | None = None
    accept: bool = False


class PluginConsent(_In):
    """Params of `plugins.consent`: the digest of the waiting version as it was shown."""

    id: _Id
    digest: _Digest
    accept: bool = True


class PluginRollback(_In):
    """Params of `plugins.rollback`; without a version, to the one before."""

    id: _Id
    version: _Version | None = None
    accept: bool = False


class PluginNamed(_In):
    """Params of `plugins.enable`, `plugins.disable` and `plugins.remove`."""

    id: _Id


class PendingPlugin(_Out, kw_only=True):
    """A version that waits for consent: what it would be allowed beyond what it is."""

    version: str
    digest: str
    publisher: str | None = None
    signed: bool
    added: list[str]
    removed: list[str]


class PluginItem(_Out, kw_only=True):
    """One plugin; `state` says how it is and `reason` why, with the next step."""

    id: str
    name: str
    description: str | None = None
    version: str
    state: str
    reason: str | None = None
    refusal: str | None = None
    enabled: bool
    signed: bool
    publisher: str | None = None
    roles: list[str]
    permissions: list[str]
    source: str
    kept_at_ms: int
    rollbacks: list[str]
    pending: PendingPlugin | None = None


class PluginListing(_Out, kw_only=True):
    """The answer to `plugins.list`; with `trouble` the list cannot be trusted and none runs."""

    plugins: list[PluginItem]
    trouble: str | None = None


class PluginChanged(_Out, kw_only=True):
    """The answer to everything that changes a plugin; without one, nothing of it is left."""

    ok: bool
    plugin: PluginItem | None = None
