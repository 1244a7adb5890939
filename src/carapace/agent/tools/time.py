"""The tool that knows what time it is; the system prompt names only the day."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble

__all__ = ["TOOLS", "CurrentTime"]

TOOLS = Tools()
# What small models say instead of leaving the argument out.
_HERE = frozenset({"", "local", "user"})


class CurrentTime(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `current_time`."""

    timezone: (
        Annotated[str, Meta(max_length=64, description="IANA name such as Europe/Berlin.")] | None
    ) = None


@TOOLS.tool("current_time", risk=Risk.READ, is_core=True)
async def current_time(ctx: ToolContext, params: CurrentTime) -> str:
    """Tell the current date and time, in the user's time zone or the one asked for."""
    asked = params.timezone if params.timezone not in _HERE else None
    name = asked or ctx.timezone or "UTC"
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolTrouble(
            f"{name!r} is no time zone; use a name such as Europe/Berlin or UTC"
        ) from None
    return ctx.clock.now().astimezone(zone).strftime(f"%A, %Y-%m-%d %H:%M:%S ({name})")
