"""Held requests: counted, changed in place, their answers kept until taken."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.plugins.capabilities import poll_records as records
from carapace.plugins.capabilities.poll_records import HeldPoll
from support.database import memory_database

ONE = HeldPoll(name="one", request="{}", payload="p")


async def test_requests_are_held_changed_and_let_go():
    def work(tx):
        assert records.put(tx, "demo", ONE, max_count=1)
        assert not records.put(tx, "demo", replace(ONE, name="two"), max_count=1)
        assert records.put(tx, "other", replace(ONE, name="two"), max_count=1)
        records.keep_answer(tx, "demo", "one", answer="[1]", payload="p")
        records.set_failures(tx, "demo", "one", 3)
        assert records.put(tx, "demo", replace(ONE, payload="q"), max_count=1)
        (held,) = records.all_of(tx, "demo")
        assert held == HeldPoll(
            name="one", request="{}", payload="q", answer="[1]", answer_payload="p", failures=3
        )
        records.keep_answer(tx, "demo", "one", answer=None, payload=None)
        (held,) = records.all_of(tx, "demo")
        assert (held.answer, held.answer_payload, held.failures) == (None, "", 0)
        assert records.remove(tx, "demo", "one")
        assert not records.remove(tx, "demo", "one")
        records.erase(tx, "other")
        assert records.all_of(tx, "other") == []

    async with memory_database() as database:
        await database.write(work)
