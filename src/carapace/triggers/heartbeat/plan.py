"""Which agents have heartbeats, how often, in which hours (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from carapace.config.settings.agents import AgentsSettings
from carapace.config.settings.heartbeat import ActiveHours, HeartbeatSettings
from carapace.ids import AgentId
from carapace.protocol.health import HeartbeatHealth
from carapace.value import Value

__all__ = ["PROMPT", "HeartbeatPlan", "every_ms_of", "is_active", "plan_of"]

PROMPT: Final = (
    "This is a heartbeat: nobody wrote to you. Do what HEARTBEAT.md in your workspace says, if it "
    "is there, and look at what has come in since the last turn. Do not take up old tasks again. "
    "If nothing needs attention, reply HEARTBEAT_OK."
)
_EVERY: Final = "30m"
_ACK_CHARS: Final = 300
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*")
_UNITS_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    None: 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_MIN_EVERY_MS: Final = 1_000


class HeartbeatPlan(Value, frozen=True, kw_only=True):
    """The heartbeat of one agent.

    Attributes:
        agent_id: Whose.
        is_enabled: Whether the settings give it one.
        every: As written.
        every_ms: How often; None is never.
        prompt: What it is asked.
        is_own_prompt: The operator wrote the prompt.
        target: `last`, `none` or a channel.
        to: To whom there.
        ack_max_chars: See `carapace.triggers.heartbeat.answers`.
        active: The hours for it; None is all day.
        timezone: Of the agent's user, for those hours.
    """

    agent_id: AgentId
    is_enabled: bool
    every: str
    every_ms: int | None
    prompt: str
    is_own_prompt: bool
    target: str
    to: str | None
    ack_max_chars: int
    active: ActiveHours | None
    timezone: str | None

    def wire(self) -> HeartbeatHealth:
        """As health shows it."""
        return HeartbeatHealth(
            enabled=self.is_enabled,
            every=self.every if self.is_enabled else "disabled",
            every_ms=self.every_ms if self.is_enabled else None,
            prompt=self.prompt,
            target=self.target,
            ack_max_chars=self.ack_max_chars,
        )


def plan_of(settings: AgentsSettings, agent_id: AgentId, *, default_id: AgentId) -> HeartbeatPlan:
    """The heartbeat of `agent_id`.

    As with the Node gateway, the default agent has one, unless some agents' entries say that they
    have: then exactly those do.
    """
    own: Mapping[str, HeartbeatSettings] = {
        entry.id.lower(): entry.heartbeat for entry in settings.list if entry.heartbeat is not None
    }
    found = _merged(settings.defaults.heartbeat, own.get(agent_id))
    prompt = (found.prompt or "").strip()
    every = (found.every or _EVERY).strip()
    return HeartbeatPlan(
        agent_id=agent_id,
        is_enabled=agent_id in own if own else agent_id == default_id,
        every=every,
        every_ms=every_ms_of(every),
        prompt=prompt or PROMPT,
        is_own_prompt=bool(prompt),
        target=found.target or "last",
        to=found.to,
        ack_max_chars=_ACK_CHARS if found.ack_max_chars is None else found.ack_max_chars,
        active=found.active_hours,
        timezone=settings.defaults.user_timezone,
    )


def every_ms_of(text: str) -> int | None:
    """Milliseconds of a duration such as `30m`; None for nothing, and for none at all."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    found = round(float(match[1]) * _UNITS_MS[match[2]])
    return max(_MIN_EVERY_MS, found) if found > 0 else None


def is_active(active: ActiveHours | None, there: datetime) -> bool:
    """Whether the wall clock `there` is within the hours; they may go past midnight."""
    if active is None or active.start is None or active.end is None:
        return True
    start, end = _minutes(active.start), _minutes(active.end)
    now = there.hour * 60 + there.minute
    if start == end:
        return True
    return start <= now < end if end > start else now >= start or now < end


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _merged(defaults: HeartbeatSettings, own: HeartbeatSettings | None) -> HeartbeatSettings:
    if own is None:
        return defaults
    said = {
        name: value for name in own.__struct_fields__ if (value := getattr(own, name)) is not None
    }
    return msgspec.structs.replace(defaults, **said)
