"""The slots are anybody's; when they are taken, the longest holder of the heaviest gives way."""

from __future__ import annotations

import asyncio

from carapace.triggers.webhook_slots import Slot, Slots


class Reader:
    """Somebody whose body never ends."""

    def __init__(self, slots: Slots, group: str) -> None:
        self.slots = slots
        self.group = group
        self.slot: Slot | None = None
        self.was_cut = False

    async def read(self) -> None:
        try:
            async with asyncio.timeout(60) as deadline:
                self.slot = self.slots.enter(self.group, deadline)
                await asyncio.Event().wait()
        except TimeoutError:
            assert self.slot is not None
            self.was_cut = self.slot.is_cut
        finally:
            assert self.slot is not None
            self.slots.leave(self.slot)


async def _cut(*groups: str, size: int) -> list[int]:
    """Numbers of the readers that lost their place, each group entering in turn."""
    slots = Slots(size)
    readers = [Reader(slots, group) for group in groups]
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []
        for reader in readers:
            running.append(tasks.create_task(reader.read()))
            for _ in range(3):
                await asyncio.sleep(0)
            assert len(slots) <= size
        for task in running:
            task.cancel()
    assert len(slots) == 0
    return [number for number, reader in enumerate(readers) if reader.was_cut]


async def test_nobody_gives_way_while_there_is_room():
    assert await _cut("a", "a", "b", size=3) == []


async def test_the_oldest_gives_way():
    assert await _cut("a", "a", "a", "a", size=2) == [0, 1]


async def test_the_heaviest_address_gives_way_not_the_oldest_one():
    assert await _cut("a", "b", "b", "c", size=3) == [1]


async def test_among_equals_the_oldest_gives_way():
    assert await _cut("a", "b", "c", "d", size=3) == [0]
