"""One try to bring something to a plugin's service, and how long to wait after one in vain."""

from __future__ import annotations

from collections.abc import Awaitable
from enum import Enum
from typing import Final

from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.telemetry.log import get_logger

__all__ = ["MAX_BREAKS", "Brought", "bring", "pause_s"]

_log = get_logger(__name__)

MAX_BREAKS: Final = 5
"""How often a plugin may break on the same thing before it is dropped."""

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0


class Brought(Enum):
    """What became of a try."""

    TAKEN = "taken"
    BROKEN = "broken"  # the plugin broke on it, or said no
    ABSENT = "absent"  # the plugin was surely not called


async def bring(call: Awaitable[None], *, plugin_id: str, what: str) -> Brought:
    """Make one call of the service; whatever it raises is an outcome.

    Args:
        call: The call.
        plugin_id: For the log.
        what: Likewise, e.g. `timer morning`.
    """
    try:
        await call
    except PluginUnavailable:
        return Brought.ABSENT
    except (GuestTrap, GuestError) as error:
        _log.warning(
            "a plugin did not take what it asked for",
            plugin=plugin_id,
            what=what,
            reason=error.message,
        )
        return Brought.BROKEN
    except Exception:  # noqa: BLE001 - a fault of ours; trying for ever would not mend it
        _log.exception("bringing something to a plugin broke", plugin=plugin_id, what=what)
        return Brought.BROKEN
    return Brought.TAKEN


def pause_s(tries: int) -> float:
    """How long to wait after so many tries (at least 1) in vain."""
    return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20))
