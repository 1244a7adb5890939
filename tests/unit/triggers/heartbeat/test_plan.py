"""Which agents have heartbeats, how often and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from carapace.config.settings.agents import AgentsSettings
from carapace.config.settings.heartbeat import ActiveHours
from carapace.ids import AgentId
from carapace.triggers.heartbeat.plan import PROMPT, HeartbeatPlan, every_ms_of, is_active, plan_of

MAIN, WORK = AgentId("main"), AgentId("work")


def plan(settings: dict[str, Any], agent_id: AgentId = MAIN) -> HeartbeatPlan:
    return plan_of(msgspec.convert(settings, AgentsSettings), agent_id, default_id=MAIN)


def test_without_settings_the_default_agent_looks_every_half_hour():
    found = plan({})
    assert (found.is_enabled, found.every, found.every_ms) == (True, "30m", 1_800_000)
    assert (found.prompt, found.is_own_prompt, found.target) == (PROMPT, False, "last")
    assert found.wire().ack_max_chars == 300
    other = plan({}, WORK).wire()
    assert (other.enabled, other.every, other.every_ms) == (False, "disabled", None)


def test_an_agents_own_settings_stand_above_the_common_ones():
    settings = {
        "defaults": {"heartbeat": {"every": "1h", "prompt": " look ", "ackMaxChars": 0}},
        "list": [{"id": "main"}, {"id": "Work", "heartbeat": {"every": "5", "to": "me"}}],
    }
    work = plan(settings, WORK)
    assert (work.is_enabled, work.every_ms, work.to) == (True, 300_000, "me")
    assert (work.prompt, work.is_own_prompt, work.ack_max_chars) == ("look", True, 0)
    # As soon as some agent has its own, the others have none.
    assert not plan(settings, MAIN).is_enabled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", 1_800_000),
        ("2h", 7_200_000),
        ("1.5m", 90_000),
        ("90s", 90_000),
        ("1d", 86_400_000),
        ("15", 900_000),
        ("5ms", 1_000),
        ("0m", None),
        ("soon", None),
    ],
)
def test_durations(text: str, expected: int | None):
    assert every_ms_of(text) == expected


@pytest.mark.parametrize(
    ("start", "end", "hour", "expected"),
    [
        ("08:00", "22:00", 7, False),
        ("08:00", "22:00", 8, True),
        ("08:00", "22:00", 22, False),
        ("22:00", "06:00", 23, True),
        ("22:00", "06:00", 5, True),
        ("22:00", "06:00", 12, False),
        ("08:00", "24:00", 23, True),
        ("08:00", "08:00", 3, True),
        (None, "08:00", 9, True),
    ],
)
def test_active_hours(start: str | None, end: str | None, hour: int, expected: bool):
    assert is_active(ActiveHours(start, end), datetime(2026, 1, 1, hour)) is expected  # noqa: DTZ001 - the wall there
    assert is_active(None, datetime(2026, 1, 1, hour))  # noqa: DTZ001 - as above
