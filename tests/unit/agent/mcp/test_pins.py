"""What a server says about a tool is remembered, so that a change is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from carapace.agent.mcp.definitions import Definition
from carapace.agent.mcp.pins import MAX_PINS, Pins
from carapace.store.ports import Database
from carapace.store.sqlite import SqliteDatabase
from support.clock import FakeClock
from support.database import memory_database
from support.egress import AuditTrail


def tool(name: str = "add", digest: str = "1") -> Definition:
    return Definition(
        name=f"mcp_x_{name}", said_name=name, description="Adds.", schema={}, digest=digest
    )


@pytest.fixture
async def database() -> AsyncIterator[SqliteDatabase]:
    async with memory_database() as found:
        yield found


@pytest.fixture
def trail(tmp_path: Path) -> AuditTrail:
    return AuditTrail(tmp_path / "audit")


def opened(database: Database, trail: AuditTrail) -> Pins:
    return Pins(database, FakeClock(), audit=trail.audit)


async def test_a_new_tool_is_known_and_a_changed_one_is_not(
    database: SqliteDatabase, trail: AuditTrail
):
    pins = opened(database, trail)
    assert await pins.changed("x", [tool()]) == frozenset()
    assert await pins.changed("x", [tool(digest="2"), tool("other")]) == {"add"}
    assert await pins.changed("y", [tool(digest="2")]) == frozenset()  # another server's
    (line,) = trail.lines()
    assert line["kind"] == "mcp.tool_changed"
    assert (line["server"], line["tool"]) == ("x", "mcp_x_add")
    assert (line["before"], line["digest"]) == ("1", "2")


async def test_a_restart_and_a_tool_that_was_away_change_nothing(
    database: SqliteDatabase, trail: AuditTrail
):
    await opened(database, trail).changed("x", [tool()])
    pins = opened(database, trail)
    await pins.changed("x", [])
    assert await pins.changed("x", [tool(digest="2")]) == {"add"}
    assert await pins.changed("x", [tool(digest="2")]) == {"add"}
    assert len(trail.lines()) == 1  # told once


async def test_what_a_person_allowed_is_known(database: SqliteDatabase, trail: AuditTrail):
    pins = opened(database, trail)
    await pins.changed("x", [tool()])
    await pins.accept("x", tool(digest="2"))
    await pins.accept("x", tool("new"))
    assert await pins.changed("x", [tool(digest="2"), tool("new")]) == frozenset()
    assert await pins.changed("x", [tool(digest="1")]) == {"add"}


async def test_renaming_tools_wins_a_server_nothing(database: SqliteDatabase, trail: AuditTrail):
    pins = opened(database, trail)
    await pins.changed("x", [tool(f"t{at}") for at in range(MAX_PINS)])
    assert await pins.changed("x", [tool("one-more")]) == {"one-more"}
    assert trail.lines()[-1]["before"] == "unknown"
