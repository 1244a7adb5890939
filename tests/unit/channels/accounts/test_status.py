from __future__ import annotations

import json
from pathlib import Path

import msgspec

from carapace.channels.accounts.status import AccountStatus, channel_health, channels_status
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
        base_url="http://127.0.0.1:8080",
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
            "lastProbeAt": None,
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
        "lastProbeAt": None,
        "linked": True,
        "connected": True,
        "reconnectAttempts": 0,
        "baseUrl": "http://127.0.0.1:8080",
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


def test_what_a_plugin_adds_to_its_label_is_shown():
    info = ChannelInfo(
        id="phone", label="Phone", detail_label="Phone by wire", system_image="phone.fill"
    )
    accounts = [AccountStatus(channel="phone", account="default", is_enabled=True)]
    shown = channels_status([info], accounts, now_ms=5)
    assert shown.channel_labels == {"phone": "Phone"}
    assert shown.channel_detail_labels == {"phone": "Phone by wire"}
    assert shown.channel_system_images == {"phone": "phone.fill"}
    assert shown.channel_meta == [
        {
            "id": "phone",
            "label": "Phone",
            "detailLabel": "Phone by wire",
            "systemImage": "phone.fill",
        }
    ]


def test_who_may_write_and_what_a_probe_said_are_shown_where_they_are_known():
    status = AccountStatus(channel="matrix", account="a", is_enabled=True)
    status.allow_from = ("ann", 7)
    status.probe, status.last_probe_at_ms = {"ok": True}, 9
    row = built(status)["channelAccounts"]["matrix"][0]
    assert (row["allowFrom"], row["probe"], row["lastProbeAt"]) == (["ann", 7], {"ok": True}, 9)


def test_health_tells_each_account_by_its_name_and_the_first_as_the_channel():
    accounts = [
        AccountStatus(channel="matrix", account="a", is_configured=True, is_running=True),
        AccountStatus(channel="matrix", account="b", is_enabled=True, last_error="no line"),
        AccountStatus(channel="zalo", account="off"),
        AccountStatus(channel="webhook", account="c", is_enabled=True),
    ]
    matrix, webhook = channel_health(INFOS, accounts)
    row = matrix.as_row()
    assert (matrix.id, matrix.label, row["accountId"], row["running"]) == (
        "matrix", "Matrix", "a", True,
    )  # fmt: skip
    assert row["accounts"].keys() == {"a", "b"}
    assert row["accounts"]["b"]["lastError"] == "no line"
    assert matrix.as_lines() == ["Matrix: configured", "  - a (runs)", "  - b (does not run)"]
    assert webhook.as_lines() == ["Webhook: not configured", "  - c (does not run)"]


def test_a_channel_that_does_not_run_is_neither_linked_nor_connected():
    """The macOS app loses a channel without these three."""
    status = AccountStatus(channel="matrix", account="a", is_configured=True, failed_starts=3)
    told = built(status)["channels"]["matrix"]
    assert (told["linked"], told["connected"], told["reconnectAttempts"]) == (False, False, 3)
    assert "baseUrl" not in told
