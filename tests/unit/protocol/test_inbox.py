"""Wire types of the inbox: strict in, sparse out."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol import inbox as wire


@pytest.mark.parametrize(
    ("params", "given"),
    [
        (wire.InboxList, {"surprise": True}),
        (wire.InboxList, {"limit": 0}),
        (wire.InboxList, {"state": "lost"}),
        (wire.InboxReplay, {}),
        (wire.InboxReplay, {"id": 0}),
    ],
)
def test_params_that_do_not_fit_are_refused(params: type[msgspec.Struct], given: object):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, params)


def test_what_is_not_known_is_absent():
    item = wire.InboxItem(
        id=1,
        channel="webhook",
        account_id="default",
        conversation="c",
        message_id="m",
        state="done",
        attempts=1,
        received_at_ms=1,
    )
    assert set(msgspec.to_builtins(item)) == {
        "id",
        "channel",
        "accountId",
        "conversation",
        "messageId",
        "state",
        "attempts",
        "receivedAtMs",
    }
