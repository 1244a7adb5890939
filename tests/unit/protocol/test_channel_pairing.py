"""Wire types of pairing on chats: strict in, and no code ever goes out."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol import channel_pairing as wire


@pytest.mark.parametrize(
    ("params", "given"),
    [
        (wire.PairingList, {"surprise": True}),
        (wire.PairingApprove, {"channel": "webhook"}),
        (wire.PairingApprove, {"channel": "webhook", "code": ""}),
        (wire.PairingApprove, {"channel": "webhook", "code": "x" * 33}),
        (wire.PairingReject, {"code": "ABCD"}),
        (wire.PairingRevoke, {"channel": "webhook"}),
        (wire.PairingRevoke, {"channel": "webhook", "senderId": ""}),
    ],
)
def test_params_that_do_not_fit_are_refused(params: type[msgspec.Struct], given: object):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, params)


def test_no_answer_has_room_for_a_code():
    for struct in (wire.PendingSender, wire.AllowedSender, wire.PairingApproved):
        assert "code" not in struct.__struct_fields__
