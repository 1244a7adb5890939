"""An account begins, changes and ends as a whole."""

from __future__ import annotations

import json

import pytest
from carapace_zalo.ports import PortError


def test_a_stop_leaves_nothing_running(house):
    house.start()
    house.plugin.stop("default")
    assert (house.polls, house.alarms, house.store) == ({}, {}, {})
    assert house.statuses[-1] == ("default", "stopped", "")


def test_a_stop_of_what_does_not_run_is_nothing(house):
    house.plugin.stop("default")
    assert house.statuses == []


def test_settings_that_are_wrong_leave_what_runs_alone(house):
    house.start()
    with pytest.raises(PortError, match="surprise"):
        house.start(surprise=1)
    assert house.polls


def test_a_webhook_account_can_go_back_to_asking(house, zalo):
    house.start(webhookUrl="http://127.0.0.1:9/hook")
    house.start()
    assert zalo.webhook is None
    assert house.polls


def test_an_account_knows_its_bot(house):
    house.start()
    kept = json.loads(house.store["account/default"])
    assert (kept["bot_id"], kept["bot_name"]) == ("1459232241454765289", "bot.carapace")


def test_a_message_that_names_the_bot_is_meant_for_it(house, zalo):
    house.start()
    zalo.write("@bot.carapace hello", group=True, chat="g1")
    house.poll()
    [message] = house.inbox
    assert message.is_group
    assert message.mentions_us
