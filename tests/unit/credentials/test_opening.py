from __future__ import annotations

from pathlib import Path

from carapace.credentials.opening import open_vault, vault_path


async def test_a_vault_is_the_same_when_it_is_opened_again(tmp_path: Path):
    environment = {"HOME": str(tmp_path)}
    first = await open_vault(tmp_path / "state", environment)
    await first.put("name", "value")
    assert vault_path(tmp_path / "state").exists()
    assert await (await open_vault(tmp_path / "state", environment)).get("name") == "value"
