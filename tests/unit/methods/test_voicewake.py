"""`voicewake.*` as a client asks them."""

from __future__ import annotations

import pytest

from carapace.errors import Refused
from carapace.methods.voicewake import METHODS
from carapace.protocol.scopes import Scope
from support.methods import method_house


def test_reading_needs_read_and_changing_needs_write() -> None:
    assert METHODS["voicewake.get"].scope is Scope.READ
    assert METHODS["voicewake.set"].scope is Scope.WRITE


async def test_words_are_read_changed_and_told() -> None:
    async with method_house() as house:
        before = await house.call("voicewake.get")
        assert before == {"triggers": ["clawd", "claude", "computer"]}
        words = {"triggers": ["hey golden", "computer"]}
        assert (
            await house.call("voicewake.set", {"triggers": ["hey golden", " ", "computer"]})
            == words
        )
        assert await house.call("voicewake.get") == words
        assert house.agent_house.told("voicewake.changed") == [words]


async def test_a_missing_list_is_refused_in_the_recorded_words() -> None:
    async with method_house() as house:
        with pytest.raises(Refused, match=r"^voicewake\.set requires triggers: string\[\]$"):
            await house.call("voicewake.set", {})
