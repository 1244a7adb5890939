"""`channels.status` without channels has every key that native decoders insist on."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.channels import ChannelsStatus, ChannelsStatusParams


def test_all_maps_are_present_even_when_empty():
    empty = ChannelsStatus(5, [], {}, {}, {}, [], {}, {}, {})
    assert msgspec.json.decode(msgspec.json.encode(empty)) == {
        "ts": 5,
        "channelOrder": [],
        "channelLabels": {},
        "channelDetailLabels": {},
        "channelSystemImages": {},
        "channelMeta": [],
        "channels": {},
        "channelAccounts": {},
        "channelDefaultAccountId": {},
    }


def test_params_are_strict():
    assert msgspec.json.decode(b'{"timeoutMs":0}', type=ChannelsStatusParams).timeout_ms == 0
    for bad in (b'{"timeoutMs":-1}', b'{"other":1}', b'{"probe":"yes"}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(bad, type=ChannelsStatusParams)
