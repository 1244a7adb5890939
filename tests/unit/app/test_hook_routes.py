"""Hooks are told where a session was last spoken to from, and nothing that is not there."""

from __future__ import annotations

import pytest

from carapace.app.hook_routes import LastRoute
from carapace.channels.types import Target
from carapace.ids import SessionKey
from carapace.protocol.sessions import DeliveryContext
from carapace.sessions import records
from carapace.sessions.types import Route
from carapace.store.ports import Tx
from support.methods import MethodHouse, method_house

MAIN = SessionKey("agent:main:main")


async def spoken_to(house: MethodHouse, route: Route) -> LastRoute:
    sessions = house.services.sessions
    await sessions.ensure(MAIN)

    def note(tx: Tx) -> None:
        records.set_route(tx, MAIN, route)

    await house.agent_house.database.write(note)
    return LastRoute(sessions, house.services.accounts)


async def test_a_channel_of_ours_is_where_answers_go():
    async with method_house() as house:
        route = Route(last_channel="webhook", last_to="c1", last_account_id="second")
        routing = await spoken_to(house, route)
        assert routing.channels() == ("webhook",)
        assert await routing.last(MAIN) == Target(
            channel="webhook", account="second", conversation="c1"
        )


@pytest.mark.parametrize(
    ("delivery", "thread_id"),
    [
        (DeliveryContext(channel="webhook", to="c1", thread_id="t7"), "t7"),
        (DeliveryContext(channel="webhook", to="c1"), None),
        (DeliveryContext(channel="webhook", to="c2", thread_id="t7"), None),
        (DeliveryContext(channel="matrix", to="c1", thread_id="t7"), None),
    ],
)
async def test_the_thread_is_kept_if_it_is_one_of_that_place(
    delivery: DeliveryContext, thread_id: str | None
):
    async with method_house() as house:
        route = Route(last_channel="webhook", last_to="c1", delivery=delivery)
        target = await (await spoken_to(house, route)).last(MAIN)
        assert target is not None
        assert target.thread_id == thread_id


@pytest.mark.parametrize(
    "route",
    [
        Route(last_channel="matrix", last_to="c1"),
        Route(last_channel="webhook"),
        Route(last_to="c1"),
    ],
)
async def test_without_a_channel_of_ours_there_is_no_way_back(route: Route):
    async with method_house() as house:
        assert await (await spoken_to(house, route)).last(MAIN) is None


async def test_a_session_that_is_not_there_has_no_way_back():
    async with method_house() as house:
        routing = LastRoute(house.services.sessions, house.services.accounts)
        assert await routing.last(SessionKey("agent:main:nowhere")) is None
