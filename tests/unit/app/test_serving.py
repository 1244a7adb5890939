"""The server answers every method, and every route that is always there."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from carapace.app.all_methods import METHODS
from support.house import built

pytestmark = pytest.mark.slow


async def test_the_server_has_all_methods_and_the_plain_routes(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        assert parts.server._parts.methods is METHODS
        paths = {resource.canonical for resource in parts.server._app.router.resources()}
    assert {"/health", "/ready", "/tools/invoke"} <= paths
