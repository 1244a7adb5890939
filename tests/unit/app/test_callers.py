"""Who is calling is decided by parts that share their secrets and their news."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.house import built

pytestmark = pytest.mark.slow


async def test_a_token_is_made_and_kept_if_none_is_given(tmp_path: Path):
    tokens: list[str] = []
    for _ in range(2):
        async with AsyncExitStack() as stack:
            parts = await built(tmp_path, stack)
            tokens.append(parts.shared.source)
            assert parts.authenticator is parts.server._parts.admitter
    assert tokens[0] == tokens[1] == "vault"
