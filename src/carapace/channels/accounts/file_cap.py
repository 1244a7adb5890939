"""How large a file may be that an account takes in or sends."""

from __future__ import annotations

from typing import Final

from carapace.channels.accounts.settings import account_settings, branches
from carapace.config.settings import Settings

__all__ = ["max_file_bytes"]

_MEGABYTE: Final = 1_000_000


def max_file_bytes(settings: Settings, channel: str, account: str) -> int:
    """The cap of one file: `mediaMaxMb` of the account, or of the agents if it has none.

    Args:
        settings: As they are now.
        channel: Its id; one that is not known has no settings of its own.
        account: Its name; likewise.
    """
    branch = branches(settings.channels).get(channel)
    defaults = settings.channels.defaults
    own = None if branch is None else account_settings(defaults, branch, account)
    nearest = defaults.media_max_mb if own is None else own.media_max_mb
    return round(
        (settings.agents.defaults.media_max_mb if nearest is None else nearest) * _MEGABYTE
    )
