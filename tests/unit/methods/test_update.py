"""The gateway does not update itself, and says how a person does."""

from __future__ import annotations

import pytest

from carapace import __version__
from carapace.errors import Refused
from support.methods import method_house


async def test_it_refuses_and_says_how():
    async with method_house() as house:
        with pytest.raises(Refused) as caught:
            await house.call("update.run", {"sessionKey": "main", "restartDelayMs": 0})
    refused = caught.value
    assert refused.code == "UNAVAILABLE"
    assert "does not update itself" in refused.message
    assert refused.details is not None
    assert refused.details["how"] in refused.message
    assert (refused.details["status"], refused.details["version"]) == ("skipped", __version__)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"timeoutMs": 0}, "invalid update.run params: at /timeoutMs: must be >= 1"),
        ({"x": 1}, "invalid update.run params: at root: unexpected property 'x'"),
    ],
)
async def test_params_are_those_of_the_protocol(params, message):
    async with method_house() as house:
        with pytest.raises(Refused) as caught:
            await house.call("update.run", params)
    assert caught.value.message == message
