"""`session.*`: how conversations are told apart."""

from __future__ import annotations

from typing import Annotated, Literal

from carapace.config.settings.setting import Name, Section, setting

__all__ = ["SessionSettings"]


class SessionSettings(Section, frozen=True):
    """How conversations are told apart."""

    scope: Annotated[
        Literal["per-sender", "global"],
        setting("One conversation for each sender, or one for all.", live=True),
    ] = "per-sender"
    main_key: Annotated[
        Name, setting("Another name under which clients may ask for the main session.", live=True)
    ] = "main"
