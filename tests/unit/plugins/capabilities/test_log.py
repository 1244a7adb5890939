"""A plugin's lines are in the gateway's log, under its name, and bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carapace.plugins.capabilities.log import LogCapability
from support.log_lines import log_lines


@pytest.fixture
def lines() -> Iterator[list[dict]]:
    with log_lines() as found:
        yield found


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
