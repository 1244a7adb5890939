"""A gateway without plugins builds nothing for them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.house import built

pytestmark = pytest.mark.slow


async def test_nothing_is_built_until_the_first_plugin_is_asked_for(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        await parts.plugins.start()
        assert not (tmp_path / "state" / "plugins").exists()
