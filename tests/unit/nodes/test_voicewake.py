"""The words that wake the apps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.errors import Refused
from carapace.nodes.voicewake import DEFAULT_TRIGGERS, VoiceWakeWords, cleaned
from carapace.protocol.events import Event
from support.clock import FakeClock
from support.database import memory_database


async def test_words_are_kept_and_told() -> None:
    told: list[Event] = []
    clock = FakeClock()
    async with memory_database() as database:
        words = await VoiceWakeWords.open(database, clock=clock, publish=told.append)
        assert words.now().triggers == DEFAULT_TRIGGERS
        answer = await words.put(["hey golden", " ", "computer"])
        assert answer.triggers == ("hey golden", "computer")
        assert [(event.name, event.payload) for event in told] == [("voicewake.changed", answer)]
        again = await VoiceWakeWords.open(database, clock=clock, publish=told.append)
        assert again.now() == answer


async def test_no_words_are_the_defaults() -> None:
    clock = FakeClock()
    async with memory_database() as database:
        words = await VoiceWakeWords.open(database, clock=clock, publish=lambda _event: None)
        await words.put(["mine"])
        assert (await words.put([" ", 3])).triggers == DEFAULT_TRIGGERS


@pytest.mark.parametrize("triggers", [None, "computer", {"a": 1}, 3])
async def test_what_is_no_list_is_refused_and_changes_nothing(triggers: Any) -> None:
    told: list[Event] = []
    async with memory_database() as database:
        words = await VoiceWakeWords.open(database, clock=FakeClock(), publish=told.append)
        with pytest.raises(Refused, match=r"voicewake\.set requires triggers: string\[\]"):
            await words.put(triggers)
        assert (words.now().triggers, told) == (DEFAULT_TRIGGERS, [])


def test_control_characters_and_runs_of_blanks_become_one_blank() -> None:
    assert cleaned(["hey\n\x07  there", "\u200b"]) == ("hey there",)


@given(st.lists(st.one_of(st.text(max_size=200), st.integers(), st.none()), max_size=60))
def test_whatever_is_given_the_words_are_few_short_and_clean(given_words: list[Any]) -> None:
    words = cleaned(given_words)
    assert len(words) <= 32
    assert all(0 < len(word) <= 64 and word == word.strip() for word in words)
    assert cleaned(words) == words
