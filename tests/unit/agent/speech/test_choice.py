"""What people chose outlives the process."""

from __future__ import annotations

from carapace.agent.speech.choice import Choice, Choices
from support.clock import FakeClock
from support.database import memory_database


async def test_each_choice_is_kept_beside_the_other():
    async with memory_database() as database:
        choices = Choices(database, FakeClock())
        assert await choices.get() == Choice()
        await choices.set_provider("piper")
        await choices.set_auto("always")
        assert await choices.get() == Choice("always", "piper")
        assert await Choices(database, FakeClock()).get() == Choice("always", "piper")
        await choices.set_auto("off")
        assert (await Choices(database, FakeClock()).get()).auto == "off"
