"""A held request: each answer is brought before the next is asked for, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from carapace.errors import Failed
from carapace.plugins.capabilities import poll as module
from carapace.plugins.capabilities import poll_records as records
from carapace.plugins.capabilities.poll import PollCapability
from carapace.plugins.errors import GuestTrap, PluginUnavailable
from carapace.store.sqlite import SqliteDatabase
from support.capabilities import (
    OutboundRig,
    RecordingEvents,
    code_of,
    eventually,
    outbound_rig,
    plain_request,
    secret_use,
)
from support.clock import FakeClock
from support.database import memory_database


class Service:
    """Hands out updates one by one, and forgets each once it was told.

    Attributes:
        updates: What waits; a number is a status.
        asked: Paths that were asked for, in order.
    """

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.asked: list[str] = []
        self._news = asyncio.Event()

    def add(self, *updates: Any) -> None:
        self.updates += updates
        self._news.set()

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        while not self.updates:
            self._news.clear()
            await self._news.wait()
        update = self.updates.pop(0)
        if isinstance(update, int):
            return web.Response(status=update)
        return web.Response(text=update)


class Rig:
    """Polls of one plugin."""

    def __init__(self, database: SqliteDatabase, out: OutboundRig, service: Service) -> None:
        self.database, self.out, self.service = database, out, service
        self.clock = FakeClock()
        self.events = RecordingEvents()
        self.polls = self.make()

    def make(self) -> PollCapability:
        return PollCapability(
            "demo",
            self.database,
            clock=self.clock,
            requester=self.out.requester,
            events=self.events,
            luck=lambda: 0.0,
        )

    async def start(self, name: str = "p", *, path: str = "/u", payload: str = "x", **more: Any):
        options: dict[str, Any] = {"timeout_ms": 60_000, **more}
        request = plain_request(self.out.url + path, **options)
        await self.polls.call("start", [name, request, payload])

    async def restart(self) -> None:
        """As after a restart of the gateway."""
        await self.polls.aclose()
        self.polls = self.make()
        await self.polls.resume()

    async def brought(self, n: int) -> list[Any]:
        """Let time pass until `n` answers were brought; their bodies, or codes."""

        async def enough() -> bool:
            await self.clock.advance(0.5)
            return len(self.events.brought) >= n

        await eventually(enough)
        return [said(one) for one in self.events.brought]

    async def rows(self) -> list[records.HeldPoll]:
        return await self.database.read(lambda tx: records.all_of(tx, "demo"))

    async def asked(self, n: int) -> list[str]:
        async def enough() -> bool:
            await self.clock.advance(0.5)
            return len(self.service.asked) >= n

        await eventually(enough)
        return self.service.asked


def said(brought: tuple[Any, ...]) -> Any:
    *refused, _, _, answer, _ = brought
    found = answer["ok"] if "ok" in answer else answer["err"]["code"]
    if isinstance(found, dict):
        found = found["body"]["value"] if found["status"] == 200 else found["status"]
    return (*refused, found) if refused else found


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncGenerator[Rig]:
    service = Service()
    async with (
        memory_database() as database,
        outbound_rig(tmp_path, web.route("*", "/{path:.*}", service.handle)) as out,
    ):
        rig = Rig(database, out, service)
        try:
            yield rig
        finally:
            await rig.polls.aclose()


async def test_answers_are_brought_in_order_with_their_payload(rig):
    await rig.start(payload="mine")
    rig.service.add("one", "two", "three")
    assert await rig.brought(3) == ["one", "two", "three"]
    assert {what[3] for what in rig.events.brought} == {"mine"}
    assert {what[1] for what in rig.events.brought} == {"p"}


async def test_the_next_request_waits_until_the_answer_was_taken(rig):
    asked_meanwhile: list[int] = []

    async def slowly(_) -> None:
        for _ in range(20):
            await rig.clock.advance(60)
        asked_meanwhile.append(len(rig.service.asked))

    rig.events.during = slowly
    rig.service.add("one", "two")
    await rig.start()
    await rig.brought(2)
    assert asked_meanwhile == [1, 2]


async def test_an_answer_that_was_not_taken_is_brought_again_after_a_restart(rig):
    rig.events.trouble = [PluginUnavailable("starting")] * 1000
    rig.service.add("only once")
    await rig.start(payload="mine")
    await rig.brought(1)
    rig.events.trouble = []
    rig.events.brought.clear()
    await rig.restart()
    assert await rig.brought(1) == ["only once"]
    assert rig.events.brought[0][3] == "mine"
    assert rig.service.asked == ["/u"] or await rig.asked(2)

    async def is_crossed_out() -> bool:
        return (await rig.rows())[0].answer is None

    await eventually(is_crossed_out)


async def test_a_held_request_goes_on_after_a_restart(rig):
    await rig.start()
    await rig.asked(1)
    await rig.restart()
    await rig.polls.resume()
    await rig.asked(2)
    rig.service.add("news", "news")  # the cut connection may take one of them with it
    assert "news" in await rig.brought(1)


async def test_the_plugin_is_told_of_errors_and_the_service_gets_time(rig):
    rig.service.add(500, 503, 408, "well")
    await rig.start()
    assert await rig.brought(4) == [500, 503, 408, "well"]
    assert rig.clock.monotonic() >= 1 + 2


async def test_an_unreachable_service_is_an_error_with_a_code(rig):
    await rig.start()
    await rig.asked(1)
    rig.out.secrets.values.clear()
    rig.service.add("one")
    await rig.start("q", timeout_ms=1)
    assert "timeout" in await rig.brought(2)


async def test_the_same_request_again_changes_nothing(rig):
    await rig.start()
    await rig.asked(1)
    await rig.start()
    rig.service.add("one")
    assert await rig.brought(1) == ["one"]
    assert rig.service.asked[:2] in (["/u"], ["/u", "/u"])


async def test_another_request_takes_the_place_of_the_one_before(rig):
    await rig.start(path="/old")
    await rig.asked(1)
    await rig.start(path="/new", payload="new")
    assert (await rig.asked(2))[:2] == ["/old", "/new"]
    rig.service.add("news", "news")  # the cut connection may take one of them with it
    await rig.brought(1)
    assert rig.events.brought[0][3] == "new"
    assert (await rig.rows())[0].payload == "new"


async def test_a_plugin_may_change_its_request_while_it_takes_an_answer(rig):
    async def change(_) -> None:
        rig.events.during = None
        await rig.start(path="/u?offset=2", payload="second")

    rig.events.during = change
    rig.service.add("one", "two")
    await rig.start(path="/u?offset=1", payload="first")
    await rig.brought(2)
    assert rig.service.asked[:2] == ["/u?offset=1", "/u?offset=2"]
    assert [what[3] for what in rig.events.brought] == ["first", "second"]


async def test_a_stopped_request_is_forgotten(rig):
    await rig.start()
    await rig.asked(1)
    assert await rig.polls.call("stop", ["p"]) is True
    assert await rig.polls.call("stop", ["p"]) is False
    assert await rig.rows() == []
    rig.service.add("one")
    await rig.clock.advance(100)
    assert rig.events.brought == []


async def test_a_plugin_may_stop_while_it_takes_an_answer_and_start_again(rig):
    async def stop(_) -> None:
        rig.events.during = again
        await rig.polls.call("stop", ["p"])

    async def again(_) -> None:
        rig.events.during = None
        await rig.polls.call("stop", ["p"])
        await rig.start(path="/again")

    rig.events.during = stop
    rig.service.add("one")
    await rig.start()
    await rig.brought(1)

    async def is_gone() -> bool:
        await rig.clock.advance(1)
        return not rig.polls._held

    await eventually(is_gone)
    assert rig.service.asked == ["/u"]
    rig.service.add("two", "three")
    await rig.start(path="/second")
    assert await rig.brought(3) == ["one", "two", "three"]
    assert rig.service.asked[:3] == ["/u", "/second", "/again"]


async def test_a_plugin_that_breaks_on_an_answer_loses_it_after_five_times(rig):
    rig.events.trouble = [GuestTrap("crash", "boom")] * 5
    rig.service.add("poison", "good")
    await rig.start()
    assert await rig.brought(6) == [("refused", "poison")] * 5 + ["good"]


async def test_breaks_are_counted_over_restarts(rig):
    rig.events.trouble = [GuestTrap("crash", "boom")] * 5
    rig.service.add("poison")
    await rig.start()
    await rig.brought(3)

    async def is_counted() -> bool:
        return (await rig.rows())[0].failures == 3

    await eventually(is_counted)
    await rig.restart()
    rig.service.add("good")
    assert (await rig.brought(6))[3:] == [("refused", "poison")] * 2 + ["good"]


async def test_a_secret_is_in_the_request_and_nowhere_else(rig):
    rig.service.add("hunter2-hunter2 is your token")
    rig.events.trouble = [PluginUnavailable("busy")] * 1000
    await rig.start(path="/bot{t}/u", secrets=(secret_use("path", "{t}"),))
    await rig.brought(1)
    assert rig.service.asked == ["/bothunter2-hunter2/u"]
    assert "hunter2" not in repr(rig.events.brought)
    rows = await rig.rows()
    assert rows[0].answer is not None
    assert "hunter2" not in repr(rows)


async def test_what_may_not_be_asked_is_not_held(rig):
    request = plain_request("https://evil.example/")
    assert await code_of(rig.polls.call("start", ["p", request, ""])) == "not-granted"
    assert await rig.rows() == []


async def test_a_plugin_may_hold_so_many(rig, monkeypatch):
    monkeypatch.setattr(module, "MAX_POLLS", 1)
    await rig.start("p")
    assert await code_of(rig.start("q")) == "quota"


async def test_a_row_that_cannot_be_read_is_dropped(rig):
    broken = records.HeldPoll(name="p", request="not json", payload="")
    await rig.database.write(lambda tx: records.put(tx, "demo", broken, max_count=9))
    await rig.polls.resume()
    assert await rig.rows() == []


async def test_a_disk_that_refuses_does_not_stop_the_loop(rig):
    await rig.start()
    await rig.asked(1)
    real = rig.database

    class Full:
        """The real database, whose disk is full."""

        read = real.read

        async def write(self, fn):
            raise Failed("the disk is full")

    rig.polls._database = Full()
    rig.events.trouble = [GuestTrap("crash", "boom")]
    rig.service.add("one", "two")
    assert await rig.brought(3) == [("refused", "one"), "one", "two"]


async def test_a_fault_of_ours_is_an_error_for_the_plugin(rig):
    class Broken:
        """A requester with a fault."""

        check = rig.out.requester.check

        async def send(self, request):
            raise ValueError("ours")

    rig.polls._requester = Broken()
    await rig.start()
    assert (await rig.brought(1))[0] == "internal"
