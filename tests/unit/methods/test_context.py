from __future__ import annotations

from pathlib import Path

from carapace.methods.context import Call, Context
from carapace.server.dispatch import ActiveCall
from support.methods import FakeCall, desk


async def test_the_context_tells_who_asks(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert Context(at.services, at.call).caller is at.call.caller


def test_the_servers_call_and_the_tests_call_fit_the_port() -> None:
    """Held by the type checker: both lines would not pass otherwise."""
    served: type[Call] = ActiveCall
    faked: type[Call] = FakeCall
    assert served is not faked
