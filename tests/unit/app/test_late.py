"""News from rooms that are built before the server find it once it is there."""

from __future__ import annotations

from carapace.app.late import Late
from carapace.protocol.events import Event


def test_news_before_the_server_is_there_are_heard_by_nobody_and_harm_nothing():
    late = Late()
    late.publish(Event("tick", {}))
    late.close(lambda _caller: True, "revoked")
    assert late.server is None
