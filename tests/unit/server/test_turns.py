"""A flood shares a small budget for each pass of the loop."""

# ruff: noqa: ASYNC110 - counts passes of the loop
from __future__ import annotations

import asyncio

from carapace.server.turns import Turns


async def test_a_pass_does_a_few_and_every_socket_gets_its_turn():
    turns, done = Turns(), list[int]()
    for n in range(20):
        turns.ask(lambda n=n: done.append(n))
    assert done == []
    sizes = []
    while len(turns):
        await asyncio.sleep(0)
        sizes.append(len(done))
    assert sizes == [8, 16, 20]
    assert done == list(range(20))


async def test_who_asks_again_waits_behind_the_others():
    turns, done = Turns(), list[str]()

    def greedy() -> None:
        done.append("greedy")
        if done.count("greedy") < 3:
            turns.ask(greedy)

    turns.ask(greedy)
    turns.ask(lambda: done.append("modest"))
    while len(turns):
        await asyncio.sleep(0)
    assert done == ["greedy", "modest", "greedy", "greedy"]


async def test_one_that_fails_does_not_take_the_others_turn():
    turns, done, failures = Turns(), list[int](), list[str]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(str(context["exception"])))

    def broken() -> None:
        raise ValueError("broken")

    turns.ask(broken)
    turns.ask(lambda: done.append(1))
    while len(turns):
        await asyncio.sleep(0)
    assert (done, failures) == ([1], ["broken"])
