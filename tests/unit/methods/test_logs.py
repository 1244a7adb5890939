"""`logs.tail` reads on from a cursor."""

from __future__ import annotations

from support.methods import method_house


async def test_new_lines_come_after_the_cursor():
    async with method_house() as house:
        house.ring.append(b"one")
        first = await house.call("logs.tail")
        house.ring.append(b"two")
        second = await house.call("logs.tail", {"cursor": first["cursor"], "limit": 1})
    assert (first["file"], first["lines"]) == ("/log", ["one"])
    assert (second["lines"], second["reset"]) == (["two"], False)
