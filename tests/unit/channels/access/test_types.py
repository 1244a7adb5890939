from __future__ import annotations

from carapace.channels.access.types import AccessSettings, PairingReply
from carapace.config.settings import Settings


def test_the_settings_tree_gives_every_channel():
    settings = Settings()
    made = AccessSettings.of(settings.channels, settings.messages, settings.commands)
    assert set(made.channels) == {"webchat", "webhook"}
    assert made.defaults is settings.channels.defaults
    assert made.messages is settings.messages
    assert made.commands is settings.commands


def test_a_code_does_not_show_in_a_dump():
    reply = PairingReply(code="ABCD2345", created=True, text="your code is ABCD2345")
    assert "ABCD2345" not in repr(reply)
