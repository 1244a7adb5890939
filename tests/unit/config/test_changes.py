from __future__ import annotations

import msgspec

from carapace.config.changes import Change, changes
from carapace.config.settings import Settings


def settings(tree):
    return msgspec.convert(tree, Settings)


def test_equal_settings_have_no_changes():
    assert changes(Settings(), Settings()) == ()


def test_each_changed_key_says_whether_it_is_live():
    new = settings({"gateway": {"port": 5, "auth": {"token": "t"}}, "logging": {"level": "debug"}})
    assert changes(Settings(), new) == (
        Change("gateway.port", live=False),
        Change("gateway.auth.token", live=True),
        Change("logging.level", live=True),
    )


def test_entries_of_a_map_count_one_by_one_and_lists_as_a_whole():
    old = settings({"models": {"providers": {"a": {"apiKey": "1"}, "b": {}}}})
    new = settings(
        {
            "models": {"providers": {"a": {"apiKey": "2", "headers": {"x": "y"}}, "c": {}}},
            "agents": {"list": [{"id": "z"}]},
        }
    )
    assert [one.key for one in changes(old, new)] == [
        "models.providers.a.apiKey",
        "models.providers.a.headers.x",
        "models.providers.b",
        "models.providers.c",
        "agents.list",
    ]


def test_a_section_that_appears_counts_as_a_whole():
    old = settings({"agents": {"defaults": {"budget": {}}}})
    new = settings({"agents": {"defaults": {"budget": {"dailyUsd": 1}}}})
    assert changes(old, new) == (Change("agents.defaults.budget.dailyUsd", live=True),)
