"""The cap of a file is the nearest `mediaMaxMb`: account, channel, all channels, agents."""

from __future__ import annotations

import msgspec
import pytest

from carapace.channels.accounts.file_cap import max_file_bytes
from carapace.config.settings import Settings
from carapace.config.settings.agents import AgentDefaults, AgentsSettings
from carapace.config.settings.channels import (
    ChannelDefaults,
    ChannelsSettings,
    WebhookAccount,
    WebhookSettings,
)

AGENTS = AgentsSettings(defaults=AgentDefaults(media_max_mb=7.0))
SETTINGS = Settings(
    agents=AGENTS,
    channels=ChannelsSettings(
        webhook=WebhookSettings(
            media_max_mb=0.5,
            accounts={"a": WebhookAccount(media_max_mb=2.0), "b": WebhookAccount()},
        )
    ),
)


@pytest.mark.parametrize(
    ("channel", "account", "cap"),
    [
        ("webhook", "a", 2_000_000),
        ("webhook", "b", 500_000),
        ("webchat", "default", 7_000_000),
        ("nowhere", "default", 7_000_000),
        ("webhook", "nobody", 7_000_000),
    ],
)
def test_the_nearest_counts(channel: str, account: str, cap: int):
    assert max_file_bytes(SETTINGS, channel, account) == cap


def test_what_holds_for_all_channels_comes_before_the_agents():
    channels = ChannelsSettings(defaults=ChannelDefaults(media_max_mb=1.5))
    settings = msgspec.structs.replace(SETTINGS, channels=channels)
    assert max_file_bytes(settings, "webhook", "default") == 1_500_000
    assert max_file_bytes(settings, "nowhere", "default") == 1_500_000


def test_without_a_word_it_is_five_megabytes():
    assert max_file_bytes(Settings(), "webhook", "default") == 5_000_000
