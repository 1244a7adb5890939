"""`talk.mode` on the wire."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.talk import TalkMode, TalkModeSet


def test_a_missing_phase_is_null_not_absent() -> None:
    assert msgspec.json.encode(TalkMode(True, None, 1)) == b'{"enabled":true,"phase":null,"ts":1}'


@pytest.mark.parametrize("given", [{}, {"enabled": "yes"}, {"enabled": True, "more": 1}])
def test_what_does_not_fit_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, TalkModeSet)
