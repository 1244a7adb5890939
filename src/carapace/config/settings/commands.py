"""`commands.*`: commands typed in chats, and who the owner is there."""

from __future__ import annotations

from typing import Annotated

from carapace.config.settings.setting import Section, setting

__all__ = ["CommandsSettings"]


class CommandsSettings(Section, frozen=True):
    """Commands typed in chats."""

    text: Annotated[bool, setting("Take `/status` and the like as commands.", live=True)] = True
    use_access_groups: Annotated[
        bool,
        setting(
            "Only people who are listed by id, were let in by pairing or own the gateway may "
            "use commands; otherwise everybody who may speak. `/approve` and `/reject` are for "
            "owners in any case.",
            live=True,
        ),
    ] = True
    owner_allow_from: Annotated[
        tuple[str | int, ...],
        setting(
            "Your own ids, as `channel:id`, e.g. `webhook:alice`. They may write directly and "
            "do on that channel what you may do. An entry without a channel is nobody.",
            live=True,
        ),
    ] = ()
