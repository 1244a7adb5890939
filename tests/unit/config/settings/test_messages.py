from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.messages import MessagesSettings


def test_by_default_each_message_is_answered_and_fifty_others_are_remembered():
    settings = MessagesSettings()
    assert settings.inbound.debounce_ms == 0
    assert settings.group_chat.history_limit == 50
    assert settings.group_chat.mention_patterns == ()


def test_single_channels_may_wait_longer():
    settings = msgspec.convert({"inbound": {"byChannel": {"webhook": 500}}}, MessagesSettings)
    assert settings.inbound.by_channel == {"webhook": 500}


@pytest.mark.parametrize("value", [-1, 60_001, 1.5])
def test_a_wait_is_a_bounded_whole_number(value: float):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"inbound": {"debounceMs": value}}, MessagesSettings)


def test_a_pattern_is_short():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"groupChat": {"mentionPatterns": ["a" * 201]}}, MessagesSettings)
