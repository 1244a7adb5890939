from __future__ import annotations

from typing import Any

import pytest

from carapace.channels.access.warnings import access_warnings
from carapace.channels.mentions import MentionPatterns
from support.chat_people import access_settings


def warned(
    patterns: tuple[str, ...] = (), commands: dict[str, Any] | None = None, **rules: Any
) -> tuple[str, ...]:
    return access_warnings(
        access_settings(commands=commands, webhook=rules), MentionPatterns(patterns)
    )


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"allowFrom": ["alice"]},
        {"dmPolicy": "open", "allowFrom": ["*"]},
        {"groupPolicy": "open", "groups": {"room": {}}},
        {"enabled": False, "dmPolicy": "open"},
    ],
)
def test_settings_that_mean_what_they_say_are_not_warned_about(rules: dict[str, Any]):
    assert warned(("clawd",), {"ownerAllowFrom": ["webhook:alice"]}, **rules) == ()


@pytest.mark.parametrize(
    "entry", ["alice", "*", 7, "webhook:", "webhook:*", "webhook:id:", "*:alice", ":alice", "id:a"]
)
def test_an_owner_that_is_nobody_is_named(entry: str | int):
    (text,) = warned(commands={"ownerAllowFrom": [entry]})
    assert repr(str(entry)) in text


def test_a_pattern_that_is_left_out_is_named():
    (text,) = warned(("(", "clawd"))
    assert "'('" in text


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"dmPolicy": "open"}, "does not hold"),
        ({"dmPolicy": "open", "allowFrom": ["alice"]}, "does not hold"),
        ({"allowFrom": ["*"]}, "has no effect"),
        ({"groupPolicy": "open"}, "everybody may speak"),
    ],
)
def test_an_account_that_is_more_or_less_open_than_it_looks_is_named(
    rules: dict[str, Any], words: str
):
    (text,) = warned(**rules)
    assert words in text
    assert "channels.webhook (account default)" in text


def test_each_account_is_looked_at():
    rules: dict[str, Any] = {"dmPolicy": "open", "accounts": {"a": {}, "b": {"allowFrom": ["*"]}}}
    (text,) = warned(**rules)
    assert "(account a)" in text
