"""Advisories of group C about commands typed at chat services: who may, on which account.

The table of commands is walked, so that a new command is in here. What E08 tests for one account
is tested here between accounts and channels.
"""

from __future__ import annotations

from typing import Any

import pytest

from carapace.channels.commands import ROWS, CommandName, CommandRow, Takes, parse_command
from carapace.channels.policy import Accept, Ask
from carapace.channels.types import ChatType
from carapace.protocol.scopes import Scope
from support.chat_people import CHANNELS, access_settings, gate, said

ON_EACH_CHANNEL = pytest.mark.parametrize("channel", CHANNELS)
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
ALLOWED_AT_WORK: dict[str, Any] = {
    "dmPolicy": "allowlist",
    "allowFrom": ["nobody"],
    "accounts": {"work": {"allowFrom": ["alice"]}, "home": {"allowFrom": ["bob"]}},
}


def texts(row: CommandRow) -> list[str]:
    """The command in all of its words, and with something behind it if it takes that."""
    more = row.choices[0] if row.choices else "AAAAAAAA"
    plain = list(row.words)
    return plain + [f"{word} {more}" for word in plain if row.takes is not Takes.NOTHING]


def commands(settings: Any, **message: Any) -> bool:
    """Whether what was typed is done as a command."""
    with gate(settings) as home:
        verdict = home.access.judge(said(**message))
        return isinstance(verdict, Accept) and verdict.command is not None


@ON_EACH_CHANNEL
@EACH_ROW
def test_adv_c30_owners_command_on_every_account_of_their_channel(channel: str, row: CommandRow):
    """And on none that the settings do not name."""
    accounts: dict[str, Any] = {"accounts": {"work": {}, "home": {"dmPolicy": "allowlist"}}}
    owner = {"ownerAllowFrom": [f"{channel}:alice"]}
    owned = access_settings(commands=owner, **{channel: accounts})
    for text in texts(row):
        for account, may in (("work", True), ("home", True), ("unknown", False)):
            assert commands(owned, text=text, channel=channel, account=account) is may


@ON_EACH_CHANNEL
@EACH_ROW
def test_adv_c30_who_is_allowed_on_one_account_commands_on_no_other(channel: str, row: CommandRow):
    settings = access_settings(**{channel: ALLOWED_AT_WORK})
    for text in texts(row):
        at_work = commands(settings, text=text, channel=channel, account="work")
        assert at_work is (not row.is_for_owners)
        for account in ("home", "default", "unknown"):
            assert not commands(settings, text=text, channel=channel, account=account)


@ON_EACH_CHANNEL
@EACH_ROW
@pytest.mark.parametrize("chat", ChatType)
def test_adv_c30_an_owner_of_another_channel_and_a_stranger_command_nowhere(
    channel: str, row: CommandRow, chat: ChatType
):
    others = [one for one in CHANNELS if one != channel]
    owners = [f"{one}:alice" for one in others]
    settings = access_settings(commands={"ownerAllowFrom": owners}, **{channel: {}})
    for text in texts(row):
        assert not commands(settings, text=text, channel=channel, chat=chat, mentions_us=True)
        with gate(settings) as home:
            verdict = home.access.judge(said(text, channel=channel, chat=chat))
            assert not isinstance(verdict, Accept)
            assert (verdict == Ask()) is (chat is ChatType.DIRECT)


@EACH_ROW
def test_adv_c30_what_changes_a_session_is_an_administrators_and_an_owners(row: CommandRow):
    """One exception: everybody who may speak may begin anew in their own conversation."""
    changes = row.scope in (Scope.ADMIN, Scope.PAIRING)
    assert changes is (row.is_for_owners or row.name is CommandName.NEW)
    assert all(parse_command(text) is not None for text in texts(row))
