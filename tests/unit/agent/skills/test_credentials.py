"""Keys of skills are kept in the vault, by skill and variable."""

from __future__ import annotations

import pytest

from carapace.agent.skills.credentials import SkillSecrets, is_reserved
from support.auth import MemoryVault


async def test_what_was_kept_is_known_after_a_restart():
    vault = MemoryVault()
    secrets = SkillSecrets(vault)
    await secrets.put("trello:x", "TRELLO_KEY", "k")
    await vault.put("gateway-token", "t")
    again = SkillSecrets(vault)
    assert not again.has("trello:x", "TRELLO_KEY")
    await again.load()
    assert again.has("trello:x", "TRELLO_KEY")
    assert again.variables("trello:x") == ("TRELLO_KEY",)
    assert await again.get("trello:x", "TRELLO_KEY") == "k"


async def test_a_blank_value_is_forgotten():
    vault = MemoryVault()
    secrets = SkillSecrets(vault)
    await secrets.put("a", "K", "v")
    await secrets.put("a", "K", "")
    assert not secrets.has("a", "K")
    assert await secrets.get("a", "K") is None
    assert vault.kept == {}


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LC_ALL", "PAGER", "http_proxy", "HTTPS_PROXY"),
        *("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "GIT_SSH_COMMAND"),
        *("NODE_OPTIONS", "PYTHONPATH", "BASH_ENV", "PERL5LIB"),
    ],
)
def test_adv_g15_variables_that_change_how_programs_start_are_reserved(name: str):
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["TRELLO_TOKEN", "OPENAI_API_KEY", "GOOGLE_PLACES_API_KEY"])
def test_keys_of_services_are_not_reserved(name: str):
    assert not is_reserved(name)
