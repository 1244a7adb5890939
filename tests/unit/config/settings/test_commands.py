from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.commands import CommandsSettings


def test_commands_are_on_and_only_for_people_who_were_let_in():
    settings = CommandsSettings()
    assert (settings.text, settings.use_access_groups, settings.owner_allow_from) == (
        True,
        True,
        (),
    )


@pytest.mark.parametrize("entry", ["alice", "*", 123])
def test_what_the_node_gateway_takes_is_taken(entry: str | int):
    """It makes nobody an owner, and is warned about; a start must not fail over it."""
    settings = msgspec.convert({"ownerAllowFrom": [entry]}, CommandsSettings)
    assert settings.owner_allow_from == (entry,)


def test_an_id_may_hold_colons():
    settings = msgspec.convert({"ownerAllowFrom": ["matrix:@a:b.example"]}, CommandsSettings)
    assert settings.owner_allow_from == ("matrix:@a:b.example",)
