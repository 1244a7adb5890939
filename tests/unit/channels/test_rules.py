from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.channels.rules import NOBODY, AccountRules, SenderList, owners_of, rules_of
from carapace.channels.types import ChatType, Conversation
from carapace.config.settings.channels import AccountSettings


def rules(**given: Any) -> AccountRules:
    return rules_of(msgspec.convert(given, AccountSettings))


def room(id_: str, space: str | None = None) -> Conversation:
    return Conversation(id=id_, chat_type=ChatType.GROUP, space_id=space)


def test_without_settings_strangers_need_a_code_and_groups_are_closed():
    found = rules()
    assert (found.dm_policy, found.group_policy) == ("pairing", "allowlist")
    assert (found.is_enabled, found.require_mention, found.allow_bots) == (True, True, False)
    assert found.allow_from == NOBODY
    assert found.group_allow_from is None


def test_an_account_that_does_not_exist_is_off():
    assert not rules_of(None).is_enabled


def test_a_list_holds_ids_typed_ids_numbers_and_anyone():
    listed = rules(allowFrom=["a", "id:b", "id:id:c", 42, "id:*"]).allow_from
    assert listed.ids == {"a", "b", "id:c", "42", "*"}
    assert not listed.has_anyone
    assert rules(allowFrom=["*"]).allow_from.has_anyone


@pytest.mark.parametrize("entries", [[], [""], ["id:"]])
def test_empty_entries_admit_nobody(entries: list[str]):
    listed = rules(allowFrom=entries).allow_from
    assert not listed.admits("")
    assert not listed.admits("alice")


def test_an_empty_id_is_never_admitted():
    assert not SenderList(frozenset({""}), has_anyone=True).admits("")
    assert not SenderList(frozenset({""})).names("")


def test_the_ids_alone_leave_anyone_out():
    assert SenderList(frozenset({"a"}), has_anyone=True).without_anyone() == SenderList(
        frozenset({"a"})
    )


def test_a_missing_group_list_and_an_empty_one_are_told_apart():
    assert rules().group_allow_from is None
    assert rules(groupAllowFrom=[]).group_allow_from == NOBODY
    assert not rules().has_groups
    assert rules(groups={}).has_groups


def test_the_most_specific_entry_speaks_for_a_conversation():
    found = rules(
        groups={
            "r": {"requireMention": False},
            "id:space:odd": {"requireMention": False},
            "space:s": {"allowFrom": ["a"]},
            "*": {"enabled": False},
        }
    )
    named = found.group(room("r", "s"))
    assert named is not None
    assert (named.is_named, named.require_mention, named.senders) == (True, False, None)
    of_space = found.group(room("x", "s"))
    assert of_space is not None
    assert of_space.senders == SenderList(frozenset({"a"}))
    other = found.group(room("x"))
    assert other is not None
    assert (other.is_named, other.is_enabled) == (False, False)
    odd = found.group(room("space:odd"))
    assert odd is not None
    assert odd.is_named
    looks_like_a_space = found.group(room("space:s"))
    assert looks_like_a_space is not None
    assert not looks_like_a_space.is_named


def test_without_an_entry_nothing_is_said():
    assert rules(groups={"r": {}}).group(room("x", "")) is None


def test_whether_a_mention_is_needed_follows_the_same_order():
    found = rules(requireMention=False, groups={"r": {"requireMention": True}, "q": {}, "*": {}})
    assert found.needs_mention(room("r"))
    assert not found.needs_mention(room("q"))
    assert rules().needs_mention(room("r"))


@pytest.mark.parametrize(
    ("entries", "owners"),
    [
        (["webhook:alice"], {"alice"}),
        (["webhook:id:alice"], {"alice"}),
        (["webhook:@a:b.example"], {"@a:b.example"}),
        (["telegram:alice", "webhookx:alice", "alice"], set()),
        (["webhook:*", "webhook:", "webhook:id:", 7], set()),
    ],
)
def test_owners_are_ids_of_this_channel(entries: list[str | int], owners: set[str]):
    assert owners_of(entries, "webhook") == owners
