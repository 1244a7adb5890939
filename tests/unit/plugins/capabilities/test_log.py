"""A plugin's lines are in the gateway's log, under its name, and bounded."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from carapace.plugins.capabilities.log import LogCapability
from carapace.telemetry import log as telemetry
from carapace.telemetry.log import LogOptions, configure


@pytest.fixture
def lines() -> Iterator[list[dict]]:
    state, root = telemetry._state, logging.getLogger()
    handlers, level = list(root.handlers), root.level
    telemetry._state = telemetry._State()
    found: list[dict] = []
    outlet = lambda line: found.append(json.loads(line))  # noqa: E731 - one expression
    configure(LogOptions(level="debug", outlets=(outlet,), stream=io.StringIO()))
    yield found
    telemetry._state = state
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", "debug"), ("info", "info"), ("warn", "warning"), ("error", "error")],
)
async def test_a_line_is_written_at_its_level(lines, level, written):
    assert await LogCapability("demo").call("emit", [level, "hello"]) is None
    (line,) = lines
    assert (line["level"], line["event"]) == (written, "plugin says")
    assert (line["plugin"], line["text"]) == ("demo", "hello")


async def test_a_long_line_is_cut(lines):
    await LogCapability("demo").call("emit", ["info", "x" * 5000])
    assert lines[0]["text"] == "x" * 4096 + " (cut)"
