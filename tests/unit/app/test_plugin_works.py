from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from carapace.errors import Refused
from support.house import built

pytestmark = pytest.mark.slow


async def test_it_is_built_with_the_first_question_and_ended_with_the_gateway(tmp_path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        root = tmp_path / "state" / "plugins"
        assert not root.exists()
        found = await parts.plugins.list()
        assert (found.reports, found.trouble) == ((), None)
        assert root.is_dir()
        with pytest.raises(Refused, match="does not run"):
            parts.plugins.guest("parrot", "tool")
        with pytest.raises(Refused):
            await parts.plugins.install("/no/such/file", accept=True, by="test")
