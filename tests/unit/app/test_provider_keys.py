"""Keys that the vault keeps are found by provider and address, and by nothing else."""

from __future__ import annotations

from carapace.agent.providers.discovery import kept_key_name
from carapace.app.provider_keys import ProviderKeys
from support.auth import MemoryVault

URL = "http://127.0.0.1:8000/v1"


async def test_a_key_that_was_put_is_known_and_kept():
    vault = MemoryVault()
    keys = ProviderKeys(vault)
    await keys.put("server", URL, "k")
    assert dict(keys.variables) == {kept_key_name("server", URL): "k"}
    later = ProviderKeys(vault)
    assert later.variables == {}
    assert await later.load()
    assert later.variables == keys.variables
    assert not await later.load()


async def test_other_secrets_of_the_vault_are_not_keys():
    vault = MemoryVault()
    await vault.put("gateway-token", "t")
    keys = ProviderKeys(vault)
    assert not await keys.load()
    assert keys.variables == {}


async def test_a_key_that_is_gone_is_forgotten():
    vault = MemoryVault()
    keys = ProviderKeys(vault)
    await keys.put("openai", None, "k")
    await vault.delete(kept_key_name("openai", None))
    assert await keys.load()
    assert keys.variables == {}
