from __future__ import annotations

import json
from pathlib import Path

import msgspec

from carapace.channels.accounts.status import AccountStatus, channels_status
from carapace.channels.types import ChannelInfo

GOLDEN = Path(__file__).parents[3] / "golden" / "node-2026.1"
INFOS = [
    ChannelInfo(id="webhook", label="Webhook", order=90),
    ChannelInfo(id="matrix", label="Matrix", order=70),
    ChannelInfo(id="zalo", label="Zalo", order=80),
]


def built(*accounts: AccountStatus):
    return msgspec.to_builtins(channels_status(INFOS, accounts, now_ms=5))


def test_without_accounts_the_answer_is_that_of_an_empty_node_gateway():
    trace = json.loads((GOLDEN / "channels.status.json").read_text())
    wanted = trace["cases"][0]["responses"][0]["payload"]
    assert built(AccountStatus(channel="webhook", account="default")) == {**wanted, "ts": 5}


def test_rows_have_what_those_of_the_node_gateway_have():
    row = built(AccountStatus(channel="matrix", account="a", is_configured=True))
    shared = {
        "accountId",
        "enabled",
        "configured",
        "running",
        "lastStartAt",
        "lastStopAt",
        "lastError",
        "lastInboundAt",
        "lastOutboundAt",
    }
    assert shared <= row["channelAccounts"]["matrix"][0].keys()


def test_an_account_is_told_with_its_times_and_its_trouble():
    status = AccountStatus(
        channel="matrix",
        account="work",
        name="Work",
        is_configured=True,
        is_enabled=True,
        is_running=True,
        last_start_at_ms=1,
        last_stop_at_ms=2,
        last_error="no line",
        last_inbound_at_ms=3,
        last_outbound_at_ms=4,
        dm_policy="open",
    )
    shown = built(status)
    assert shown["channelAccounts"]["matrix"] == [
        {
            "accountId": "work",
            "name": "Work",
            "enabled": True,
            "configured": True,
            "running": True,
            "lastStartAt": 1,
            "lastStopAt": 2,
            "lastError": "no line",
            "dmPolicy": "open",
            "lastInboundAt": 3,
            "lastOutboundAt": 4,
        }
    ]
    assert shown["channels"]["matrix"] == {
        "configured": True,
        "running": True,
        "lastStartAt": 1,
        "lastStopAt": 2,
        "lastError": "no line",
    }
    assert shown["channelMeta"] == [{"id": "matrix", "label": "Matrix", "detailLabel": "Matrix"}]


def test_channels_come_in_their_order_with_their_first_account_as_default():
    shown = built(
        AccountStatus(channel="webhook", account="b", is_enabled=True),
        AccountStatus(channel="matrix", account="x", is_configured=True),
        AccountStatus(channel="webhook", account="c", is_configured=True),
    )
    assert shown["channelOrder"] == ["matrix", "webhook"]
    assert shown["channelLabels"] == {"matrix": "Matrix", "webhook": "Webhook"}
    assert shown["channelDefaultAccountId"] == {"matrix": "x", "webhook": "b"}
    assert len(shown["channelAccounts"]["webhook"]) == 2
