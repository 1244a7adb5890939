"""`heartbeat.*` of agents: turns that nobody asked for."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.config.settings.setting import Count, Name, Section, setting

__all__ = ["ActiveHours", "HeartbeatSettings"]

_Time = Annotated[str, msgspec.Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
_Every = Annotated[str, msgspec.Meta(pattern=r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)?\s*$")]


class ActiveHours(Section, frozen=True):
    """The part of the day in which heartbeats may run."""

    start: Annotated[_Time | None, setting("From when on, as in `08:00`.", live=True)] = None
    end: Annotated[
        _Time | None, setting("Until when, as in `22:00` or `24:00`; may lie before.", live=True)
    ] = None
    timezone: Annotated[
        Name | None,
        setting(
            "IANA time zone, or `local` for that of the machine; without it `userTimezone`.",
            live=True,
        ),
    ] = None


class HeartbeatSettings(Section, frozen=True):
    """Turns that nobody asked for."""

    every: Annotated[
        _Every | None,
        setting(
            "How often, as in `30m` or `2h`; a bare number is minutes, `0m` is never. Without it "
            "every 30 minutes.",
            live=True,
        ),
    ] = None
    active_hours: Annotated[
        ActiveHours | None, setting("The part of the day for them; else all day.", live=True)
    ] = None
    prompt: Annotated[
        str | None,
        setting(
            "What the agent is asked; without it, to do what HEARTBEAT.md in its workspace says.",
            live=True,
        ),
    ] = None
    target: Annotated[
        Name | None,
        setting(
            "Where an answer goes: `last` is where the main session was last used from, `none` "
            "nowhere, or a channel. Without it `last`.",
            live=True,
        ),
    ] = None
    to: Annotated[Name | None, setting("To whom there.", live=True)] = None
    ack_max_chars: Annotated[
        Count | None,
        setting(
            "An answer with HEARTBEAT_OK and at most so many other characters says nothing. "
            "Without it 300.",
            live=True,
        ),
    ] = None
