"""`media.*`: the files that people and agents send."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.config.settings.setting import PositiveInt, Section, setting

__all__ = ["LinkSettings", "MediaSettings"]


class LinkSettings(Section, frozen=True):
    """Public links, for services that fetch what they are to show."""

    public_url: Annotated[
        str | None,
        setting(
            "Where strangers reach this gateway, as in https://assistant.example. Without it no "
            "links are made. Its host name belongs in `gateway.allowedHosts` as well.",
            live=True,
        ),
    ] = None
    ttl_minutes: Annotated[PositiveInt, setting("How long a link works.", live=True)] = 60


class MediaSettings(Section, frozen=True):
    """How much is kept of what people and agents send, and for how long."""

    max_item_mb: Annotated[
        PositiveInt, setting("Largest file that is fetched or stored, in MiB.", live=True)
    ] = 20
    max_total_mb: Annotated[PositiveInt, setting("All files together, in MiB.", live=True)] = 2_048
    ttl_hours: Annotated[
        PositiveInt,
        setting("How long a file is kept at most, even if a conversation mentions it.", live=True),
    ] = 720
    unused_ttl_minutes: Annotated[
        PositiveInt,
        setting("How long a file is kept that no message and no conversation needs.", live=True),
    ] = 60
    links: Annotated[LinkSettings, setting("Public links to files.")] = msgspec.field(
        default_factory=LinkSettings
    )
