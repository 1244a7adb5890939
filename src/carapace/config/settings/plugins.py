"""`plugins.*`: code of other people, and whom it may come from."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from carapace.config.settings.setting import Name, Section, setting

__all__ = ["PluginEntry", "PluginsSettings"]

_PublisherKey = Annotated[str, msgspec.Meta(pattern=r"^ed25519:[A-Za-z0-9_-]{43}$(?!\n)")]
_HttpsUrl = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s]+$(?!\n)", max_length=2048)]
_Rule = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
_Path = Annotated[str, msgspec.Meta(pattern=r"^/[^\s?#]*$(?!\n)", max_length=256)]


class PluginEntry(Section, frozen=True):
    """What an operator says about one plugin."""

    enabled: Annotated[
        bool, setting("Let it run, if it is installed and was not disabled.", live=True)
    ] = True
    config: Annotated[
        dict[str, Any],
        setting("Its own settings; it sees these and no others.", live=True),
    ] = msgspec.field(default_factory=dict[str, Any])
    http: Annotated[
        tuple[_Rule, ...],
        setting(
            "Requests that it may make beside those that it was installed with, as in "
            "`POST https://chat.example/**`. A host that is written out may be one of your own "
            "network. When they change, the plugin is started anew.",
            live=True,
        ),
    ] = ()
    webhook_aliases: Annotated[
        tuple[_Path, ...],
        setting(
            "Further addresses that lead to its webhook, as in /zalo-webhook: those that the "
            "Node gateway had, until the service is told the new ones.",
            live=True,
        ),
    ] = ()


class PluginsSettings(Section, frozen=True):
    """Code of other people, run as WebAssembly with what it was granted and nothing else."""

    enabled: Annotated[bool, setting("Run plugins at all.", live=True)] = True
    trusted_publishers: Annotated[
        tuple[_PublisherKey, ...],
        setting(
            "Whose signatures count, by key. An empty list trusts nobody; "
            "`cara plugin trust KEY` adds one.",
            live=True,
        ),
    ] = ()
    allow_unsigned: Annotated[
        bool,
        setting(
            "Also take plugins that nobody signed. For development; they are marked as such "
            "wherever they are shown.",
            live=True,
        ),
    ] = False
    registry: Annotated[
        _HttpsUrl | None,
        setting("Index of plugins, so that they can be installed by their name.", live=True),
    ] = None
    entries: Annotated[
        dict[Name, PluginEntry], setting("What holds for single plugins, by id.", live=True)
    ] = msgspec.field(default_factory=dict[str, PluginEntry])
