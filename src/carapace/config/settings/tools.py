"""`tools.*` and `memory.*`: what an agent may do besides talking."""

from __future__ import annotations

from typing import Annotated, Literal

from carapace.config.settings.setting import Section, setting

__all__ = ["MemorySettings", "ToolsSettings"]


class ToolsSettings(Section, frozen=True):
    """Which tools an agent has."""

    allow: Annotated[
        tuple[str, ...], setting("Only these tools; without any, all that are safe.", live=True)
    ] = ()
    deny: Annotated[tuple[str, ...], setting("Never these tools.", live=True)] = ()


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
