"""`discovery.*`: whether apps on the local network can find the gateway by themselves."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Section, setting

__all__ = ["DiscoverySettings", "MdnsSettings"]


class MdnsSettings(Section, frozen=True):
    """Announcements by multicast DNS (Bonjour)."""

    mode: Annotated[
        Literal["off", "minimal", "full"],
        setting(
            "Announce the gateway on the networks it listens on: not at all, by its port alone, "
            "or with this machine's name as well."
        ),
    ] = "off"


class DiscoverySettings(Section, frozen=True):
    """How apps find the gateway."""

    mdns: Annotated[MdnsSettings, setting("Announcements on the local network.")] = msgspec.field(
        default_factory=MdnsSettings
    )
