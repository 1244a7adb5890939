"""A handler sees the call's own caller."""

from __future__ import annotations

from carapace.methods.context import Call, Context
from support.methods import FakeCall, method_house
from support.server import make_caller


async def test_the_caller_is_that_of_the_call():
    call: Call = FakeCall(make_caller("c9"))
    async with method_house() as house:
        context = Context(house.services, call)
        assert context.caller is call.caller
        assert context.call.conn_id == "c9"
