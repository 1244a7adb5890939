"""Names of chat services, and the params of `channels.status`."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.channels import ChannelsStatus, ChannelsStatusParams, channel_named


@pytest.mark.parametrize("name", ["whatsapp", "telegram", "msteams", "zalouser", "webchat", "last"])
def test_what_the_stock_command_line_may_name_is_known(name: str) -> None:
    assert channel_named(name) == name


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (" WhatsApp ", "whatsapp"),
        ("imsg", "imessage"),
        ("google-chat", "googlechat"),
        ("gchat", "googlechat"),
    ],
)
def test_case_blanks_and_old_names_do_not_matter(said: str, meant: str) -> None:
    assert channel_named(said) == meant


@pytest.mark.parametrize("name", ["nope", "", " ", "whatsapp2"])
def test_anything_else_is_nobody(name: str) -> None:
    assert channel_named(name) is None


def test_params_take_a_probe_and_refuse_a_negative_time() -> None:
    found = msgspec.json.decode(b'{"probe":true,"timeoutMs":5}', type=ChannelsStatusParams)
    assert (found.probe, found.timeout_ms) == (True, 5)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"timeoutMs":-1}', type=ChannelsStatusParams)


def test_every_map_is_sent_even_when_empty() -> None:
    """The macOS app decodes all of them as required."""
    answer = ChannelsStatus(
        ts=1,
        channel_order=[],
        channel_labels={},
        channel_detail_labels={},
        channel_system_images={},
        channel_meta=[],
        channels={},
        channel_accounts={},
        channel_default_account_id={},
    )
    assert msgspec.json.decode(msgspec.json.encode(answer)) == {
        "ts": 1,
        "channelOrder": [],
        "channelLabels": {},
        "channelDetailLabels": {},
        "channelSystemImages": {},
        "channelMeta": [],
        "channels": {},
        "channelAccounts": {},
        "channelDefaultAccountId": {},
    }
