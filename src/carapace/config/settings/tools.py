"""`tools.*` and `memory.*`: what an agent may do besides talking."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Section, setting
from carapace.config.settings.understanding import LinkReading, MediaReading

__all__ = ["MemorySettings", "ToolsSettings"]


class ToolsSettings(Section, frozen=True):
    """Which tools an agent has."""

    allow: Annotated[
        tuple[str, ...], setting("Only these tools; without any, all that are safe.", live=True)
    ] = ()
    deny: Annotated[tuple[str, ...], setting("Never these tools.", live=True)] = ()
    media: Annotated[MediaReading, setting("What is read of a message's files.", live=True)] = (
        msgspec.field(default_factory=MediaReading)
    )
    links: Annotated[LinkReading, setting("What is read of a message's links.", live=True)] = (
        msgspec.field(default_factory=LinkReading)
    )


class MemorySettings(Section, frozen=True):
    """What an agent remembers across sessions."""

    enabled: Annotated[bool, setting("Offer the memory tools.")] = True
    vectors: Annotated[
        Literal["auto", "off"],
        setting(
            "Find memories by meaning as well as by words: if the extra is installed, or never.",
            live=True,
        ),
    ] = "auto"
