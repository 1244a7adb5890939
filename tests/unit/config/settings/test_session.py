from __future__ import annotations

from carapace.config.settings.session import SessionSettings


def test_each_sender_has_a_conversation_of_its_own_and_the_main_one_is_called_main():
    assert (SessionSettings().scope, SessionSettings().main_key) == ("per-sender", "main")
