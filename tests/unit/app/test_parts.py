"""The object graph: complete, and news from below find the server once it is there."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from carapace.app.parts import METHODS
from support.house import built

pytestmark = pytest.mark.slow


async def test_every_room_is_wired_and_closed_again(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        assert parts.profiles.default_id == "main"
        await parts.health.renew()
        assert b'"ok":' in bytes(parts.health.answer())
        assert parts.database.check() is None
    with pytest.raises(RuntimeError, match="closing"):
        parts.tasks.start(parts.health.renew(), name="late")


async def test_the_openai_endpoints_are_there_only_if_they_are_on(tmp_path: Path):
    text = '{"gateway": {"http": {"endpoints": {"chatCompletions": {"enabled": %s}}}}}'
    for flag in ("true", "false"):
        folder = tmp_path / flag
        folder.mkdir()
        async with AsyncExitStack() as stack:
            parts = await built(folder, stack, text % flag)
            paths = {resource.canonical for resource in parts.server._app.router.resources()}
        assert ("/v1/chat/completions" in paths) is (flag == "true")
        assert {"/health", "/ready"} <= paths


def test_every_method_of_the_first_release_is_registered():
    assert {
        "agent", "agent.identity.get", "agent.wait", "agents.list", "channels.status",
        "chat.abort", "chat.history", "chat.inject", "chat.send", "config.get", "config.schema",
        "health", "last-heartbeat", "logs.tail", "models.list", "sessions.compact",
        "sessions.delete", "sessions.list", "sessions.patch", "sessions.preview",
        "sessions.reset", "status", "system-presence",
    } <= set(METHODS)  # fmt: skip
