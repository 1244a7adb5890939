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
    dm_scope: Annotated[
        Literal["main", "per-peer", "per-channel-peer", "per-account-channel-peer"],
        setting(
            "Which direct chats share a conversation: all of them with your main one (`main`), "
            "those of one person (`per-peer`), or those of one person on one channel "
            "(`per-channel-peer`, or with each of your accounts apart: "
            "`per-account-channel-peer`). Strangers under `dmPolicy: open` never share the main "
            "one.",
            live=True,
        ),
    ] = "main"
