"""Both vaults keep the port's promises: the sealed file, and the fake that tests use."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from carapace.credentials.keysource import KeySources
from carapace.credentials.ports import Vault
from carapace.credentials.sealed import SealedVault
from support.auth import MemoryVault


@pytest.fixture(params=["sealed", "memory"])
async def vault(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Vault]:
    if request.param == "memory":
        yield MemoryVault()
    else:
        yield await SealedVault.open(tmp_path / "v.json", KeySources({}, tmp_path / "keys"))


async def test_what_is_put_is_there_until_deleted(vault: Vault):
    assert await vault.get("a") is None
    await vault.put("a", "one")
    await vault.put("a", "zwei \u00e4 \U0001f511")
    await vault.put("b", "")
    assert await vault.get("a") == "zwei \u00e4 \U0001f511"
    assert await vault.get("b") == ""
    assert await vault.names() == ["a", "b"]
    assert await vault.delete("a")
    assert not await vault.delete("a")
    assert await vault.names() == ["b"]


async def test_get_or_put_makes_once(vault: Vault):
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return f"made {len(made)}"

    assert await vault.get_or_put("a", make) == "made 1"
    assert await vault.get_or_put("a", make) == "made 1"
    assert len(made) == 1
