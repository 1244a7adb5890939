"""A few work at a time, a few more wait, and everybody else is told so at once."""

from __future__ import annotations

import asyncio

import pytest

from carapace.errors import Failed
from carapace.media.slots import Slots
from support.polling import until


class Work:
    """Stays in its place until it may leave; counts who is in one."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.inside: list[int] = []
        self.most = 0
        self.may_leave = asyncio.Event()

    async def do(self, number: int) -> None:
        async with self.slots.one():
            self.inside.append(number)
            self.most = max(self.most, len(self.inside))
            await self.may_leave.wait()
            self.inside.remove(number)


@pytest.fixture
async def work():
    return Work(Slots(2, max_waiting=3, what="cakes wait to be eaten"))


async def test_only_so_many_are_inside_and_all_get_their_turn(work: Work):
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(work.do(number))
        await until(lambda: len(work.inside) == 2)
        assert work.inside == [0, 1]
        work.may_leave.set()
    assert work.inside == []
    assert work.most == 2


async def test_the_line_has_an_end(work: Work):
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(work.do(number))
        await until(lambda: work.inside)
        with pytest.raises(Failed, match="3 cakes wait to be eaten already") as told:
            await work.do(6)
        assert told.value.retryable
        work.may_leave.set()


async def test_who_gives_up_waiting_and_who_breaks_leave_their_place(work: Work):
    async with asyncio.TaskGroup() as group:
        first = [group.create_task(work.do(number)) for number in range(2)]
        await until(lambda: len(work.inside) == 2)
        waiting = [asyncio.create_task(work.do(number)) for number in range(2, 5)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        again = [group.create_task(work.do(number)) for number in range(5, 8)]
        first[0].cancel()
        await until(lambda: 5 in work.inside)
        work.may_leave.set()
    assert all(task.done() for task in again)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with work.slots.one():
                raise ZeroDivisionError
